"""Config -> learning rate schedule and optax transform."""

from typing import Any

import jax
import optax

from lenet_jax.config import Config


def steps_per_epoch(config: Config, images: int) -> int:
    """Steps that see each of `images` training images once; the last may hold fewer."""
    return -(-images // config.batch_size)


def schedule(config: Config, images: int) -> optax.Schedule:
    """Linear warm-up to the peak, then half a cosine down to 0 at the last step."""
    steps = steps_per_epoch(config, images)
    total = config.epochs * steps
    return optax.schedules.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=min(round(config.warmup_epochs * steps), total // 2),
        decay_steps=total,
    )


def make(config: Config, images: int) -> optax.GradientTransformation:
    """The optimiser of one member, for training on `images` images."""
    rate = schedule(config, images)
    if config.optimizer == "sgd":
        return optax.chain(
            optax.add_decayed_weights(config.weight_decay, mask=_kernels),
            optax.sgd(rate, momentum=config.momentum, nesterov=True),
        )
    return optax.adamw(rate, weight_decay=config.weight_decay, mask=_kernels)


def update(config: Config, images: int, grads: Any, opt_state: Any, params: Any) -> tuple[Any, Any]:
    """One step of the optimiser: the new parameters and the new state."""
    # optax raises floats to the power of an int32 count, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        updates, opt_state = make(config, images).update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state


def _kernels(params: Any) -> Any:
    """Which leaves decay: kernels, not biases nor the coefficients of subsampling."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)
