"""During `fit`: measures, entropies and pictures of the filters; backups; the end of a lost run."""

from keras_icnn.callbacks._backup import Backup
from keras_icnn.callbacks._filter_entropies import FilterEntropies
from keras_icnn.callbacks._part_metrics import PartMetrics
from keras_icnn.callbacks._part_pictures import PartPictures
from keras_icnn.callbacks._stop_on_nan import StopOnNaN

__all__ = ["Backup", "FilterEntropies", "PartMetrics", "PartPictures", "StopOnNaN"]
