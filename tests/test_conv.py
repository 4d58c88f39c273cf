"""Our convolutions against `lax.conv_general_dilated`: values and both gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lenet_jax.models import convolution

# Input maps, side, output maps: C1, C3, and odd sizes that no layer has.
SHAPES = ((1, 32, 6), (6, 14, 16), (3, 12, 2))
BATCHES = (1, 7, 64)
# Every shape, and of the smallest one every batch; the rest is for a longer run.
CASES = [
    pytest.param(shape, batch, marks=[] if batch == 7 or shape == SHAPES[2] else pytest.mark.slow)
    for shape in SHAPES
    for batch in (*BATCHES, 67)
]


def reference(x_CxHxWxB, kernel):
    return lax.conv_general_dilated(
        x_CxHxWxB, kernel, (1, 1), "VALID", dimension_numbers=("CHWN", "HWIO", "CHWN")
    )


def reference_phases(x_CxHxWxB, kernel):
    y = reference(x_CxHxWxB, kernel)
    return jnp.stack([y[:, i::2, j::2] for i in range(2) for j in range(2)], axis=1)


def reference_pool(x_CxHxWxB, kernel):
    y = reference(x_CxHxWxB, kernel)
    c, h, w, b = y.shape
    return y.reshape(c, h // 2, 2, w // 2, 2, b).mean((2, 4))


REFERENCES = (reference_phases, reference_pool)


def arrays(shape, batch, lead=()):
    maps, side, out = shape
    rng = np.random.default_rng(batch)
    x = rng.normal(size=(*lead, maps, side, side, batch)).astype(np.float32)
    kernel = rng.normal(size=(*lead, 5, 5, maps, out)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(kernel)


def value_and_gradients(operation, x, kernel):
    y, pull_back = jax.vjp(operation, x, kernel)
    # A cotangent that differs in every element, or a transposed gradient would pass.
    cotangent = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape)
    return (y, *pull_back(cotangent.astype(y.dtype)))


# Input maps, side, output maps, side of the kernel, stride: those of `modern`, a 5x5 one, and maps
# whose last rows and columns no unit sees.
VALID_SHAPES = (
    (1, 12, 16, 3, 1),
    (16, 9, 8, 3, 1),
    (5, 10, 7, 4, 2),
    (3, 9, 2, 5, 1),
    (3, 9, 4, 5, 2),
    (1, 10, 3, 3, 2),
)


def valid_arrays(shape, batch, lead=()):
    maps, side, out, size, _ = shape
    rng = np.random.default_rng(batch)
    x = rng.normal(size=(*lead, maps, side, side, batch)).astype(np.float32)
    kernel = rng.normal(size=(*lead, size, size, maps, out)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(kernel)


def reference_valid(stride):
    def convolve(x_CxHxWxB, kernel):
        numbers = ("CHWN", "HWIO", "CHWN")
        strides = (stride, stride)
        return lax.conv_general_dilated(
            x_CxHxWxB, kernel, strides, "VALID", dimension_numbers=numbers
        )

    return convolve


def exactly(operation, x, kernel):
    """In float64: a sum of 50,000 products in float32 has rounding of its own."""
    jax.config.update("jax_enable_x64", True)
    try:
        values = value_and_gradients(operation, x.astype(np.float64), kernel.astype(np.float64))
        return [np.asarray(value) for value in values]
    finally:
        jax.config.update("jax_enable_x64", False)


def assert_close(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == jnp.float32
        assert b.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-6 * np.abs(b).max() + 1e-6)


@pytest.mark.parametrize("name", ["matmul", "native"])
@pytest.mark.parametrize("which", [0, 1], ids=["conv_phases", "conv_pool"])
@pytest.mark.parametrize(("shape", "batch"), CASES, ids=str)
def test_equals_lax(name, which, shape, batch):
    operation = convolution.implementation(name)[which]
    x, kernel = arrays(shape, batch)
    got = jax.jit(lambda x, k: value_and_gradients(operation, x, k))(x, kernel)
    assert_close(got, exactly(REFERENCES[which], x, kernel))


@pytest.mark.parametrize("name", ["matmul", "native"])
@pytest.mark.parametrize("which", [0, 1], ids=["conv_phases", "conv_pool"])
@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_equals_lax_under_vmap_over_members(name, which, shape):
    x, kernel = arrays(shape, 5, lead=(3,))
    operation = convolution.implementation(name)[which]
    got = jax.jit(jax.vmap(lambda x, k: value_and_gradients(operation, x, k)))(x, kernel)
    each = [exactly(REFERENCES[which], x[member], kernel[member]) for member in range(3)]
    assert_close(got, [np.stack(members) for members in zip(*each, strict=True)])


def test_the_average_of_phases_is_the_mean_of_four_neighbours_and_so_are_its_gradients():
    x, kernel = arrays(SHAPES[2], 2)
    phases, _ = convolution.implementation("matmul")

    def averaged(x, kernel):
        return convolution.average_phases(phases(x, kernel))

    got = jax.jit(lambda x, k: value_and_gradients(averaged, x, k))(x, kernel)
    assert_close(got, exactly(reference_pool, x, kernel))


@pytest.mark.parametrize("name", ["matmul", "native"])
@pytest.mark.parametrize("batch", [5, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", VALID_SHAPES, ids=str)
def test_any_size_and_stride_equals_lax(name, batch, shape):
    x, kernel = valid_arrays(shape, batch)
    operation = functools.partial(convolution.valid(name), stride=shape[-1])
    got = jax.jit(functools.partial(value_and_gradients, operation))(x, kernel)
    assert_close(got, exactly(reference_valid(shape[-1]), x, kernel))


@pytest.mark.parametrize("name", ["matmul", "native"])
@pytest.mark.parametrize("shape", VALID_SHAPES[1:3], ids=str)
def test_any_size_and_stride_equals_lax_under_vmap_over_members(name, shape):
    x, kernel = valid_arrays(shape, 5, lead=(3,))
    operation = functools.partial(convolution.valid(name), stride=shape[-1])
    got = jax.jit(jax.vmap(functools.partial(value_and_gradients, operation)))(x, kernel)
    each = [exactly(reference_valid(shape[-1]), x[member], kernel[member]) for member in range(3)]
    assert_close(got, [np.stack(members) for members in zip(*each, strict=True)])
