"""Seconds, for tests: says nothing about accuracy.

python run_train.py --config=configs/smoke.py --data=sample --workdir=runs/smoke

11 s on two CPU cores with nothing in the caches, 92.25% of the 400 held-out digits of the sample
(seed 0); 2026-11-24.
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """Two short epochs without augmentation."""
    config = ConfigDict(Config(epochs=2, batch_size=64, warmup_epochs=0.5).as_dict())
    config.rotation = config.scale = config.shear = config.shift = config.elastic = 0.0
    return config
