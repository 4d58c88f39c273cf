"""Sixteen LeNet-5s of 61,706 parameters each, trained side by side and averaged.

python run_train.py --config=configs/ensemble.py --data=digit-recognizer.zip --workdir=runs/ensemble
python run_predict.py --workdir=runs/ensemble --data=digit-recognizer.zip --views=8

TIME
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """The recipe."""
    config = Config(
        members=16, epochs=16, learning_rate=8e-3, weight_decay=0.03, shift=1.0, elastic=0.7
    )
    return ConfigDict(config.as_dict())
