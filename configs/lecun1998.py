"""LeNet-5 to the letter of LeCun et al. 1998: 60,000 trainable parameters.

python run_train.py --config=configs/lecun1998.py --data=digit-recognizer.zip --workdir=runs/1998
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """The paper's network, loss and 20 epochs; see README.md for what deviates."""
    config = ConfigDict(Config(model="lecun1998", epochs=20, rubbish_class=1.0).as_dict())
    config.rotation = config.scale = config.shear = config.shift = 0.0
    return config
