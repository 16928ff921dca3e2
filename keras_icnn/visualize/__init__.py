"""Figures of what filters look at, and a page that shows all of them.

Functions return matplotlib figures, which notebooks show by themselves, and save them with `path=`.
No display is needed: nothing here touches pyplot. Matplotlib comes with the extra `plot`. `report`
writes an HTML page instead, with the extra `report`.
"""

from keras_icnn.visualize._category_filters import category_filters
from keras_icnn.visualize._filter_gallery import filter_gallery
from keras_icnn.visualize._filter_maps import filter_maps
from keras_icnn.visualize._part_gallery import part_gallery
from keras_icnn.visualize._part_heatmap import part_heatmap
from keras_icnn.visualize._receptive_fields import receptive_fields
from keras_icnn.visualize._report import report
from keras_icnn.visualize._template_figure import templates
from keras_icnn.visualize._training_curves import training_curves

__all__ = [
    "category_filters",
    "filter_gallery",
    "filter_maps",
    "part_gallery",
    "part_heatmap",
    "receptive_fields",
    "report",
    "templates",
    "training_curves",
]
