"""Valid convolutions as matrix products of shifted slices (im2col), for CPUs and GPUs.

They keep their speed inside a loop and in both gradients, where XLA's CPU backend compiles a
convolution well only outside of loops, and its gradients nowhere (jax#12868).
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

# With fewer maps, products of matrices are slower than multiply-adds on vectors: 6 maps of 28x28
# take 2.5 ms for 64 digits as one and 1.0 ms as the other.
FEW_MAPS = 16


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x_CxHxWxB: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """A valid convolution by patches, (x [C, H, W, B], kernel [K, K, C, D]) -> [D, H', W', B].

    A matrix product over all that the weights see; of C1, whose patches would be 25 copies of it,
    sums of its slices.

    Args:
      x_CxHxWxB: square maps; what is left over at their ends is seen by no unit.
      kernel: of any odd or even size.
      stride: along rows and along columns.
    """
    return _forward(x_CxHxWxB, kernel, stride)[0]


def _forward(
    x_CxHxWxB: jax.Array, kernel: jax.Array, stride: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    # Without the barrier XLA computes x anew in each of the slices that read it.
    x_CxHxWxB = lax.optimization_barrier(x_CxHxWxB)
    channels, _, _, batch = x_CxHxWxB.shape
    side, out = kernel.shape[0], kernel.shape[-1]
    if channels == 1 and out < FEW_MAPS:
        y = functools.reduce(
            jnp.add,
            (
                kernel[i, j, 0][:, None, None, None] * seen
                for i, rows in enumerate(_slices(x_CxHxWxB, 1, side, stride))
                for j, seen in enumerate(_slices(rows, 2, side, stride))
            ),
        )
        # A product is materialised by itself; these sums would be computed again by each reader.
        y = lax.optimization_barrier(y)
    else:
        patches = _patches(x_CxHxWxB, side, stride)
        height, width = patches.shape[2:4]
        y = lax.dot_general(
            kernel.reshape(-1, out),
            patches.reshape(side * side * channels, -1),
            (((0,), (0,)), ((), ())),
        ).reshape(out, height, width, batch)
    return y, (x_CxHxWxB, kernel)


def _backward(
    stride: int, residuals: tuple[jax.Array, jax.Array], dy_DxHxWxB: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x_CxHxWxB, kernel = residuals
    out, height, width, batch = dy_DxHxWxB.shape
    channels, side = x_CxHxWxB.shape[0], kernel.shape[0]
    dy = lax.optimization_barrier(dy_DxHxWxB).reshape(out, -1)
    patches = _patches(x_CxHxWxB, side, stride).reshape(side * side * channels, -1)
    dkernel = lax.dot_general(patches, dy, (((1,), (1,)), ((), ()))).reshape(kernel.shape)
    dpatches = lax.dot_general(kernel.reshape(-1, out), dy, (((1,), (0,)), ((), ())))
    dpatches = dpatches.reshape(side, side, channels, height, width, batch)
    # The transpose of taking slices, along rows first and along columns after.
    drows = _overlap_add(dpatches, x_CxHxWxB.shape[1], stride)
    return _overlap_add(drows, x_CxHxWxB.shape[2], stride), dkernel


convolve.defvjp(_forward, _backward)


def _overlap_add(parts: jax.Array, size: int, stride: int) -> jax.Array:
    """Adds the parts that lie over each position of one spatial axis.

    Args:
      parts: [K, P, Q, n, ...]; row r of part k lies over position k + stride * r.
      size: number of positions.
      stride: between two rows.

    Returns:
      [P, Q, size, ...]
    """
    count = parts.shape[3]
    positions = []
    for position in range(size):
        rows = [divmod(position - k, stride) for k in range(parts.shape[0])]
        over = [
            parts[k, :, :, row]
            for k, (row, rest) in enumerate(rows)
            if rest == 0 and 0 <= row < count
        ]
        positions.append(
            sum(over[1:], start=over[0]) if over else jnp.zeros_like(parts[0, :, :, 0])
        )
    return jnp.stack(positions, axis=2)


def _slices(x: jax.Array, axis: int, side: int, stride: int) -> list[jax.Array]:
    """What each row of a kernel, or each column, sees: x along one axis, from k on in strides."""
    stop = x.shape[axis] - side + 1
    return [lax.slice_in_dim(x, k, k + stop, stride, axis=axis) for k in range(side)]


def _patches(x_CxHxWxB: jax.Array, side: int, stride: int) -> jax.Array:
    """What each weight of a kernel sees, in one array, [side * side, C, H', W', B]."""
    # Along columns first and rows after: 2 * side slices to compile instead of side * side.
    columns = jnp.stack(_slices(x_CxHxWxB, 2, side, stride))
    rows = jnp.stack(_slices(columns, 2, side, stride))
    return rows.reshape(side * side, *rows.shape[2:])
