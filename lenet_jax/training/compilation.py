"""The compiled programs of a run: its first state, steps of an epoch, and evaluation."""

import ctypes
import dataclasses
import functools
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from lenet_jax import metrics, models
from lenet_jax.config import Config
from lenet_jax.distributed import backend, compilation_progress
from lenet_jax.distributed import mesh as meshes
from lenet_jax.inference import predict
from lenet_jax.training import epoch, population, state
from lenet_jax.training.population import Member
from lenet_jax.training.state import TrainState

# Images of a device's share that a CPU core takes through the network together: their feature maps
# stay in its cache. Batches of 512 ran a fifth faster than whole, of 4,096 twice as fast.
AT_ONCE = 64


@dataclasses.dataclass(frozen=True)
class Programs:
    """What is compiled, for one config, mesh, number of images and of members.

    Wait for the result of one before calling another: programs with collectives that are in flight
    together can starve each other of the threads of XLA's CPU backend.

    Attributes:
      create: uint32 [M] seeds -> the first state.
      shuffle: (state, members) -> the members, their rows in the order of the state's epoch.
      train_until: (state, shuffled members, images, labels, step of the state, stop, teacher's
        params) -> state at step `stop`, of the same epoch; donates the state.
      evaluate: (averaged params, rows [M, H], images, labels) -> (metrics per member on its rows,
        metrics of the average of each fold's members, its probabilities [F, H, K]).
    """

    create: Callable[..., TrainState]
    shuffle: Callable[..., Member]
    train_until: Callable[..., TrainState]
    evaluate: Callable[..., tuple[metrics.Metrics, metrics.Metrics, jax.Array]]


