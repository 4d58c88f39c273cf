"""Mixup (Zhang et al. 2018): training images, and their targets, are mixed in pairs."""

import jax
import jax.numpy as jnp


def partner_shares(alpha: jax.Array, key: jax.Array, count: int) -> jax.Array:
    """How much of its partner each image takes: min(b, 1 - b) with b from Beta(alpha, alpha).

    An image takes half of another at most, so that the larger half of what it becomes is its own,
    and its own label the one to count correct answers by. The mixed pictures are those of the
    paper: which image of a pair comes first is chance anyway.

    With uniform U and V, Student's t of 2 alpha degrees of freedom has t^2 / (2 alpha) =
    (U^(-1 / alpha) - 1) cos^2(pi V) (Bailey 1994), and b = (1 + t / sqrt(2 alpha + t^2)) / 2: no
    loop that rejects, as in general samplers of Beta, and good for any alpha.

    Args:
      alpha: float32 [], at least 0; 0 mixes nothing.
      key: of the step, and of nothing else in it.
      count: of images; share i is the same for any count.

    Returns:
      float32 [count] in [0, 1/2].
    """
    u_B, v_B = jax.random.uniform(key, (count, 2)).T
    log_power_B = jnp.log(u_B) * (1 / jnp.maximum(alpha, 1e-6))
    cosine_B = jnp.cos(jnp.pi * v_B)
    # Both times U^(1 / alpha), which may be 0.
    t_squared_B = -jnp.expm1(log_power_B) * cosine_B**2
    freedom_B = jnp.maximum(jnp.exp(log_power_B), 1e-30)
    shares_B = (1 - jnp.sqrt(t_squared_B / (freedom_B + t_squared_B))) / 2
    return jnp.where(alpha > 0, shares_B, 0)


def mix(shares_B: jax.Array, own: jax.Array, partners: jax.Array) -> jax.Array:
    """Rows of `own`, of each a share replaced by the row of `partners`; float32 [B, ...]."""
    shares = shares_B.reshape(-1, *[1] * (own.ndim - 1))
    own = own.astype(jnp.float32)
    return own + shares * (partners.astype(jnp.float32) - own)
