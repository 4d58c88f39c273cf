"""The compiled programs of a run: its first state, steps of an epoch, and evaluation."""

import dataclasses
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from lenet_jax import mesh as meshes
from lenet_jax import metrics, model, predict, state, step
from lenet_jax.config import Config
from lenet_jax.state import TrainState

# Images of a device's share that a CPU core takes through the network together: their feature maps
# stay in its cache. Batches of 512 ran a fifth faster than whole, of 4,096 twice as fast.
AT_ONCE = 64


@dataclasses.dataclass(frozen=True)
class Programs:
    """What is compiled, for one config, mesh and number of images.

    Wait for the result of one before calling another: programs with collectives that are in flight
    together can starve each other of the threads of XLA's CPU backend.

    Attributes:
      create: uint32 [M] seeds -> the first state.
      train_until: (state, images, labels, stop) -> state at step `stop`; donates the state.
      evaluate: (averaged params, images, labels) -> (metrics per member, metrics of the average,
        mean probabilities [N, 10]).
    """

    create: Callable[..., TrainState]
    train_until: Callable[..., TrainState]
    evaluate: Callable[..., tuple[metrics.Metrics, metrics.Metrics, jax.Array]]


def compile_lazily(config: Config, mesh: Mesh, images: int) -> Programs:
    """The programs of a run that trains on `images` images; compiled on their first call."""
    members = P(meshes.MEMBER)
    create = functools.partial(state.create, config, images)
    at_once = AT_ONCE if meshes.platform(mesh) == "cpu" else None
    train_until = functools.partial(
        step.train_until, config, batch_axis=meshes.BATCH, at_once=at_once
    )

    def evaluate(
        params_M: model.Params, images_NxHxW: jax.Array, labels_N: jax.Array
    ) -> tuple[metrics.Metrics, metrics.Metrics, jax.Array]:
        logits_MxNxK = predict.logits(config, mesh, params_M, images_NxHxW)
        average_NxK = metrics.average_members(logits_MxNxK)
        each = jax.vmap(metrics.evaluate, (0, None))(logits_MxNxK, labels_N)
        return each, metrics.evaluate(average_NxK, labels_N), jnp.exp(average_NxK)

    def level(number: int) -> dict[str, int] | None:
        on_cpu = meshes.platform(mesh) == "cpu"
        return {"xla_backend_optimization_level": number} if on_cpu else None

    # Run once and not worth optimising: on a CPU 1.1 s to compile in place of 3.1 s. At level 0,
    # 0.9 s, a member's first bits would depend on how many members there are.
    quick = level(1)
    # LLVM's level 3 takes a third longer to compile than level 2 and runs no faster.
    less = level(2)
    return Programs(
        create=jax.jit(meshes.over_members(mesh, create, (), members), compiler_options=quick),
        train_until=jax.jit(
            meshes.over_members(mesh, train_until, (P(), P(), P()), members),
            donate_argnums=0,
            compiler_options=less,
        ),
        evaluate=jax.jit(evaluate),
    )


def abstract_state(config: Config, mesh: Mesh, images: int) -> TrainState:
    """Shapes, dtypes and shardings of the members' states, without computing any."""
    seeds_M = jax.ShapeDtypeStruct((config.members,), jnp.uint32)
    shapes = jax.eval_shape(jax.vmap(functools.partial(state.create, config, images)), seeds_M)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=meshes.stacked(mesh)),
        shapes,
    )


@functools.lru_cache(maxsize=1)
def compile_ahead(config: Config, mesh: Mesh, images: int, held: int) -> Programs:
    """The programs of `compile_lazily`, compiled side by side, for `held` images to evaluate.

    The last ones are kept, so that whoever knows the numbers early can have them compiled early.

    A compiled program takes arrays of just these shapes and shardings, those of `evaluate` and
    `train_until` replicated over the mesh.
    """
    lazy = compile_lazily(config, mesh, images)
    whole = meshes.replicated(mesh)

    def digits(count: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        pixels = jax.ShapeDtypeStruct((count, 28, 28), jnp.uint8, sharding=whole)
        return pixels, jax.ShapeDtypeStruct((count,), jnp.int32, sharding=whole)

    seeds = jax.ShapeDtypeStruct((config.members,), jnp.uint32, sharding=meshes.stacked(mesh))
    stop = jax.ShapeDtypeStruct((), jnp.int32, sharding=whole)
    first = abstract_state(config, mesh, images)
    with ThreadPoolExecutor() as pool:
        train_until = pool.submit(_compiled, lazy.train_until, first, *digits(images), stop)
        create = pool.submit(_compiled, lazy.create, seeds)
        evaluate = pool.submit(_compiled, lazy.evaluate, first.averaged_params, *digits(held))
        return Programs(
            create=create.result(), train_until=train_until.result(), evaluate=evaluate.result()
        )


def _compiled(program: Any, *arguments: Any) -> Callable[..., Any]:
    compiled: Callable[..., Any] = program.lower(*arguments).compile()
    return compiled
