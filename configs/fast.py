"""One LeNet-5 above 99% in half a minute: fewer epochs, a higher learning rate.

python run_train.py --config=configs/fast.py --data=digit-recognizer.zip --workdir=runs/fast

99.19 +- 0.10% of a hold-out of 4,200 digits (8 seeds, the lowest 99.07%; --config.members=8). From
Kaggle's zip to a submission 35 s, 51 s with nothing in the caches, where a PyTorch script that
trains as long takes 117 s, on two cores of an AMD EPYC without AVX-512 (medians of 3 runs,
2026-11-25, Python 3.11, jax 0.10.2; `make bench`); about half of that with AVX-512.
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """The recipe."""
    config = Config(epochs=14, learning_rate=8e-3, shift=1.0, elastic=0.5)
    return ConfigDict(config.as_dict())
