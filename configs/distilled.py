"""One LeNet-5 of 61,706 parameters that learns from the probabilities of a wider one.

python run_train.py --config=configs/wide.py --data=digit-recognizer.zip --workdir=runs/wide
python run_train.py --config=configs/distilled.py --data=digit-recognizer.zip --workdir=runs/distilled
python run_predict.py --workdir=runs/distilled --data=digit-recognizer.zip --views=8

TIME
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """The recipe."""
    config = Config(
        teacher="runs/wide",
        epochs=40,
        subsampling="act_pool",
        learning_rate=6e-3,
        weight_decay=0.03,
        shift=1.0,
        elastic=0.7,
    )
    return ConfigDict(config.as_dict())
