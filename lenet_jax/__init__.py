"""LeNet-5 in JAX: from Kaggle's `train.csv` to a `submission.csv`.

Array names carry their axes, one letter each:

    M  member of an ensemble (a single model is an ensemble of one)
    N  image of a data set
    S  step of an epoch
    B  image of a batch
    H  row of an image or feature map
    W  column of an image or feature map
    C  channel (feature map)
    K  class, 0..9
"""

__version__ = "0.1.0"
