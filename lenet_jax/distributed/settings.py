"""Settings of JAX that people have in their shell or notebook, and what a run makes of them.

Most are obeyed without a change of a number. A few would end a run or give it other numbers; there
the run keeps its own value, and says so. What is obeyed and may decide numbers stands in the card.
"""

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jax

# Option of JAX -> value of every run. `tests/test_settings.py` tries all that JAX has.
OWN: dict[str, Any] = {
    # Computes with shapes of traced arrays that are not known.
    "eager_constant_folding": False,
    # Finds fault with what a compiler of several threads writes in another order.
    "jax_compilation_cache_check_contents": False,
    # Takes `fold_in(root, step)` in a loop for a key that is used twice.
    "jax_debug_key_reuse": False,
    "jax_default_prng_impl": "threefry2x32",
    # Programs are compiled ahead of their call.
    "jax_disable_jit": False,
    "jax_disable_most_optimizations": False,
    "jax_enable_x64": False,
    # These put checks into programs that `shard_map` cannot take.
    "jax_error_checking_behavior_divide": "ignore",
    "jax_error_checking_behavior_nan": "ignore",
    "jax_error_checking_behavior_oob": "ignore",
    "jax_no_execution": False,
    "jax_no_tracing": False,
    "jax_random_seed_offset": 0,
    "jax_remove_size_one_mesh_axis_from_type": False,
    "jax_threefry_partitionable": True,
    # Digits have to get onto the device.
    "jax_transfer_guard": None,
    "jax_transfer_guard_device_to_device": None,
    "jax_transfer_guard_device_to_host": None,
    "jax_transfer_guard_host_to_device": None,
}
# What is obeyed and may decide numbers, on accelerators above all.
_DECIDING = ("JAX_DEFAULT_MATMUL_PRECISION", "LIBTPU_INIT_ARGS", "XLA_FLAGS")
_FLAGS = "XLA_FLAGS"
# Has XLA take the flags apart, and starts nothing else of it.
_PARSE = (
    "from jaxlib import xla_client; "
    "xla_client.CompileOptions().executable_build_options.debug_options"
)


def take_over() -> list[str]:
    """Gives JAX a run's own values; returns a line for people if that changed anything."""
    foreign = _foreign()
    for name in foreign:
        jax.config.update(name, OWN[name])
    if not foreign:
        return []
    names = ", ".join(f"{name.upper()}={value}" for name, value in foreign.items())
    return [f"WARNING: {names}: not obeyed, a run has its own; its numbers are those without"]


@contextlib.contextmanager
def taken_over() -> Iterator[list[str]]:
    """The same inside the body, to which the lines are given; afterwards all is as it was."""
    foreign = _foreign()
    try:
        yield take_over()
    finally:
        for name, value in foreign.items():
            jax.config.update(name, value)


def _foreign() -> dict[str, Any]:
    """Options that have another value than ours, with it; those that this JAX has."""
    # Not all of them are attributes, too.
    there = jax.config.values
    values = {name: there[name] for name in OWN if name in there}
    return {
        name: value
        for name, value in values.items()
        if value != OWN[name] and (value, OWN[name]) != ("allow", None)
    }


def deciding() -> str:
    """What is set and obeyed that may decide a run's numbers, for its card; empty for nothing."""
    found = {name: os.environ.get(name, "").strip() for name in _DECIDING}
    return ", ".join(f"{name}={value}" for name, value in found.items() if value)


def drop_unknown_flags() -> list[str]:
    """Takes out of XLA_FLAGS what the installed jaxlib does not take; a line for people if any.

    Such a flag ends a process that starts JAX, without a Python error. So others try them.
    """
    given = os.environ.get(_FLAGS, "").strip()
    if not given or _are_taken(given):
        return []
    flags = given.split() if given.startswith("-") else [given]
    good = [flag for flag in flags if flag.startswith("-") and _are_taken(flag)]
    os.environ[_FLAGS] = " ".join(good)
    bad = ", ".join(flag for flag in flags if flag not in good)
    return [f"WARNING: {_FLAGS}: {bad}: not obeyed, for the jaxlib here does not take it"]


@functools.cache
def _are_taken(flags: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", _PARSE],
        env=os.environ | {_FLAGS: flags},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    # Another jaxlib may have no such way to ask, which Python tells of.
    return done.returncode == 0 or b"Traceback" in done.stderr
