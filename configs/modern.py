r"""A small network of 3x3 convolutions: the teacher of a LeNet-5, and a Kaggle entrant's best.

python run_train.py --config=configs/modern.py --data=digit-recognizer.zip \
  --workdir=runs/modern --config.holdout=0
python run_predict.py --workdir=runs/modern --data=digit-recognizer.zip --views=8
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """The recipe."""
    config = Config(
        model="modern",
        epochs=24,
        batch_size=128,
        activation="silu",
        dropout=0.3,
        optimizer="muon",
        learning_rate=0.01,
        weight_decay=0.03,
        shift=1.0,
        elastic=0.7,
    )
    return ConfigDict(config.as_dict())
