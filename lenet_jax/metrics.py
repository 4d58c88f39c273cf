"""Masked sums over images, and the numbers people read from them."""

import dataclasses

import jax
import jax.numpy as jnp
import optax


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Metrics:
    """Sums over images, float32 (exact counts up to 2**24); add them freely, divide once."""

    loss: jax.Array
    correct: jax.Array
    count: jax.Array


def zeros() -> Metrics:
    """The sums over no image."""
    return Metrics(jnp.float32(0), jnp.float32(0), jnp.float32(0))


def losses(
    logits_BxK: jax.Array,
    labels_B: jax.Array,
    *,
    label_smoothing: float | jax.Array = 0.0,
    rubbish_class: float = 0.0,
) -> jax.Array:
    """Cross-entropy of each image, natural units.

    Args:
      logits_BxK: float32 [B, K].
      labels_B: int32 [B], 0..K-1.
      label_smoothing: fraction of the target spread evenly over the classes, in [0, 1).
      rubbish_class: with j > 0 an eleventh class of logit -j competes, which makes this equation 9
        of LeCun et al. 1998 for logits that are minus the RBF outputs.

    Returns:
      float32 [B]
    """
    targets_BxK = optax.smooth_labels(
        jax.nn.one_hot(labels_B, logits_BxK.shape[-1], dtype=jnp.float32), label_smoothing
    )
    if rubbish_class:
        logits_BxK = jnp.pad(logits_BxK, ((0, 0), (0, 1)), constant_values=-rubbish_class)
        targets_BxK = jnp.pad(targets_BxK, ((0, 0), (0, 1)))
    return optax.losses.softmax_cross_entropy(logits_BxK, targets_BxK)


def softened(logits_TxBxK: jax.Array, temperature: float | jax.Array) -> jax.Array:
    """What a teacher's networks say on average, each softened, [T, B, K] -> [B, K].

    The average of what has been softened: of the probabilities themselves it would be ruled, at a
    high temperature, by the network that is least sure. It is also what networks that are asked in
    turn say in the long run.

    Args:
      logits_TxBxK: float32 [T, B, K].
      temperature: that logits are divided by, above 0.

    Returns:
      float32 [B, K], probabilities.
    """
    return jnp.mean(jax.nn.softmax(logits_TxBxK / temperature, axis=-1), axis=0)


def distillation_losses(
    logits_BxK: jax.Array, targets_BxK: jax.Array, temperature: float | jax.Array
) -> jax.Array:
    """Cross-entropy of each image against a teacher's softened probabilities.

    Hinton, Vinyals and Dean 2015, section 2: all logits are divided by the temperature T, and the
    cross-entropy multiplied by T^2, so that its gradients are as large for any T. There is no
    rubbish class: a teacher says nothing of it.

    Args:
      logits_BxK: float32 [B, K].
      targets_BxK: float32 [B, K], `softened`.
      temperature: that they were softened with, above 0.

    Returns:
      float32 [B]
    """
    losses_B = optax.losses.softmax_cross_entropy(logits_BxK / temperature, targets_BxK)
    return losses_B * temperature**2


def masked(
    losses_B: jax.Array, logits_BxK: jax.Array, labels_B: jax.Array, mask_B: jax.Array
) -> Metrics:
    """Sums over the images whose mask is 1; those of mask 0 are padding and count for nothing."""
    hits_B = (jnp.argmax(logits_BxK, axis=-1) == labels_B).astype(jnp.float32)
    return Metrics(jnp.sum(losses_B * mask_B), jnp.sum(hits_B * mask_B), jnp.sum(mask_B))


def evaluate(
    logits_NxK: jax.Array, labels_N: jax.Array, inside_N: jax.Array | None = None
) -> Metrics:
    """Sums over a set, or its images that are `inside_N`: cross-entropy, correct, count."""
    mask_N = jnp.ones(labels_N.shape, jnp.float32)
    if inside_N is not None:
        mask_N = inside_N.astype(jnp.float32)
    return masked(losses(logits_NxK, labels_N), logits_NxK, labels_N, mask_N)


def average_folds(logits_MxVxK: jax.Array, folds: int) -> jax.Array:
    """Log of the mean probabilities of each fold's members, [M, V, K] -> [folds, V, K].

    Args:
      logits_MxVxK: float32 [M, V, K], fold by fold; the members of a fold have the same V images.
      folds: 0 and 1 stand for all members together.
    """
    by_fold = logits_MxVxK.reshape(max(1, folds), -1, *logits_MxVxK.shape[1:])
    return jax.vmap(average_members)(by_fold)


def average_members(logits_MxNxK: jax.Array) -> jax.Array:
    """Log of the members' mean probabilities, [M, N, K] -> [N, K].

    Examples:
      >>> logits_MxNxK = jnp.log(jnp.array([[[0.5, 0.5]], [[0.25, 0.75]]]))
      >>> [round(float(mean), 3) for mean in jnp.exp(average_members(logits_MxNxK))[0]]
      [0.375, 0.625]
    """
    log_probabilities = jax.nn.log_softmax(logits_MxNxK, axis=-1)
    members = jnp.float32(logits_MxNxK.shape[0])
    return jax.nn.logsumexp(log_probabilities, axis=0) - jnp.log(members)
