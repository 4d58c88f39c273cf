"""5x5 convolutions with 2x2 average pooling before or after squashing, and their speed.

Feature maps are `x_CxHxWxB`: with the batch as the last axis every shifted slice is a run of
contiguous vectors. Kernels have Flax's shape `(5, 5, in, out)` whatever computes with them.

XLA's CPU backend compiles a convolution well only outside of loops, and its gradients nowhere
(jax#12868), so `matmul` writes it as matrix products of shifted slices (im2col), which keep their
speed inside a scan and in both gradients. Both orders of subsampling are convolutions of stride 2:

- Average pooling is linear and is moved in front of the convolution: a 2x2 box filter followed by a
  convolution of stride 2 needs a quarter of the multiplications of a convolution followed by the
  pooling, and gives the same numbers to rounding.
- Where units are squashed before they are pooled, all of them are needed. The four units that will
  be pooled together see 6x6 pixels, and are computed as four maps of a convolution of stride 2 with
  kernels of 6x6, the 5x5 ones with zeros around. That is 1.44 times the multiplications, but a
  third of the slices to write and read, and pooling adds four contiguous arrays.

`native` has the compiler's own convolutions, with the box filter moved into the kernel, and is for
TPUs. Their gradients are written out as convolutions: jax before 0.8 cannot batch the derived ones
inside `shard_map`, and libtpu compiles that of a single map for minutes.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

SIZE = 5
# Of the pooling, and of the convolutions that have it built in.
STRIDE = 2
# With fewer maps, products of matrices are slower than multiply-adds on vectors: 6 maps of 28x28
# take 2.5 ms for 64 digits as one and 1.0 ms as the other.
FEW_MAPS = 16

# libtpu unrolls the kernel's gradient of a single map over the batch: from 512 on that takes it
# minutes. Whole rows compile in seconds, and take longer for batches up to here.
UNROLLED = 256

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
    y = _native_conv(x_CxHxWxB, by_phase.reshape(*by_phase.shape[:3], -1))
    return jnp.swapaxes(y.reshape(STRIDE**2, -1, *y.shape[1:]), 0, 1)


def _native_conv_pool(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv_pool` as one convolution of stride 2: the mean of four phases is that of kernels."""
    return _native_conv(x_CxHxWxB, _phase_kernels(kernel).mean(axis=-1))


