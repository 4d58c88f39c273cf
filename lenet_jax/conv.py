"""5x5 convolutions, and convolution followed by average pooling, at the speed the machine allows.

Feature maps are `x_CxHxWxB`: with the batch as the last axis every shifted slice is a run of
contiguous vectors. Kernels have Flax's shape `(5, 5, in, out)` whatever computes with them.

XLA's CPU backend compiles a convolution well only outside of loops, and its gradients nowhere
(jax#12868), so `matmul` writes the convolution as matrix products of the 25 shifted slices
(im2col), which keep their speed inside a scan and in both gradients. Average pooling is linear and
is moved in front of the convolution: a 2x2 box filter followed by a convolution of stride 2 needs a
quarter of the multiplications of a convolution followed by the pooling, and gives the same numbers
to rounding.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

SIZE = 5

Conv = Callable[[jax.Array, jax.Array], jax.Array]


def implementation(name: str) -> tuple[Conv, Conv]:
    """The functions `(conv, conv_pool)` of one implementation.

    Args:
      name: `native` (`lax.conv_general_dilated`), `matmul`, or `auto`: `matmul` on a CPU and
        `native` on accelerators, whose libraries have convolutions of their own.

    Returns:
      conv: (x [C, H, W, B], kernel [5, 5, C, D]) -> [D, H-4, W-4, B], a valid convolution.
      conv_pool: the same followed by 2x2 average pooling of stride 2, [D, (H-4)/2, (W-4)/2, B];
        H and W must be even.
    """
    if name == "auto":
        name = "matmul" if jax.default_backend() == "cpu" else "native"
    if name == "native":
        return _native_conv, _native_conv_pool
    return functools.partial(_matmul_conv, 1), _matmul_conv_pool


def average_pool(x_CxHxWxB: jax.Array) -> jax.Array:
    """2x2 average pooling of stride 2, [C, H, W, B] -> [C, H/2, W/2, B]."""
    rows = x_CxHxWxB[:, 0::2] + x_CxHxWxB[:, 1::2]
    return 0.25 * (rows[:, :, 0::2] + rows[:, :, 1::2])


def _native_conv(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x_CxHxWxB, kernel, (1, 1), "VALID", dimension_numbers=("CHWN", "HWIO", "CHWN")
    )


def _native_conv_pool(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    return average_pool(_native_conv(x_CxHxWxB, kernel))


def _matmul_conv_pool(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    rows = x_CxHxWxB[:, :-1] + x_CxHxWxB[:, 1:]
    boxed = 0.25 * (rows[:, :, :-1] + rows[:, :, 1:])
    return _matmul_conv(2, boxed, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _matmul_conv(stride: int, x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    return _matmul_conv_forward(stride, x_CxHxWxB, kernel)[0]


def _matmul_conv_forward(
    stride: int, x_CxHxWxB: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    # Without the barrier XLA computes x anew in each of the 25 slices that read it.
    x_CxHxWxB = lax.optimization_barrier(x_CxHxWxB)
    channels, _, _, batch = x_CxHxWxB.shape
    out = kernel.shape[-1]
    if channels == 1:
        # One input channel: 25 multiply-adds on vectors need no patches in memory.
        y = functools.reduce(
            jnp.add,
            (
                kernel[i, j, 0][:, None, None, None] * slice_
                for (i, j), slice_ in _slices(x_CxHxWxB, stride).items()
            ),
        )
        # A product is materialised by itself; these sums would be computed again by each reader.
        y = lax.optimization_barrier(y)
    else:
        patches = _patches(x_CxHxWxB, stride)
        height, width = patches.shape[2:4]
        y = lax.dot_general(
            kernel.reshape(-1, out),
            patches.reshape(SIZE * SIZE * channels, -1),
            (((0,), (0,)), ((), ())),
        ).reshape(out, height, width, batch)
    return y, (x_CxHxWxB, kernel)


def _matmul_conv_backward(
    stride: int, residuals: tuple[jax.Array, jax.Array], dy_DxHxWxB: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x_CxHxWxB, kernel = residuals
    out, height, width, batch = dy_DxHxWxB.shape
    channels = x_CxHxWxB.shape[0]
    dy = lax.optimization_barrier(dy_DxHxWxB).reshape(out, -1)
    patches = _patches(x_CxHxWxB, stride).reshape(SIZE * SIZE * channels, -1)
    dkernel = lax.dot_general(patches, dy, (((1,), (1,)), ((), ()))).reshape(kernel.shape)
    dpatches = lax.dot_general(kernel.reshape(-1, out), dy, (((1,), (0,)), ((), ())))
    dpatches = dpatches.reshape(SIZE, SIZE, channels, height, width, batch)
    # The transpose of taking slices, along rows first and along columns after.
    drows = _overlap_add(dpatches, x_CxHxWxB.shape[1], stride)
    return _overlap_add(drows, x_CxHxWxB.shape[2], stride), dkernel


_matmul_conv.defvjp(_matmul_conv_forward, _matmul_conv_backward)


def _overlap_add(parts: jax.Array, size: int, stride: int) -> jax.Array:
    """Adds the parts that lie over each position of one spatial axis.

    Args:
      parts: [5, P, Q, n, ...]; row r of part k lies over position k + stride * r.
      size: number of positions.
      stride: of the convolution.

    Returns:
      [P, Q, size, ...]
    """
    count = parts.shape[3]
    positions = []
    for position in range(size):
        rows = [(k, (position - k) // stride) for k in range(SIZE) if (position - k) % stride == 0]
        over = [parts[k, :, :, row] for k, row in rows if 0 <= row < count]
        positions.append(sum(over[1:], start=over[0]))
    return jnp.stack(positions, axis=2)


def _slices(x_CxHxWxB: jax.Array, stride: int) -> dict[tuple[int, int], jax.Array]:
    """The 25 shifted views that a kernel's weights see: (i, j) -> [C, H', W', B]."""
    stop_h = x_CxHxWxB.shape[1] - SIZE + 1
    stop_w = x_CxHxWxB.shape[2] - SIZE + 1
    return {
        (i, j): x_CxHxWxB[:, i : i + stop_h : stride, j : j + stop_w : stride]
        for i in range(SIZE)
        for j in range(SIZE)
    }


def _patches(x_CxHxWxB: jax.Array, stride: int) -> jax.Array:
    """All shifted views in one array, [25, C, H', W', B]."""
    return jnp.stack(list(_slices(x_CxHxWxB, stride).values()))
