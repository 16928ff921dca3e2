"""Interpretable models: training them, converting networks, reading graphs and maps."""
