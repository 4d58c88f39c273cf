import functools

import jax
import jax.numpy as jnp
import numpy as np

from lenet_jax.config import Config
from lenet_jax.training import state


@functools.cache
def create():
    return jax.jit(functools.partial(state.create, Config(), 100))


def test_a_fresh_state_has_done_nothing():
    fresh = create()(jnp.uint32(3))
    assert int(fresh.step) == 0
    assert float(fresh.epoch_metrics.count) == 0
    for a, b in zip(
        jax.tree.leaves(fresh.params), jax.tree.leaves(fresh.averaged_params), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_the_seed_decides_the_parameters():
    a, same, other = (create()(jnp.uint32(seed)).params["F6"]["kernel"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(a, same)
    assert float(jnp.abs(a - other).max()) > 1e-2


def test_kernels_start_at_a_scale_that_keeps_the_signal():
    params = create()(jnp.uint32(0)).params
    for name in ("C3", "C5", "F6"):
        kernel = np.asarray(params[name]["kernel"])
        fan_in = kernel.size // kernel.shape[-1]
        np.testing.assert_allclose(kernel.std(), np.sqrt(2 / fan_in), rtol=0.1)
        assert not np.any(params[name]["bias"])


def test_a_state_is_a_tree_of_arrays():
    leaves = jax.tree.leaves(create()(jnp.uint32(0)))
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert all(leaf.dtype != jnp.float64 for leaf in leaves)
