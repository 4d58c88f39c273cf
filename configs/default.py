"""A sensible single LeNet-5.

python run_train.py --config=configs/default.py --data=digit-recognizer.zip --workdir=runs/first
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """All fields have the defaults that `lenet_jax/config.py` documents."""
    return ConfigDict(Config().as_dict())
