"""Measures of how well filters stand for object parts, and of what fools them."""

from keras_icnn.metrics._accuracy import Accuracy, accuracy
from keras_icnn.metrics._deletion_curves import (
    DeletionInsertion,
    cell_order,
    curve_area,
    curve_images,
    curves_of,
    deletion_insertion,
    finer_order,
    greedy_order,
)
from keras_icnn.metrics._diversity import (
    Alive,
    PeakDiversity,
    alive,
    part_diversity,
    peak_diversity,
)
from keras_icnn.metrics._empirical_field import EmpiricalFields, empirical_receptive_fields
from keras_icnn.metrics._evaluate import evaluate
from keras_icnn.metrics._evaluate_corruptions import evaluate_corruptions
from keras_icnn.metrics._evaluate_keypoints import evaluate_keypoints
from keras_icnn.metrics._evaluate_maps import evaluate_maps
from keras_icnn.metrics._evaluate_part_agreement import evaluate_part_agreement
from keras_icnn.metrics._evaluation_report import EvaluationReport
from keras_icnn.metrics._image_changes import (
    CORRUPTIONS,
    blurred,
    corrupt,
    corrupted,
    jpeg,
    mean_filled,
    shifted,
)
from keras_icnn.metrics._keypoint_regression import KeypointResult, keypoint_regression
from keras_icnn.metrics._location_instability import (
    InstabilityResult,
    LocationInstability,
    location_instability,
)
from keras_icnn.metrics._measured_classes import find_background
from keras_icnn.metrics._occlusion_drop import OcclusionDrop, occlusion_drop
from keras_icnn.metrics._occlusion_radius import occlusion_images, occlusion_radius
from keras_icnn.metrics._part_agreement import PartAgreement, group_filters, part_agreement
from keras_icnn.metrics._part_anatomy import AnatomyResult, PartAnatomy, part_anatomy
from keras_icnn.metrics._part_coverage import (
    CoverageResult,
    PartCoverage,
    part_coverage,
    parts_followed,
)
from keras_icnn.metrics._part_interpretability import (
    InterpretabilityResult,
    PartInterpretability,
    part_interpretability,
)
from keras_icnn.metrics._part_tracking import PartTracking, TrackingResult, part_tracking
from keras_icnn.metrics._partitions import (
    adjusted_rand_index,
    normalized_mutual_information,
)
from keras_icnn.metrics._pointing_game import highest_point, map_agreement, pointing_game
from keras_icnn.metrics._top_images import TopImages
from keras_icnn.metrics._trivial_detectors import trivial_detectors
from keras_icnn.models._map_reading import MapReader, measured_layer, peaks_of
from keras_icnn.models._receptive_field import ReceptiveField, receptive_field

__all__ = [
    "CORRUPTIONS",
    "Accuracy",
    "Alive",
    "AnatomyResult",
    "CoverageResult",
    "DeletionInsertion",
    "EmpiricalFields",
    "EvaluationReport",
    "InstabilityResult",
    "InterpretabilityResult",
    "KeypointResult",
    "LocationInstability",
    "MapReader",
    "OcclusionDrop",
    "PartAgreement",
    "PartAnatomy",
    "PartCoverage",
    "PartInterpretability",
    "PartTracking",
    "PeakDiversity",
    "ReceptiveField",
    "TopImages",
    "TrackingResult",
    "accuracy",
    "adjusted_rand_index",
    "alive",
    "blurred",
    "cell_order",
    "corrupt",
    "corrupted",
    "curve_area",
    "curve_images",
    "curves_of",
    "deletion_insertion",
    "empirical_receptive_fields",
    "evaluate",
    "evaluate_corruptions",
    "evaluate_keypoints",
    "evaluate_maps",
    "evaluate_part_agreement",
    "find_background",
    "finer_order",
    "greedy_order",
    "group_filters",
    "highest_point",
    "jpeg",
    "keypoint_regression",
    "location_instability",
    "map_agreement",
    "mean_filled",
    "measured_layer",
    "normalized_mutual_information",
    "occlusion_drop",
    "occlusion_images",
    "occlusion_radius",
    "part_agreement",
    "part_anatomy",
    "part_coverage",
    "part_diversity",
    "part_interpretability",
    "part_tracking",
    "parts_followed",
    "peak_diversity",
    "peaks_of",
    "pointing_game",
    "receptive_field",
    "shifted",
    "trivial_detectors",
]
