"""5x5 convolutions with 2x2 average pooling before or after squashing, and plain ones of any size.

Feature maps are `x_CxHxWxB`: with the batch as the last axis every shifted slice is a run of
contiguous vectors. Kernels have Flax's shape `(5, 5, in, out)` whatever computes with them:
`matmul_convolution` or, for TPUs, `native_convolution`. Both orders of subsampling are convolutions
of stride 2:

- Average pooling is linear and is moved in front of the convolution: a 2x2 box filter followed by a
  convolution of stride 2 needs a quarter of the multiplications of a convolution followed by the
  pooling, and gives the same numbers to rounding. `native` has the box filter in the kernel.
- Where units are squashed before they are pooled, all of them are needed. The four units that will
  be pooled together see 6x6 pixels, and are computed as four maps of a convolution of stride 2 with
  kernels of 6x6, the 5x5 ones with zeros around. That is 1.44 times the multiplications, but a
  third of the slices to write and read, and pooling adds four contiguous arrays.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from lenet_jax.models import matmul_convolution, native_convolution

SIZE = 5
# Of the pooling, and of the convolutions that have it built in.
STRIDE = 2
Conv = Callable[[jax.Array, jax.Array], jax.Array]


def implementation(name: str) -> tuple[Conv, Conv]:
    """The functions `(conv_phases, conv_pool)` of one implementation.

    Args:
      name: `native` (`lax.conv_general_dilated`) or `matmul`.

    Returns:
      conv_phases: (x [C, H, W, B], kernel [5, 5, C, D]) -> [D, 4, (H-4)/2, (W-4)/2, B], a valid
        convolution, whose units at even and odd rows and columns are apart (its polyphase
        components), for `average_phases`; H and W must be even.
      conv_pool: the same with 2x2 average pooling of stride 2, [D, (H-4)/2, (W-4)/2, B].
    """
    pairs = {
        "native": (_native_conv_phases, _native_conv_pool),
        "matmul": (_matmul_conv_phases, _matmul_conv_pool),
    }
    return pairs[name]


def valid(name: str) -> Callable[[jax.Array, jax.Array, int], jax.Array]:
    """The function `(x [C, H, W, B], kernel [K, K, C, D], stride) -> [D, H', W', B]` of one.

    A valid convolution, square maps and kernels; what is left over at the ends of maps is seen by
    no unit.

    Args:
      name: `native` (`lax.conv_general_dilated`) or `matmul`.
    """
    functions = {"native": native_convolution.convolve, "matmul": matmul_convolution.convolve}
    return functions[name]


def convolve(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    """A valid convolution, (x [C, H, W, B], kernel [5, 5, C, D]) -> [D, H-4, W-4, B]."""
    return lax.conv_general_dilated(
        x_CxHxWxB, kernel, (1, 1), "VALID", dimension_numbers=("CHWN", "HWIO", "CHWN")
    )


@jax.custom_vjp
def average_phases(x_CxPxHxWxB: jax.Array) -> jax.Array:
    """2x2 average pooling of what `conv_phases` gave, [C, 4, H, W, B] -> [C, H, W, B]."""
    phases = [x_CxPxHxWxB[:, phase] for phase in range(STRIDE**2)]
    return 0.25 * functools.reduce(jnp.add, phases)


def _average_phases_forward(x_CxPxHxWxB: jax.Array) -> tuple[jax.Array, None]:
    return average_phases(x_CxPxHxWxB), None


def _average_phases_backward(_: None, dy_CxHxWxB: jax.Array) -> tuple[jax.Array]:
    # The transpose of four slices would be the sum of four padded arrays; the four parts are equal.
    maps, *rest = dy_CxHxWxB.shape
    return (jnp.broadcast_to(0.25 * dy_CxHxWxB[:, None], (maps, STRIDE**2, *rest)),)


average_phases.defvjp(_average_phases_forward, _average_phases_backward)


def _native_conv_phases(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv_phases` as one convolution of stride 2 with the kernels of all four phases."""
    # Phases before maps: a TPU's tiles hold eight of an axis, and would be half empty of four.
    by_phase = jnp.swapaxes(_phase_kernels(kernel), 3, 4)
    y = native_convolution.convolve(x_CxHxWxB, by_phase.reshape(*by_phase.shape[:3], -1), STRIDE)
    return jnp.swapaxes(y.reshape(STRIDE**2, -1, *y.shape[1:]), 0, 1)


def _native_conv_pool(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv_pool` as one convolution of stride 2: the mean of four phases is that of kernels."""
    means = _phase_kernels(kernel).mean(axis=-1)
    return native_convolution.convolve(x_CxHxWxB, means, STRIDE)


def _matmul_conv_phases(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv_phases` as one matrix product with the kernels of all four phases."""
    phases = _phase_kernels(kernel)
    y = matmul_convolution.convolve(x_CxHxWxB, phases.reshape(*phases.shape[:3], -1), STRIDE)
    return y.reshape(-1, STRIDE**2, *y.shape[1:])


def _matmul_conv_pool(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv_pool` as a matrix product over the means of 2x2 pixels: no phase is computed twice."""
    rows = x_CxHxWxB[:, :-1] + x_CxHxWxB[:, 1:]
    boxed = 0.25 * (rows[:, :, :-1] + rows[:, :, 1:])
    return matmul_convolution.convolve(boxed, kernel, STRIDE)


def _phase_kernels(kernel: jax.Array) -> jax.Array:
    """Kernels of the four units that are pooled together, [5, 5, C, D] -> [6, 6, C, D, 4]."""
    shifts = [(i, j) for i in range(STRIDE) for j in range(STRIDE)]
    kernels = [
        jnp.pad(kernel, ((i, STRIDE - 1 - i), (j, STRIDE - 1 - j), (0, 0), (0, 0)))
        for i, j in shifts
    ]
    return jnp.stack(kernels, axis=-1)
