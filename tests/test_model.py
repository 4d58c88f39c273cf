import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lenet_jax import data, models
from lenet_jax.config import Config
from lenet_jax.errors import UserError
from lenet_jax.models import convolution, lecun1998, summary, whitening

# DESIGN.md section 2 and the paper's section II.B.
LENET5 = {"C1": 156, "S2": 0, "C3": 2416, "S4": 0, "C5": 48120, "F6": 10164, "output": 850}
# By hand: 9 * 16 + 2 * 16, 9 * 16 * 16 + 2 * 16, ...; a map has a gain and a bias.
MODERN = {"C1": 176, "C2": 2336, "S3": 8256, "C4": 9280, "C5": 18560, "S6": 98496, "F7": 110720}
MODERN |= {"output": 1290}
LECUN1998 = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48120, "F6": 10164, "output": 0}

CONFIGS = {
    "pool_act": Config(subsampling="pool_act"),
    "act_pool": Config(subsampling="act_pool", activation="tanh"),
    "lecun1998": Config(model="lecun1998"),
}
EVERY = CONFIGS | {"modern": Config(model="modern", activation="silu")}


def digits(count):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.integers(0, 256, (count, 28, 28)).astype(np.uint8))


@functools.cache
def compiled(config):
    """Eagerly, each of the many slices would be compiled and dispatched by itself."""
    return jax.jit(functools.partial(models.apply, config))


@functools.cache
def params(config, seed=0):
    return jax.jit(lambda key: models.init(config, key))(jax.random.key(seed))


@pytest.mark.parametrize(
    ("config", "counts", "total"),
    [
        (Config(), LENET5, 61_706),
        (Config(model="lecun1998"), LECUN1998, 60_000),
        (Config(model="modern"), MODERN, 249_114),
    ],
    ids=["lenet5", "lecun1998", "modern"],
)
def test_trainable_parameters_are_the_papers(config, counts, total):
    assert {layer.name: layer.trainable for layer in summary.layers(config)} == counts
    assert sum(leaf.size for leaf in jax.tree.leaves(params(config))) == total
    assert summary.summary(config).splitlines()[-1].split() == ["total", f"{total:,}"]


def test_kernels_have_flax_shapes():
    tree = params(Config())
    shapes = {name: leaves["kernel"].shape for name, leaves in tree.items()}
    assert shapes == {
        "C1": (5, 5, 1, 6),
        "C3": (5, 5, 6, 16),
        "C5": (5, 5, 16, 120),
        "F6": (120, 84),
        "output": (84, 10),
    }