def compile_lazily(
    config: Config, mesh: Mesh, images: int, teacher: Config | None = None
) -> Programs:
    """The programs of a run, compiled on their first call.

    Args:
      config: `Population.config` of the run.
      mesh: over which it runs.
      images: that each member is trained on in an epoch.
      teacher: config of the teacher's networks, if there is one.
    """
    platform = meshes.platform(mesh)
    config, teacher = config.on(platform), teacher and teacher.on(platform)
    stacked = P(meshes.MEMBER)
    create = functools.partial(state.create, config, images)
    at_once = AT_ONCE if platform == "cpu" else None

    def shuffle(state_M: TrainState, member_M: Member) -> Member:
        def one_member(given: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
            return epoch.shuffled(config, *given)

        every_member = meshes.over_members(mesh, one_member, (), stacked)
        order_MxR = every_member((state_M.key, state_M.step, member_M.rows_R))
        return dataclasses.replace(member_M, rows_R=order_MxR)

    def train_until(
        state_M: TrainState, member_M: Member, images_NxHxW: jax.Array, *shared: Any
    ) -> TrainState:
        one_member = functools.partial(
            epoch.train_until,
            config,
            teacher,
            batch_axis=meshes.BATCH,
            at_once=at_once,
        )
        every_member = meshes.over_members(mesh, one_member, (P(),) * 5, stacked)
        trained: TrainState = every_member((state_M, member_M), images_NxHxW, *shared)
        return trained

    def evaluate(
        params_M: models.Params, rows_MxH: jax.Array, images_NxHxW: jax.Array, labels_N: jax.Array
    ) -> tuple[metrics.Metrics, metrics.Metrics, jax.Array]:
        logits_MxHxK = predict.logits(config, mesh, params_M, rows_MxH, images_NxHxW)
        labels_MxH = labels_N[jnp.maximum(rows_MxH, 0)]
        each = jax.vmap(metrics.evaluate)(logits_MxHxK, labels_MxH, rows_MxH >= 0)
        average_FxHxK = metrics.average_folds(logits_MxHxK, config.folds)
        # All members of a fold have the same rows.
        first = slice(None, None, rows_MxH.shape[0] // average_FxHxK.shape[0])
        ensemble = jax.vmap(metrics.evaluate)(
            average_FxHxK, labels_MxH[first], rows_MxH[first] >= 0
        )
        return each, jax.tree.map(jnp.sum, ensemble), jnp.exp(average_FxHxK)

    # Run once and not worth optimising: on a CPU 1.1 s to compile in place of 3.1 s. At level 0,
    # 0.9 s, a member's first bits would depend on how many members there are.
    quick = backend.options(mesh, config, level=1)
    # LLVM's level 3 takes a third longer to compile than level 2 and runs no faster.
    less = backend.options(mesh, config, level=2)
    exactly = backend.precision(config)
    return Programs(
        create=jax.jit(meshes.over_members(mesh, create, (), stacked), compiler_options=quick),
        shuffle=jax.jit(shuffle, compiler_options=quick),
        train_until=jax.jit(exactly(train_until), donate_argnums=0, compiler_options=less),
        evaluate=jax.jit(exactly(evaluate), compiler_options=less),
    )


def abstract_state(config: Config, mesh: Mesh, members: int, images: int) -> TrainState:
    """Shapes, dtypes and shardings of the members' states, without computing any."""
    seeds_M = jax.ShapeDtypeStruct((members,), jnp.uint32)
    one_member = functools.partial(state.create, config, images)
    return meshes.abstract(jax.eval_shape(jax.vmap(one_member), seeds_M), meshes.stacked(mesh))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """What programs are compiled for, beside a config and a mesh.

    Attributes:
      members: networks that are trained.
      rows: images on the devices.
      images: of them that each member is trained on in an epoch.
      held: images that each member is evaluated on.
      taught_by: networks of the teacher for each fold, 0 without a teacher.
    """

    members: int
    rows: int
    images: int
    held: int
    taught_by: int = 0


def compile_ahead(
    config: Config, mesh: Mesh, sizes: Sizes, teacher: Config | None = None
) -> Programs:
    """The programs of `compile_lazily`, compiled side by side.

    The last ones are kept, so that whoever knows the sizes early can have them compiled early. A
    compiled program takes arrays of just these shapes and shardings: what has a member axis split
    over members, all else replicated over the mesh.
    """
    return _compile_ahead(config, mesh, sizes, teacher)


# For a cache `teacher` left out is another call than `teacher=None`.
@functools.lru_cache(maxsize=1)
def _compile_ahead(config: Config, mesh: Mesh, sizes: Sizes, teacher: Config | None, /) -> Programs:
    lazy = compile_lazily(config, mesh, sizes.images, teacher)
    whole = meshes.replicated(mesh)
    split = functools.partial(meshes.abstract, sharding=meshes.stacked(mesh))
    data = (
        jax.ShapeDtypeStruct((sizes.rows, 28, 28), jnp.uint8, sharding=whole),
        jax.ShapeDtypeStruct((sizes.rows,), jnp.int32, sharding=whole),
    )
    seeds_M = split(jax.ShapeDtypeStruct((sizes.members,), jnp.uint32))
    held_MxH = split(jax.ShapeDtypeStruct((sizes.members, sizes.held), jnp.int32))
    step = jax.ShapeDtypeStruct((), jnp.int32, sharding=whole)
    # Of the very program that is compiled below, which is so traced once.
    first = split(jax.eval_shape(lazy.create, seeds_M))
    member_M = split(population.abstract(sizes.members, sizes.images))
    taught = None
    if teacher is not None:
        lead = (max(1, config.folds), sizes.taught_by)
        taught = meshes.abstract(models.shapes(teacher, lead), whole)
    pool = ThreadPoolExecutor()
    try:
        train_until = pool.submit(
            _compiled, lazy.train_until, first, member_M, *data, step, step, taught
        )
        create = pool.submit(_compiled, lazy.create, seeds_M)
        shuffle = pool.submit(_compiled, lazy.shuffle, first, member_M)
        evaluate = pool.submit(_compiled, lazy.evaluate, first.averaged_params, held_MxH, *data)
        compilation_progress.wait(
            create=create, shuffle=shuffle, train_until=train_until, evaluate=evaluate
        )
        return Programs(
            create=create.result(),
            shuffle=shuffle.result(),
            train_until=train_until.result(),
            evaluate=evaluate.result(),
        )
    finally:
        # Who is asked to stop need not wait for the compiler, which nothing can interrupt.
        pool.shutdown(wait=False, cancel_futures=True)


def _compiled(program: Any, *arguments: Any) -> Callable[..., Any]:
    compiled: Callable[..., Any] = program.lower(*arguments).compile()
    _return_free_memory()
    return compiled


def _return_free_memory() -> None:
    """Returns to the system what the compiler has freed, where the C library can: glibc.

    It keeps hundreds of megabytes in the arenas of threads that will ask for none again.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