def _matmul_conv_phases(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv_phases` as one matrix product with the kernels of all four phases."""
    phases = _phase_kernels(kernel)
    y = _strided_conv(x_CxHxWxB, phases.reshape(*phases.shape[:3], -1))
    return y.reshape(-1, STRIDE**2, *y.shape[1:])


def _matmul_conv_pool(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv_pool` as a matrix product over the means of 2x2 pixels: no phase is computed twice."""
    rows = x_CxHxWxB[:, :-1] + x_CxHxWxB[:, 1:]
    boxed = 0.25 * (rows[:, :, :-1] + rows[:, :, 1:])
    return _strided_conv(boxed, kernel)


def _phase_kernels(kernel: jax.Array) -> jax.Array:
    """Kernels of the four units that are pooled together, [5, 5, C, D] -> [6, 6, C, D, 4]."""
    shifts = [(i, j) for i in range(STRIDE) for j in range(STRIDE)]
    kernels = [
        jnp.pad(kernel, ((i, STRIDE - 1 - i), (j, STRIDE - 1 - j), (0, 0), (0, 0)))
        for i, j in shifts
    ]
    return jnp.stack(kernels, axis=-1)


@jax.custom_vjp
def _native_conv(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    """A valid convolution of stride 2, (x [C, H, W, B], kernel [K, K, C, D]) -> [D, H', W', B]."""
    return lax.conv_general_dilated(
        x_CxHxWxB, kernel, (STRIDE, STRIDE), "VALID", dimension_numbers=("CHWN", "HWIO", "CHWN")
    )


def _native_conv_forward(
    x_CxHxWxB: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _native_conv(x_CxHxWxB, kernel), (x_CxHxWxB, kernel)


def _native_conv_backward(
    residuals: tuple[jax.Array, jax.Array], dy_DxHxWxB: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x_CxHxWxB, kernel = residuals
    side = kernel.shape[0]
    dx = lax.conv_general_dilated(
        dy_DxHxWxB,
        kernel[::-1, ::-1],
        (1, 1),
        [(side - 1, side - 1)] * 2,
        lhs_dilation=(STRIDE, STRIDE),
        dimension_numbers=("CHWN", "HWOI", "CHWN"),
    )
    if x_CxHxWxB.shape[0] == 1 and x_CxHxWxB.shape[-1] > UNROLLED:
        return dx, _kernel_gradient_by_rows(x_CxHxWxB, dy_DxHxWxB, side)
    # What a weight sees is convolved with what came back: the batch is what is summed over.
    dkernel = lax.conv_general_dilated(
        x_CxHxWxB,
        dy_DxHxWxB,
        (1, 1),
        "VALID",
        rhs_dilation=(STRIDE, STRIDE),
        dimension_numbers=("NHWC", "OHWI", "HWNC"),
    )
    return dx, dkernel


_native_conv.defvjp(_native_conv_forward, _native_conv_backward)


def _kernel_gradient_by_rows(x_CxHxWxB: jax.Array, dy_DxHxWxB: jax.Array, side: int) -> jax.Array:
    """The gradient of a kernel [side, side, C, D] by way of whole rows, which fill a matrix unit.

    A convolution along the columns alone has a weight for every pixel of a row and every unit; the
    weights of the kernel are its diagonals.
    """
    channels, height, width, batch = x_CxHxWxB.shape
    maps, _, units, _ = dy_DxHxWxB.shape
    x = jnp.transpose(x_CxHxWxB, (1, 2, 0, 3)).reshape(height, width * channels, batch)
    dy = jnp.transpose(dy_DxHxWxB, (1, 2, 0, 3)).reshape(-1, units * maps, batch)
    rows = lax.conv_general_dilated(
        x, dy, (1,), "VALID", rhs_dilation=(STRIDE,), dimension_numbers=("HNC", "HOI", "HNC")
    ).reshape(side, width, channels, units, maps)
    seen = [rows[:, STRIDE * unit : STRIDE * unit + side, :, unit] for unit in range(units)]
    return sum(seen[1:], start=seen[0])


@jax.custom_vjp
def _strided_conv(x_CxHxWxB: jax.Array, kernel: jax.Array) -> jax.Array:
    """A valid convolution of stride 2 by patches, (x, kernel [K, K, C, D]) -> [D, H', W', B].

    A matrix product over all that the weights see; of C1, whose patches would be 25 copies of it,
    sums of its slices.
    """
    return _strided_conv_forward(x_CxHxWxB, kernel)[0]


def _strided_conv_forward(
    x_CxHxWxB: jax.Array, kernel: jax.Array
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
                for i, rows in enumerate(_slices(x_CxHxWxB, 1, side))
                for j, seen in enumerate(_slices(rows, 2, side))
            ),
        )
        # A product is materialised by itself; these sums would be computed again by each reader.
        y = lax.optimization_barrier(y)
    else:
        patches = _patches(x_CxHxWxB, side)
        height, width = patches.shape[2:4]
        y = lax.dot_general(
            kernel.reshape(-1, out),
            patches.reshape(side * side * channels, -1),
            (((0,), (0,)), ((), ())),
        ).reshape(out, height, width, batch)
    return y, (x_CxHxWxB, kernel)


def _strided_conv_backward(
    residuals: tuple[jax.Array, jax.Array], dy_DxHxWxB: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x_CxHxWxB, kernel = residuals
    out, height, width, batch = dy_DxHxWxB.shape
    channels, side = x_CxHxWxB.shape[0], kernel.shape[0]
    dy = lax.optimization_barrier(dy_DxHxWxB).reshape(out, -1)
    patches = _patches(x_CxHxWxB, side).reshape(side * side * channels, -1)
    dkernel = lax.dot_general(patches, dy, (((1,), (1,)), ((), ()))).reshape(kernel.shape)
    dpatches = lax.dot_general(kernel.reshape(-1, out), dy, (((1,), (0,)), ((), ())))
    dpatches = dpatches.reshape(side, side, channels, height, width, batch)
    # The transpose of taking slices, along rows first and along columns after.
    drows = _overlap_add(dpatches, x_CxHxWxB.shape[1])
    return _overlap_add(drows, x_CxHxWxB.shape[2]), dkernel


_strided_conv.defvjp(_strided_conv_forward, _strided_conv_backward)


def _overlap_add(parts: jax.Array, size: int) -> jax.Array:
    """Adds the parts that lie over each position of one spatial axis.

    Args:
      parts: [K, P, Q, n, ...]; row r of part k lies over position k + STRIDE * r.
      size: number of positions.

    Returns:
      [P, Q, size, ...]
    """
    count = parts.shape[3]
    positions = []
    for position in range(size):
        rows = [divmod(position - k, STRIDE) for k in range(parts.shape[0])]
        over = [
            parts[k, :, :, row]
            for k, (row, rest) in enumerate(rows)
            if rest == 0 and 0 <= row < count
        ]
        positions.append(sum(over[1:], start=over[0]))
    return jnp.stack(positions, axis=2)


def _slices(x: jax.Array, axis: int, side: int) -> list[jax.Array]:
    """What each row of a kernel, or each column, sees: x along one axis, from k on in strides."""
    stop = x.shape[axis] - side + 1
    return [lax.slice_in_dim(x, k, k + stop, STRIDE, axis=axis) for k in range(side)]


def _patches(x_CxHxWxB: jax.Array, side: int) -> jax.Array:
    """What each weight of a kernel sees, in one array, [side * side, C, H', W', B]."""
    # Along columns first and rows after: 2 * side slices to compile instead of side * side.
    columns = jnp.stack(_slices(x_CxHxWxB, 2, side))
    rows = jnp.stack(_slices(columns, 2, side))
    return rows.reshape(side * side, *rows.shape[2:])
