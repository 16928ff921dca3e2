"""A small recipe on generated creatures, and its baselines."""

RECIPE = """
title = "creatures on SqueezeNet"
seeds = [0]

[data]
reader = "creatures"
task = "single-category"
categories = ["fox"]
train_on = ["train", "validation"]
arguments = { n_train = 40, n_validation = 8, n_test = 24, seed = 1 }

[network]
weights = "weights.npz"
frozen_until = "fire8_concat"
head = "pooled"
head_scale = 10.0

[training]
epochs = 1
batch_size = 16
learning_rates = { fire9 = 0.1 }

[[variant]]
name = "ordinary"
network = "squeezenet"
arguments = { extra_layer = true, new_filters = 8 }

[[variant]]
name = "interpretable"
network = "squeezenet_interpretable"
radius_from = "ordinary"
filter_loss = { rule = "default", strength = 0.2 }
arguments = { interpret_top = false, new_filters = 8 }
"""

BASELINES = """
[[variant]]
name = "taught"
network = "squeezenet"
kind = "supervised"
landmark = "head"
radius_from = "ordinary"

[[variant]]
name = "taught_each"
network = "squeezenet"
kind = "supervised"
landmark = "all"
radius_from = "ordinary"

[[variant]]
name = "untrained"
network = "squeezenet"
kind = "untrained"
radius_from = "ordinary"
arguments = { extra_layer = true, new_filters = 8 }
"""
