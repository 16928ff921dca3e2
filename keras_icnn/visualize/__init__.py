"""Figures of what filters look at.

Functions return matplotlib figures, which notebooks show by themselves, and save them with `path=`.
No display is needed: nothing here touches pyplot. Matplotlib comes with the extra `plot`.
"""

from keras_icnn.visualize._explain import Explainer
from keras_icnn.visualize._explanation import Explanation
from keras_icnn.visualize._filter_gallery import filter_gallery
from keras_icnn.visualize._filter_maps import filter_maps
from keras_icnn.visualize._part_heatmap import part_heatmap

__all__ = ["Explainer", "Explanation", "filter_gallery", "filter_maps", "part_heatmap"]
