import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lenet_jax import augmentation
from lenet_jax.config import Config

STILL = Config(rotation=0.0, scale=0.0, shear=0.0, shift=0.0, elastic=0.0)
ALL = Config(elastic=0.7)


@functools.cache
def images(count=6):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.integers(0, 256, (count, 28, 28)).astype(np.uint8))


def draws(count=6, seed=0, config=STILL):
    return augmentation.draw(config, jax.random.key(seed), count)


def run(config, batch=None, seed=0):
    batch = images() if batch is None else batch
    return jax.jit(functools.partial(augmentation.augment, config))(
        draws(len(batch), seed, config), batch
    )


def grid():
    rows, columns = jnp.mgrid[0:28, 0:28].astype(jnp.float32)
    return rows, columns


def sample(batch, rows, columns):
    shape = (len(batch), 28, 28)
    return jax.jit(augmentation.bilinear)(
        batch, jnp.broadcast_to(rows, shape), jnp.broadcast_to(columns, shape)
    )


def test_no_strength_is_no_change():
    assert augmentation.is_identity(STILL)
    np.testing.assert_allclose(run(STILL), images(), atol=1e-2)


def test_any_strength_is_a_change():
    for field in ("rotation", "scale", "shear", "shift", "elastic"):
        config = Config(**STILL.as_dict() | {field: 0.5})
        assert not augmentation.is_identity(config)
        assert float(jnp.abs(run(config) - images().astype(jnp.float32)).max()) > 1, field


def test_bilinear_equals_the_textbook():
    rng = np.random.default_rng(1)
    rows, columns = (rng.uniform(-4, 32, (6, 28, 28)).astype(np.float32) for _ in range(2))
    padded = np.zeros((6, 60, 60), np.float64)
    padded[:, 16:44, 16:44] = images()
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    b = np.arange(6)[:, None, None]
    expected = np.zeros((6, 28, 28))
    for dr in (0, 1):
        for dc in (0, 1):
            weight = (1 - abs(rows - top - dr)) * (1 - abs(columns - left - dc))
            expected += weight * padded[b, top + dr + 16, left + dc + 16]
    np.testing.assert_allclose(sample(images(), rows, columns), expected, atol=2e-2)


@pytest.mark.parametrize("far", [-1e9, -1.0, 28.0, 1e9])
def test_outside_is_background(far):
    rows, columns = grid()
    assert not np.any(sample(images(), rows * 0 + far, columns))
    assert not np.any(sample(images(), rows, columns * 0 + far))


def test_whole_pixels_are_copied():
    rows, columns = grid()
    moved = sample(images(), rows + 3, columns - 2)
    np.testing.assert_allclose(moved[:, :25, 2:], images()[:, 3:, :26], atol=1e-3)
    assert not np.any(moved[:, 25:])
    assert not np.any(moved[:, :, :2])


def test_values_stay_in_range():
    out = run(Config(rotation=45.0, scale=0.5, shear=0.5, shift=8.0))
    assert out.dtype == jnp.float32
    assert float(out.min()) >= 0
    assert float(out.max()) <= 255


@pytest.mark.parametrize("config", [Config(), ALL], ids=["affine", "all"])
def test_an_image_has_the_same_fate_whatever_is_around_it(config):
    together = run(config)
    fates = draws(9, config=config)
    np.testing.assert_array_equal(draws(6, config=config), fates[:6])
    alone = jax.jit(functools.partial(augmentation.augment, config))(fates[2:3], images()[2:3])
    np.testing.assert_allclose(together[2:3], alone, atol=1e-2)


def test_each_image_has_a_fate_of_its_own():
    same = jnp.broadcast_to(images()[:1], (6, 28, 28))
    out = np.asarray(run(Config(), same))
    assert all(np.abs(out[i] - out[j]).max() > 1 for i in range(6) for j in range(i))


def test_a_rotation_keeps_the_centre_and_the_ink_of_a_disc():
    rows, columns = grid()
    inside = (rows - 13.5) ** 2 + (columns - 13.5) ** 2 < 64
    disc = jnp.where(inside, 255, 0).astype(jnp.uint8)
    out = run(Config(**STILL.as_dict() | {"rotation": 180.0}), jnp.broadcast_to(disc, (6, 28, 28)))
    np.testing.assert_allclose(out.sum((1, 2)), float(disc.astype(jnp.float32).sum()), rtol=0.02)
    np.testing.assert_allclose(out[:, 12:16, 12:16], 255, atol=1e-2)


