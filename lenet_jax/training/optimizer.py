"""Config -> learning rate schedule and optax transform."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from lenet_jax.config import Config
from lenet_jax.sweep import Hyperparameters

# Root mean square of a number's update, in learning rates (Liu et al. 2025, section 2.2).
RMS_OF_ADAMW = 0.2


def steps_per_epoch(config: Config, num_examples: int) -> int:
    """Steps that see each of `num_examples` training images once; the last may hold fewer."""
    return -(-num_examples // config.batch_size)


def schedule(config: Config, num_examples: int) -> optax.Schedule:
    """Linear warm-up to the peak, then half a cosine down to 0 at the last step."""
    shape = _shape(config, num_examples)
    return lambda count: config.learning_rate * shape(count)


def _shape(config: Config, num_examples: int) -> optax.Schedule:
    """The schedule for a peak of 1; optax takes no peak that is traced."""
    steps = steps_per_epoch(config, num_examples)
    total = config.epochs * steps
    return optax.schedules.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=1.0,
        warmup_steps=min(round(config.warmup_epochs * steps), total // 2),
        decay_steps=total,
    )


def make(
    config: Config, num_examples: int, hyper: Config | Hyperparameters | None = None
) -> optax.GradientTransformation:
    """The optimiser of one member, for training on `num_examples` images.

    Args:
      config: decides of which parts it is made.
      num_examples: that an epoch trains on.
      hyper: the numbers, those of the config by default.
    """
    hyper = config if hyper is None else hyper
    shape, peak = _shape(config, num_examples), hyper.learning_rate

    def rate(count: jax.Array) -> Any:
        return peak * shape(count)

    clip = []
    if config.clip_norm:
        # Where others of a sweep are clipped, 0 is still none.
        norm = jnp.where(hyper.clip_norm > 0, hyper.clip_norm, jnp.inf)
        clip.append(optax.clip_by_global_norm(norm))
    if config.optimizer == "sgd":
        # The decay after the momentum, or it would be as many times larger as that adds up.
        return optax.chain(
            *clip,
            optax.trace(hyper.momentum, nesterov=True),
            optax.add_decayed_weights(hyper.weight_decay, mask=_kernels),
            optax.scale_by_learning_rate(rate),
        )
    if config.optimizer == "muon":
        rule = _muon(rate, hyper.weight_decay, config.muon_largest)
    else:
        rule = optax.adamw(rate, weight_decay=hyper.weight_decay, mask=_kernels)
    return optax.chain(*clip, rule) if clip else rule


def _muon(rate: optax.Schedule, weight_decay: Any, largest: int) -> optax.GradientTransformation:
    """Muon (Jordan 2024) for the kernels of all layers but the last, Nadam for what is left.

    A kernel is a matrix from what a unit sees to units. Updates are of AdamW's size (Liu et al.
    2025, equation 4), so that a learning rate for the one will do for the other. Kernels of more
    than `largest` weights, if it is not 0, are left to Nadam, too.
    """

    def matrices(params: Any) -> Any:
        def one(path: Any, leaf: Any) -> contrib.MuonDimensionNumbers | None:
            if not _is_kernel(path) or path[0].key == "output" or 0 < largest < leaf.size:
                return None
            *seen, units = range(leaf.ndim)
            return contrib.MuonDimensionNumbers(tuple(seen), units)

        return jax.tree_util.tree_map_with_path(one, params)

    return contrib.muon(
        rate,
        weight_decay=weight_decay,
        muon_weight_dimension_numbers=matrices,
        consistent_rms=RMS_OF_ADAMW,
    )


def update(
    config: Config,
    num_examples: int,
    grads: Any,
    opt_state: Any,
    params: Any,
    hyper: Config | Hyperparameters | None = None,
) -> tuple[Any, Any]:
    """One step of the optimiser.

    Args:
      config: the recipe.
      num_examples: that an epoch trains on.
      grads: of the mean loss of a batch; a tree like `params`.
      opt_state: of the step before, or of `make(...).init(params)`.
      params: float32 leaves.
      hyper: what may differ between members; None takes the config's.

    Returns:
      The new parameters and the new state of the optimiser.
    """
    # optax raises floats to the power of an int32 count, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        updates, opt_state = make(config, num_examples, hyper).update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state


def _kernels(params: Any) -> Any:
    """Which leaves decay: kernels, not biases nor the coefficients of subsampling."""
    return jax.tree_util.tree_map_with_path(lambda path, _: _is_kernel(path), params)


def _is_kernel(path: Any) -> bool:
    return bool(path[-1].key == "kernel")
