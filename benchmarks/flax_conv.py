"""Flax `nn.Conv` as its examples write it. Variants: loop (a jitted step per batch), scan."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import arguments, load, measure, normalised


class LeNet5(nn.Module):
    """The same 61,706 parameters: convolution, pooling, squashing."""

    @nn.compact
    def __call__(self, x):
        """[B, 32, 32, 1] -> logits [B, 10]."""
        for features in (6, 16):
            x = nn.Conv(features, (5, 5), padding="VALID")(x)
            x = nn.relu(nn.avg_pool(x, (2, 2), (2, 2)))
        x = x.reshape(x.shape[0], -1)
        for features in (120, 84):
            x = nn.relu(nn.Dense(features)(x))
        return nn.Dense(10)(x)


def main() -> None:
    """Adam, cross-entropy, whole batches of a shuffled epoch."""
    flags = arguments()
    images, labels = load(flags.digits)
    images_N = jnp.asarray(normalised(images)[..., None])
    labels_N = jnp.asarray(labels)
    model, optimizer = LeNet5(), optax.adam(1e-3)
    params = model.init(jax.random.key(0), images_N[:1])
    state = (params, optimizer.init(params))
    rng = np.random.default_rng(0)

    def step(state, images_N, labels_N, rows):
        params, opt_state = state
        x, y = images_N[rows], labels_N[rows]

        def loss(params):
            logits = model.apply(params, x)
            return optax.losses.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        value, grads = jax.value_and_grad(loss)(params)
        updates, opt_state = optimizer.update(grads, opt_state)
        return (optax.apply_updates(params, updates), opt_state), value

    # The batch is gathered inside the compiled step, which is faster than in front of it.
    one_step = jax.jit(step, donate_argnums=0)

    @functools.partial(jax.jit, donate_argnums=0)
    def whole_epoch(state, images_N, labels_N, order_SxB):
        return jax.lax.scan(lambda s, rows: step(s, images_N, labels_N, rows), state, order_SxB)

    def train() -> None:
        nonlocal state
        order_SxB = rng.permutation(len(labels)).reshape(-1, flags.batch)
        if flags.variant == "scan":
            state, _ = whole_epoch(state, images_N, labels_N, order_SxB)
        else:
            for rows in order_SxB:
                state, _ = one_step(state, images_N, labels_N, rows)
        jax.block_until_ready(state)

    @jax.jit
    def apply(params, images_N, first):
        return model.apply(params, jax.lax.dynamic_slice_in_dim(images_N, first, flags.batch))

    def infer() -> None:
        for first in range(0, len(labels), flags.batch):
            logits = apply(state[0], images_N, first)
        jax.block_until_ready(logits)

    measure(len(labels), flags.epochs, train, infer)


if __name__ == "__main__":
    main()
