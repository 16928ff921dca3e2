"""Why an image was decided as it was: effects of filters, grouped into parts."""

from keras_icnn.explanations._category_effects import (
    CategoryEffects,
    PartEffect,
    accuracy_without_parts,
    category_effects,
)
from keras_icnn.explanations._decision_checks import DecisionChecks
from keras_icnn.explanations._explain import Explainer, explain
from keras_icnn.explanations._explanation import Explanation
from keras_icnn.explanations._faithfulness import evaluate_faithfulness
from keras_icnn.explanations._faithfulness_report import FaithfulnessReport
from keras_icnn.explanations._part_map import part_map, strongest_point
from keras_icnn.explanations._saliency import SaliencyMaps, baseline_image

__all__ = [
    "CategoryEffects",
    "DecisionChecks",
    "Explainer",
    "Explanation",
    "FaithfulnessReport",
    "PartEffect",
    "SaliencyMaps",
    "accuracy_without_parts",
    "baseline_image",
    "category_effects",
    "evaluate_faithfulness",
    "explain",
    "part_map",
    "strongest_point",
]
