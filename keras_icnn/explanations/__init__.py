"""Why an image was decided as it was: effects of filters, grouped into parts."""

from keras_icnn.explanations._category_effects import (
    CategoryEffects,
    PartEffect,
    accuracy_without_parts,
    category_effects,
)
from keras_icnn.explanations._explain import Explainer, explain
from keras_icnn.explanations._explanation import Explanation

__all__ = [
    "CategoryEffects",
    "Explainer",
    "Explanation",
    "PartEffect",
    "accuracy_without_parts",
    "category_effects",
    "explain",
]