def test_strengths_are_bounds():
    config = Config(rotation=10.0, scale=0.0, shear=0.0, shift=2.0)
    inverse = functools.partial(augmentation._inverse_map, config)
    maps = np.asarray(jax.vmap(inverse)(draws(500)))
    angles = np.degrees(np.arctan2(maps[:, 0, 1], maps[:, 0, 0]))
    for drawn, bound in ((angles, 10), (maps[:, 0, 2], 2), (maps[:, 1, 2], 2)):
        assert np.abs(drawn).max() <= bound * 1.0001
        assert np.abs(drawn).max() > 0.95 * bound
        assert abs(drawn.mean()) < 0.1 * bound
    np.testing.assert_allclose(np.linalg.det(maps[:, :, :2]), 1, rtol=1e-5)


def test_scales_and_shear_are_what_their_names_say():
    config = Config(rotation=0.0, scale=0.2, shear=0.3, shift=0.0)
    maps_BxD = np.asarray(draws(500))
    maps = np.asarray(jax.vmap(functools.partial(augmentation._inverse_map, config))(maps_BxD))
    height, width = 1 / maps[:, 0, 0], 1 / maps[:, 1, 1]
    for scale in (height, width):
        np.testing.assert_allclose([scale.min(), scale.max()], [0.8, 1.2], atol=0.01)
    # Each direction has a scale of its own.
    assert abs(np.corrcoef(height, width)[0, 1]) < 0.2
    # Rows stay, and slide along themselves by so much a row.
    np.testing.assert_array_equal(maps[:, 0, 1], 0)
    slide = maps[:, 1, 0] * width
    np.testing.assert_allclose([slide.min(), slide.max()], [-0.3, 0.3], atol=0.01)


def test_an_elastic_field_is_smooth_and_as_strong_as_asked():
    noise = np.random.default_rng(0).uniform(-1, 1, (4000, augmentation.GRID**2))
    fields = (noise @ augmentation._elastic_basis()).reshape(-1, 28, 28)
    np.testing.assert_allclose(fields.std(axis=0), 1, rtol=0.06)
    # A field of that Gaussian changes by 1 / (sqrt(2) sigma) standard deviations per pixel.
    steps = np.diff(fields, axis=1).std()
    np.testing.assert_allclose(steps, 1 / (np.sqrt(2) * augmentation.SIGMA), rtol=0.2)


def test_an_elastic_field_is_drawn_only_where_there_is_one():
    assert draws(config=Config()).shape == (6, augmentation.AFFINE)
    assert draws(config=ALL).shape == (6, augmentation.AFFINE + 2 * augmentation.GRID**2)


@pytest.mark.parametrize(
    ("dtype", "off"), [(jnp.float32, 1e-3), (jnp.bfloat16, 0.5)], ids=["float32", "bfloat16"]
)
def test_products_sample_what_a_gather_samples(dtype, off):
    rng = np.random.default_rng(3)
    pixels = jnp.asarray(rng.integers(0, 256, (40, 28, 28)).astype(np.uint8))
    # Inside, across the edges, far outside, and just on pixels.
    locations = rng.uniform(-6, 34, (2, 40, 28, 28)).astype(np.float32)
    locations[:, :4] *= 1e3
    locations[:, 4:12] = np.round(locations[:, 4:12])
    gathered = jax.jit(augmentation.bilinear)(pixels, *jnp.asarray(locations))
    by_products = jax.jit(functools.partial(augmentation.bilinear_by_products, dtype=dtype))
    sampled = by_products(pixels, *jnp.asarray(locations))
    assert sampled.dtype == gathered.dtype == jnp.float32
    np.testing.assert_allclose(sampled, gathered, rtol=0, atol=off)
    assert np.abs(gathered).max() > 200


def test_a_config_names_its_sampling_and_only_default_precision_rounds():
    assert augmentation.sampling(Config().on("cpu")) is augmentation.bilinear
    for precision, dtype in (("default", jnp.bfloat16), ("highest", jnp.float32)):
        chosen = augmentation.sampling(Config(precision=precision).on("tpu"))
        assert chosen.func is augmentation.bilinear_by_products
        assert chosen.keywords == {"dtype": dtype}
