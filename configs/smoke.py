"""Seconds, for tests: says nothing about accuracy.

python run_train.py --config=configs/smoke.py --data=sample --workdir=runs/smoke
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """Two short epochs without augmentation."""
    config = ConfigDict(Config(epochs=2, batch_size=64, warmup_epochs=0.5).as_dict())
    config.rotation = config.scale = config.shear = config.shift = config.elastic = 0.0
    return config
