r"""One LeNet-5 taught by those sixteen: the variant accurate:distilled, which says more.

python run_train.py --config=configs/distilled.py --data=digit-recognizer.zip \
  --workdir=runs/distilled
"""

from ml_collections import ConfigDict

from lenet_jax.config import recipes


def get_config() -> ConfigDict:
    """The variant."""
    return ConfigDict(recipes.config_of("accurate:distilled").as_dict())
