import functools

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from lenet_jax import mesh, model, pixels, predict
from lenet_jax.config import Config

ROWS = 13


def images(count):
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)


def test_only_many_pixels_on_several_devices_lie_in_parts():
    two, one = mesh.make(1), mesh.make(1, jax.devices()[:1])
    assert pixels.spec(two, 70_000) == P()
    assert pixels.spec(two, 2_000_000) == P(("member", "batch"))
    assert pixels.spec(one, 2_000_000) == P()


@pytest.mark.parametrize("large", [0, pixels.LARGE])
def test_what_is_put_is_what_is_compiled_for(large, monkeypatch):
    monkeypatch.setattr(pixels, "LARGE", large)
    on = mesh.make(2)
    there, told = pixels.put(on, images(ROWS)), pixels.abstract(on, ROWS)
    assert (there.shape, there.dtype, there.sharding) == (told.shape, told.dtype, told.sharding)
    assert there.addressable_shards[0].data.shape[0] == (7 if large == 0 else ROWS)
    np.testing.assert_array_equal(np.asarray(there)[:ROWS], images(ROWS))


# One member after the other, as on CPU devices, and all at once, as on accelerators.
@pytest.mark.parametrize("platform", ["cpu", "tpu"])
@pytest.mark.parametrize("sizes", ["member:2", "batch:2"])
def test_every_device_finds_its_rows(sizes, platform, monkeypatch):
    monkeypatch.setattr(pixels, "LARGE", 0)
    monkeypatch.setattr(mesh, "platform", lambda _: platform)
    on = mesh.make(4, sizes=sizes)
    rows_MxB = np.random.default_rng(0).integers(0, ROWS, (4, 6)).astype(np.int32)
    split = pixels.spec(on, ROWS)

    def one_member(rows_B, images_NxHxW):
        mine = jax.lax.axis_index(mesh.BATCH) * (6 // on.shape[mesh.BATCH])
        rows_B = jax.lax.dynamic_slice_in_dim(rows_B, mine, 6 // on.shape[mesh.BATCH])
        return pixels.take(split, images_NxHxW, rows_B)

    found = jax.jit(mesh.over_members(on, one_member, (split,), P(mesh.MEMBER, mesh.BATCH)))
    there = pixels.put(on, images(ROWS))
    np.testing.assert_array_equal(found(rows_MxB, there), images(ROWS)[rows_MxB])


def test_predictions_do_not_depend_on_where_the_pixels_lie(monkeypatch):
    config = Config(members=2)
    one = jax.eval_shape(functools.partial(model.init, config), jax.random.key(0))
    rng = np.random.default_rng(0)
    params_M = jax.tree.map(
        lambda leaf: rng.normal(size=(2, *leaf.shape), scale=0.1).astype(np.float32), one
    )
    ask = functools.partial(
        predict.probabilities, config, mesh.make(2, sizes="batch:2"), params_M, images(ROWS)
    )
    whole = ask()
    monkeypatch.setattr(pixels, "LARGE", 0)
    np.testing.assert_array_equal(ask(), whole)