@pytest.mark.parametrize("config", EVERY.values(), ids=EVERY.keys())
def test_implementations_of_the_convolutions_agree(config):
    tree, images = params(config), digits(5)
    fields = config.as_dict()
    logits = [
        compiled(Config(**fields | {"conv": name}))(tree, images) for name in ("native", "matmul")
    ]
    assert logits[0].shape == (5, 10)
    np.testing.assert_allclose(*logits, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("config", EVERY.values(), ids=EVERY.keys())
def test_an_image_is_judged_alone(config):
    tree, images = params(config), digits(5)
    together = compiled(config)(tree, images)
    alone = jnp.concatenate([compiled(config)(tree, images[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-3)


def test_the_orders_of_subsampling_are_two_networks():
    tree, images = params(Config()), digits(5)
    a, b = (compiled(Config(subsampling=s))(tree, images) for s in ("pool_act", "act_pool"))
    assert jnp.abs(a - b).max() > 1e-3


def test_uint8_and_float_pixels_are_the_same():
    tree, images = params(Config()), digits(5)
    same = compiled(Config())(tree, images.astype(jnp.float32))
    np.testing.assert_allclose(compiled(Config())(tree, images), same, rtol=1e-5, atol=1e-5)


def test_padding_is_background():
    x = models.pad_and_normalise(jnp.zeros((1, 28, 28), jnp.uint8), mean=0.25, std=0.5)
    assert x.shape == (1, 32, 32, 1)
    np.testing.assert_allclose(x, -0.5)


@pytest.mark.parametrize("config", EVERY.values(), ids=EVERY.keys())
def test_every_parameter_has_a_gradient(config):
    def loss(params):
        return jnp.sum(jnp.sin(0.1 * models.apply(config, params, digits(32))))

    grads = jax.jit(jax.grad(loss))(params(config))
    for path, grad in jax.tree_util.tree_leaves_with_path(grads):
        assert bool(jnp.any(grad != 0)), path


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_feature_maps_are_those_that_the_logits_come_from(config):
    tree, images = jax.tree.map(np.asarray, params(config)), digits(5)
    maps = jax.jit(functools.partial(models.feature_maps, config))(tree, images)
    assert {layer: maps[layer].shape for layer in models.mapped(config)} == {
        "C1": (5, 6, 28, 28),
        "S2": (5, 6, 14, 14),
        "C3": (5, 16, 10, 10),
        "S4": (5, 16, 5, 5),
    }
    maps = jax.tree.map(np.asarray, maps)

    def pool(x_BxCxHxW):
        batch, channels, height, width = x_BxCxHxW.shape
        return x_BxCxHxW.reshape(batch, channels, height // 2, 2, width // 2, 2).mean((3, 5))

    act = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}[config.activation]
    for before, after in (("C1", "S2"), ("C3", "S4")):
        # As `init` makes it, the paper's subsampling is a mean too.
        if config.model == "lecun1998":
            expected = 1.7159 * np.tanh(2 / 3 * pool(maps[before]))
        elif config.subsampling == "pool_act":
            expected = act(pool(maps[before]))
        else:
            expected = pool(act(maps[before]))
        np.testing.assert_allclose(maps[after], expected, rtol=1e-4, atol=1e-4)
    if config.model == "lenet5":
        x = maps["S4"].transpose(0, 2, 3, 1).reshape(5, -1)
        x = act(x @ tree["C5"]["kernel"].reshape(400, 120) + tree["C5"]["bias"])
        x = act(x @ tree["F6"]["kernel"] + tree["F6"]["bias"])
        expected = x @ tree["output"]["kernel"] + tree["output"]["bias"]
        got = compiled(config)(params(config), images)
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(models.first_filters(tree)[2], tree["C1"]["kernel"][:, :, 0, 2])


def test_table_of_c3_is_the_papers():
    sources, targets = models.connections()
    pairs = np.stack([sources, targets], axis=1).tolist()
    seen = [sorted(s for s, t in pairs if t == c) for c in range(16)]
    # Table I: the first six maps see three contiguous maps of S2, the next six four, the next
    # three four that are not contiguous, the last one all.
    contiguous = [sorted((c + k) % 6 for k in range(3)) for c in range(6)]
    contiguous += [sorted((c + k) % 6 for k in range(4)) for c in range(6)]
    assert seen == [*contiguous, [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5], [0, 1, 2, 3, 4, 5]]


def test_sparse_c3_is_a_convolution_without_the_other_connections():
    config = Config(model="lecun1998")
    kernels = params(config)["C3"]["kernel"]
    x_CxHxWxB = jax.random.normal(jax.random.key(1), (6, 8, 8, 2))
    c3 = models.SparseConvolution(convolution.convolve)
    maps = jax.jit(c3.apply)({"params": params(config)["C3"]}, x_CxHxWxB)
    sources, targets = (np.asarray(a) for a in models.connections())
    for c in (0, 7, 15):
        rows = np.flatnonzero(targets == c)
        expected = sum(
            np.sum(np.asarray(kernels[:, :, r]) * np.asarray(x_CxHxWxB[sources[r], 1:6, 2:7, 1]))
            for r in rows
        )
        np.testing.assert_allclose(maps[c, 1, 2, 1], expected, rtol=1e-4, atol=1e-5)


def test_rbf_outputs_are_squared_distances_to_the_codes(monkeypatch):
    codes = models.digit_codes()
    assert codes.shape == (10, 84)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    # Every pair of codes differs, or two digits could not be told apart.
    distances = np.square(codes[:, None] - codes[None]).sum(-1)
    assert distances[~np.eye(10, dtype=bool)].min() > 0
    # Equation 7 written out, on a state of F6 that the network itself computes.
    config = Config(model="lecun1998")
    tree, images = params(config), digits(3)
    seen = []

    def keep(x):
        seen.append(np.asarray(x))
        return x

    monkeypatch.setattr(lecun1998, "scaled_tanh", lambda x: keep(models.scaled_tanh(x)))
    # Eagerly, for what is kept must be numbers; this convolution is one operation.
    logits = models.apply(dataclasses.replace(config, conv="native"), tree, images)
    f6_FxB = seen[-1]
    expected = np.square(f6_FxB.T[:, None] - np.asarray(codes)[None]).sum(-1)
    np.testing.assert_allclose(-logits, expected, rtol=1e-4)


def test_scaled_tanh_is_one_at_one():
    np.testing.assert_allclose(models.scaled_tanh(jnp.array([-1.0, 1.0])), [-1, 1], atol=1e-4)


def test_modern_is_what_its_layers_say():
    """In NumPy but for the convolutions, which are the compiler's own."""
    config = EVERY["modern"]
    rng = np.random.default_rng(1)
    tree = jax.tree.map(
        lambda leaf: np.asarray(leaf) + rng.normal(0, 0.1, leaf.shape), params(config)
    )
    tree = jax.tree.map(lambda leaf: leaf.astype(np.float32), tree)
    images = digits(5)
    paper = -0.1307 / 0.3081
    ink = np.asarray(images)[..., None] / (255 * 0.3081) + paper
    x = np.pad(ink, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=paper).astype(np.float32)

    def through(x, keep):
        maps, kept = {}, 0
        for name, stride in (("C1", 1), ("C2", 1), ("S3", 2), ("C4", 1), ("C5", 1), ("S6", 2)):
            y = jax.lax.conv_general_dilated(
                x, tree[name]["kernel"], (stride, stride), "VALID",
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )  # fmt: skip
            y = np.asarray(y)
            groups = y.reshape(*y.shape[:3], -1, 8)
            mean, std = (f(groups, axis=(1, 2, 4), keepdims=True) for f in (np.mean, np.std))
            x = ((groups - mean) / std).reshape(y.shape) * tree[name]["gain"] + tree[name]["bias"]
            x = x / (1 + np.exp(-x))
            maps[name] = np.transpose(y if stride == 1 else x, (0, 3, 1, 2))
            if stride > 1:
                left = keep[:, kept : kept + maps[name][0].size].reshape(maps[name].shape)
                kept += maps[name][0].size
                x = x * np.transpose(left, (0, 2, 3, 1))
        x = x.reshape(5, -1) @ tree["F7"]["kernel"].reshape(-1, 128) + tree["F7"]["bias"]
        x = x / (1 + np.exp(-x)) * keep[:, kept:]
        return x @ tree["output"]["kernel"] + tree["output"]["bias"], maps

    units = 12 * 12 * 32 + 3 * 3 * 96 + 128
    assert models.dropout_units(config) == units
    keep = rng.integers(0, 2, (5, units)).astype(np.float32)
    apply = jax.jit(functools.partial(models.apply, config))
    got = apply(tree, images, keep)
    np.testing.assert_allclose(got, through(x, keep)[0], rtol=1e-3, atol=1e-3)
    logits, maps = through(x, np.ones_like(keep))
    np.testing.assert_allclose(apply(tree, images), logits, rtol=1e-3, atol=1e-3)
    seen = jax.jit(functools.partial(models.feature_maps, config))(tree, images)
    assert set(seen) == set(models.mapped(config)) == {"C1", "S3", "C4"}
    for name, each in seen.items():
        np.testing.assert_allclose(each, maps[name], rtol=1e-3, atol=1e-3)
    assert models.first_filters(tree).shape == (16, 3, 3)
    outputs = {layer.name: layer.output for layer in summary.layers(config)}
    for name, each in maps.items():
        assert outputs[name] == (*each.shape[2:], each.shape[1])


def test_width_multiplies_every_layer_but_the_last():
    config = Config(width=2)
    trainable = {layer.name: layer.trainable for layer in summary.layers(config)}
    assert trainable["C1"] == 2 * 156
    assert trainable["C3"] == 32 * (12 * 25 + 1)
    assert trainable["output"] == 10 * (168 + 1)
    params = jax.eval_shape(functools.partial(models.init, config), jax.random.key(0))
    images = jax.ShapeDtypeStruct((3, 28, 28), jnp.uint8)
    logits = jax.eval_shape(functools.partial(models.apply, config), params, images)
    assert logits.shape == (3, 10)


def test_units_of_f6_that_are_left_out_count_for_nothing():
    tree, images, apply = params(Config()), digits(5), compiled(Config())
    whole = apply(tree, images)
    kept = apply(tree, images, jnp.ones((5, models.F6)))
    none = apply(tree, images, jnp.zeros((5, models.F6)))
    np.testing.assert_array_equal(whole, kept)
    np.testing.assert_allclose(none, jnp.broadcast_to(tree["output"]["bias"], (5, 10)))


@pytest.mark.parametrize("filters", [6, 18])
def test_whitened_filters_make_uncorrelated_maps(filters):
    kernel = np.asarray(whitening.whitened(jax.random.key(3), (5, 5, 1, filters)))
    apart = np.subtract.outer(np.arange(5), np.arange(5)) / whitening.WIDTH
    along = np.exp(-(apart**2) / 2)
    flat = kernel.reshape(25, filters)
    covariance = flat.T @ np.kron(along, along) @ flat
    # Six of them are uncorrelated; more are mixtures of six, with as much variance on average.
    variances = np.linalg.eigvalsh(covariance)[-6:]
    np.testing.assert_allclose(variances * 6 / filters, whitening.DEVIATION**2, rtol=0.02)


def test_whitened_filters_tell_strokes_apart():
    images = data.load_train("sample").images_NxHxW[::20].astype(np.float32)
    boxed = images[:, 1:, 1:] + images[:, 1:, :-1] + images[:, :-1, 1:] + images[:, :-1, :-1]
    patches = np.lib.stride_tricks.sliding_window_view(boxed, (5, 5), axis=(1, 2)).reshape(-1, 25)

    def correlation(init):
        seen = [init(jax.random.key(seed), (5, 5, 1, 6)).reshape(25, 6) for seed in range(3)]
        pairs = [np.corrcoef(patches @ np.asarray(kernel), rowvar=False) for kernel in seen]
        return np.mean([np.abs(each[np.triu_indices(6, 1)]).mean() for each in pairs])

    assert correlation(whitening.whitened) < 0.5 * correlation(jax.nn.initializers.he_normal())


def test_lecun1998_begins_as_the_paper_says():
    with pytest.raises(UserError, match=r"first_filters='whitened': only for .*'lenet5'"):
        Config(model="lecun1998", first_filters="whitened")
