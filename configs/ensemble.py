"""Sixteen networks of accurate.py's recipe: its variant accurate:ensemble, which says more.

python run_train.py --config=configs/ensemble.py --data=digit-recognizer.zip --workdir=runs/ensemble
"""

from ml_collections import ConfigDict

from lenet_jax.config import recipes


def get_config() -> ConfigDict:
    """The variant."""
    return ConfigDict(recipes.config_of("accurate:ensemble").as_dict())
