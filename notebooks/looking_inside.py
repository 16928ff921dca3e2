# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Looking inside, and explaining decisions
#
# What a trained network's filters look at, how much they are worth, and which of them decided the class of a
# image. The demo trains the two networks used here, an ordinary one and its interpretable twin, in four
# minutes on two CPU cores.

# %%
# %matplotlib inline
import os
import tempfile
from pathlib import Path

import numpy as np

import keras_icnn as icnn
from keras_icnn import demo

# The project's tests run this notebook in a small setting, whose figures mean nothing.
SMALL = bool(os.environ.get("KERAS_ICNN_SMALL"))
setting = demo.QUICK if SMALL else demo.Setting()
data = demo.pictures(setting, seed=0)
models = demo.train(setting, data.train, seed=0, verbose=False)
ordinary, interpretable = models["ordinary"], models["interpretable"]
test = data.test

# %% [markdown]
# ## One image
#
# A filter's map, the mask around its peak, and what is left behind the mask. The mask is what makes a map
# compact; the push is what puts it on a part.

# %%
foxes = np.flatnonzero(test.labels == 1)
image = test.image(foxes[0])
icnn.visualize.filter_maps(interpretable, image)

# %% [markdown]
# ## One filter
#
# In both networks, by the same rule: the filter that follows its part best.

# %%
reports = demo.measure(models, test, seed=0)
for name, report in reports.items():
    best = int(np.nanargmax(report.filters["r2"]))
    display(icnn.visualize.filter_gallery(models[name], test, best, report.layer, n=6))

# %% [markdown]
# ## All filters

# %%
for name, report in reports.items():
    display(icnn.visualize.part_heatmap(models[name], test.subset(foxes[:6]), report.layer))

# %% [markdown]
# Where the spots of an interpretable network lie close together, its filters are copies of one detector. That
# is the price of the method in its present form: compare `div.` below.

# %%
print(reports["interpretable"].summary(reports["ordinary"]))

# %% [markdown]
# ## Why this class?
#
# `explain` tells what each filter adds to the score (the logit) of a class. By ablation it is exact: the
# score with the filter's map set to zero is computed. Filters of one part of the layer count as one; in an
# ordinary layer, those that fire on the same place in the same images. What is left without any filter, and what parts do together, is stated.

# %%
explanation = icnn.explain(
    interpretable,
    image,
    reference=test,
    parts=reports["interpretable"],
    class_names=test.class_names,
)
print(explanation.summary())

# %%
explanation.plot()

# %% [markdown]
# The ordinary network, on the same image:

# %%
print(
    icnn.explain(
        ordinary,
        image,
        layer=reports["ordinary"].layer,
        reference=test,
        parts=reports["ordinary"],
        class_names=test.class_names,
    ).summary()
)

# %% [markdown]
# `explanation.table()` gives the same as a list of dicts; its effects add up to the score.

# %%
rows = explanation.table()
np.testing.assert_allclose(sum(row["effect"] for row in rows), explanation.logit, rtol=1e-5)
rows[0]

# %% [markdown]
# ## Everything on one page
#
# One HTML file, to open in a browser: filters to sort and search, the images they are strongest on, and the
# decision on each image, in both networks.

# %%
page = icnn.visualize.report(
    interpretable,
    test,
    Path(tempfile.gettempdir()) / "looking_inside.html",
    compare=ordinary,
    compare_layer=reports["ordinary"].layer,
    radius=reports["ordinary"].values["radius"],
)
print(page, f"{page.stat().st_size / 1e6:.1f} MB")
page.unlink()  # keep yours
