"""Valid convolutions by the compiler's own, for TPUs.

Their gradients are written out as convolutions: jax before 0.8 cannot batch the derived ones inside
`shard_map`, and libtpu compiles that of a single map for minutes.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

# libtpu unrolls the kernel's gradient of a single map over the batch: from 512 on that takes it
# minutes. Whole rows compile in seconds, and take longer for batches up to here.
UNROLLED = 256


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x_CxHxWxB: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """A valid convolution, (x [C, H, W, B], kernel [K, K, C, D]) -> [D, H', W', B].

    Args:
      x_CxHxWxB: square maps; what is left over at their ends is seen by no unit.
      kernel: of any odd or even size.
      stride: along rows and along columns.
    """
    return lax.conv_general_dilated(
        x_CxHxWxB, kernel, (stride, stride), "VALID", dimension_numbers=("CHWN", "HWIO", "CHWN")
    )


def _forward(
    x_CxHxWxB: jax.Array, kernel: jax.Array, stride: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolve(x_CxHxWxB, kernel, stride), (x_CxHxWxB, kernel)


def _backward(
    stride: int, residuals: tuple[jax.Array, jax.Array], dy_DxHxWxB: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x_CxHxWxB, kernel = residuals
    side = kernel.shape[0]
    unseen = (x_CxHxWxB.shape[1] - side) % stride
    dx = lax.conv_general_dilated(
        dy_DxHxWxB,
        kernel[::-1, ::-1],
        (1, 1),
        [(side - 1, side - 1 + unseen)] * 2,
        lhs_dilation=(stride, stride),
        dimension_numbers=("CHWN", "HWOI", "CHWN"),
    )
    if x_CxHxWxB.shape[0] == 1 and x_CxHxWxB.shape[-1] > UNROLLED:
        return dx, _kernel_gradient_by_rows(x_CxHxWxB, dy_DxHxWxB, side, stride)
    # What a weight sees is convolved with what came back: the batch is what is summed over.
    dkernel = lax.conv_general_dilated(
        x_CxHxWxB,
        dy_DxHxWxB,
        (1, 1),
        [(0, -unseen)] * 2,
        rhs_dilation=(stride, stride),
        dimension_numbers=("NHWC", "OHWI", "HWNC"),
    )
    return dx, dkernel


convolve.defvjp(_forward, _backward)


def _kernel_gradient_by_rows(
    x_CxHxWxB: jax.Array, dy_DxHxWxB: jax.Array, side: int, stride: int
) -> jax.Array:
    """The gradient of a kernel [side, side, C, D] by way of whole rows, which fill a matrix unit.

    A convolution along the columns alone has a weight for every pixel of a row and every unit; the
    weights of the kernel are its diagonals.
    """
    channels, height, width, batch = x_CxHxWxB.shape
    maps, _, units, _ = dy_DxHxWxB.shape
    unseen = (height - side) % stride
    x = jnp.transpose(x_CxHxWxB, (1, 2, 0, 3)).reshape(height, width * channels, batch)
    dy = jnp.transpose(dy_DxHxWxB, (1, 2, 0, 3)).reshape(-1, units * maps, batch)
    rows = lax.conv_general_dilated(
        x,
        dy,
        (1,),
        [(0, -unseen)],
        rhs_dilation=(stride,),
        dimension_numbers=("HNC", "HOI", "HNC"),
    ).reshape(side, width, channels, units, maps)
    seen = [rows[:, stride * unit : stride * unit + side, :, unit] for unit in range(units)]
    return sum(seen[1:], start=seen[0])
