"""Compiles the programs of a run ahead, side by side."""

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

from lenet_jax import models
from lenet_jax.config import Config
from lenet_jax.data import SIDE
from lenet_jax.distributed import compilation_progress
from lenet_jax.distributed import mesh as meshes
from lenet_jax.training import epoch, population, state
from lenet_jax.training.signatures import Programs
from lenet_jax.training.state import TrainState


def abstract_state(config: Config, mesh: Mesh, members: int, num_examples: int) -> TrainState:
    """Shapes, dtypes and shardings of the members' states, without computing any."""
    seeds_M = jax.ShapeDtypeStruct((members,), jnp.uint32)
    one_member = functools.partial(state.create, config, num_examples)
    return meshes.abstract(jax.eval_shape(jax.vmap(one_member), seeds_M), meshes.stacked(mesh))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """What programs are compiled for, beside a config and a mesh.

    Attributes:
      members: networks that are trained.
      rows: images on the devices.
      num_examples: of them that each member is trained on in an epoch.
      held: images that each member is evaluated on.
      num_teachers: networks of the teacher for each fold, 0 without a teacher.
    """

    members: int
    rows: int
    num_examples: int
    held: int
    num_teachers: int = 0


def compile_ahead(
    config: Config, mesh: Mesh, sizes: Sizes, teacher: Config | None = None
) -> Programs:
    """The programs of `epoch.programs`, compiled side by side.

    They are kept, see `compilation_progress.once`. A compiled program takes arrays of just these
    shapes and shardings: what has a member axis split over members, all else replicated over the
    mesh.
    """
    return compilation_progress.once(_programs, config, mesh, sizes, teacher)


def _programs(config: Config, mesh: Mesh, sizes: Sizes, teacher: Config | None) -> Programs:
    lazy = epoch.programs(config, mesh, sizes.num_examples, teacher)
    replicated = meshes.replicated(mesh)
    split = functools.partial(meshes.abstract, sharding=meshes.stacked(mesh))
    data = (
        jax.ShapeDtypeStruct((sizes.rows, SIDE, SIDE), jnp.uint8, sharding=replicated),
        jax.ShapeDtypeStruct((sizes.rows,), jnp.int32, sharding=replicated),
    )
    seeds_M = split(jax.ShapeDtypeStruct((sizes.members,), jnp.uint32))
    held_MxV = split(jax.ShapeDtypeStruct((sizes.members, sizes.held), jnp.int32))
    step = jax.ShapeDtypeStruct((), jnp.int32, sharding=replicated)
    # Of the very program that is compiled below, which is so traced once.
    first = split(jax.eval_shape(lazy.create, seeds_M))
    member_M = split(population.abstract(sizes.members, sizes.num_examples))
    teacher_params = None
    if teacher is not None:
        lead = (max(1, config.folds), sizes.num_teachers)
        teacher_params = meshes.abstract(models.shapes(teacher, lead), replicated)
    pool = ThreadPoolExecutor()
    try:
        train_until = pool.submit(
            _compiled, lazy.train_until, first, member_M, *data, step, step, teacher_params
        )
        create = pool.submit(_compiled, lazy.create, seeds_M)
        shuffle = pool.submit(_compiled, lazy.shuffle, first, member_M)
        evaluate = pool.submit(_compiled, lazy.evaluate, first.averaged_params, held_MxV, *data)
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
