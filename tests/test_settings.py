"""Settings of JAX that people have in their shell: obeyed, or told; never other numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from lenet_jax.distributed import settings
from support import recipe
from support.runs import numbers

ROOT = Path(__file__).parent.parent
OTHER = {
    "jax_default_prng_impl": "rbg",
    "jax_error_checking_behavior_divide": "raise",
    "jax_error_checking_behavior_nan": "raise",
    "jax_error_checking_behavior_oob": "raise",
    "jax_random_seed_offset": 7,
    "jax_transfer_guard": "disallow",
    "jax_transfer_guard_device_to_device": "disallow",
    "jax_transfer_guard_device_to_host": "disallow",
    "jax_transfer_guard_host_to_device": "disallow",
}
# Other values of options that are no switches; what is no number and not here has none to try:
# a path, an address, a kind of device.
VALUES = OTHER | {
    "jax_array_garbage_collection_guard": "log",
    "jax_compilation_cache_dir": "cache",
    "jax_cpu_collectives_implementation": "mpi",
    "jax_debug_log_modules": "jax",
    "jax_default_matmul_precision": "highest",
    "jax_dump_ir_to": "dumped",
    "jax_explicit_x64_dtypes": "error",
    "jax_legacy_prng_key": "error",
    "jax_logging_level": "ERROR",
    "jax_memory_fitting_level": "O0",
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
    "jax_optimization_level": "O1",
    "jax_persistent_cache_enable_xla_caches": "all",
    "jax_send_traceback_to_runtime": "full",
    "jax_traceback_filtering": "off",
    "jax_use_magma": "off",
}
# What is asked for by name and is another thing: devices of a kind, of processes, or their number.
_NAMED = ("mock", "topology", "num_cpu_devices", "serialization_version", "calling_convention")


def other(name):
    """A value of an option that is not its own, None where there is none to try."""
    value = jax.config.values[name]
    if name in VALUES:
        return VALUES[name]
    if any(part in name for part in _NAMED) or isinstance(value, str) or value is None:
        return None
    return not value if isinstance(value, bool) else value + 1


@pytest.mark.parametrize("name", sorted(settings.OWN))
def test_what_would_change_numbers_is_told_and_given_back(name):
    if name not in jax.config.values:
        pytest.skip("this JAX has no such option")
    before, value = jax.config.values[name], other(name)
    jax.config.update(name, value)
    try:
        with settings.taken_over() as (line,):
            assert jax.config.values[name] == settings.OWN[name]
            assert settings.take_over() == []
        assert line.startswith(f"WARNING: {name.upper()}={value}")
        assert jax.config.values[name] == value
    finally:
        jax.config.update(name, before)


def test_flags_that_xla_does_not_take_are_left_out(monkeypatch):
    known = "--xla_cpu_multi_thread_eigen=false"
    bad = ("--xla_of_another_release=1", "--xla_backend_optimization_level=high")
    monkeypatch.setenv("XLA_FLAGS", f"{bad[0]} {known} {bad[1]}")
    (line,) = settings.drop_unknown_flags()
    assert f"XLA_FLAGS: {', '.join(bad)}: not obeyed" in line
    assert os.environ["XLA_FLAGS"] == known
    assert settings.drop_unknown_flags() == []
    # XLA takes what begins otherwise for the name of a file.
    monkeypatch.setenv("XLA_FLAGS", "nowhere.txt")
    assert "nowhere.txt: not obeyed" in settings.drop_unknown_flags()[0]
    assert os.environ["XLA_FLAGS"] == ""


def train(*flags, cwd, environment):
    return subprocess.run(
        [*recipe.COMMAND, *flags],
        cwd=cwd,
        env=recipe.ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_a_run_has_its_numbers_whatever_the_shell_has_set(trained, tmp_path):
    environment = {
        "JAX_ENABLE_X64": "1",
        "JAX_DEBUG_KEY_REUSE": "1",
        "JAX_DISABLE_JIT": "true",
        "JAX_RANDOM_SEED_OFFSET": "7",
        "JAX_DEFAULT_PRNG_IMPL": "rbg",
        "JAX_TRANSFER_GUARD": "disallow",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
        "XLA_FLAGS": f"{recipe.ENVIRONMENT['XLA_FLAGS']} --xla_of_another_release=1",
    }
    done = train("--workdir=run", cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert len(told) == 2
    assert "--xla_of_another_release=1: not obeyed" in told[0]
    for name in (
        "X64=True",
        "KEY_REUSE=True",
        "JIT=True",
        "OFFSET=7",
        "IMPL=rbg",
        "GUARD=disallow",
    ):
        assert name in told[1]
    assert numbers(tmp_path / "run") == numbers(trained)
    taken = recipe.ENVIRONMENT["XLA_FLAGS"].strip()
    assert f"settings: `XLA_FLAGS={taken}`" in (tmp_path / "run/README.md").read_text()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JAX_ENABLE_X64", "maybe"),
        ("JAX_NUM_CPU_DEVICES", "two"),
        ("JAX_NUM_CPU_DEVICES", "0"),
        ("JAX_PLATFORMS", "nowhere"),
        # Of which JAX itself says nothing where there is no GPU.
        ("JAX_PLATFORMS", "cuda"),
        ("JAX_PLATFORM_NAME", "nowhere"),
    ],
)
def test_what_jax_itself_does_not_take_is_one_line(name, value, tmp_path):
    done = train("--workdir=run", cwd=tmp_path, environment={name: value})
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert f"{name}={value}" in line
    assert done.returncode == 2
    assert not any(tmp_path.iterdir())


NOTEBOOK = """
import warnings
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_enable_x64", True)
jnp.ones(2)
import lenet_jax
digits = lenet_jax.load_data("sample").take(np.arange(0, 4000, 20))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    lenet_jax.train(digits, "run", epochs=1, batch_size=50, say=lambda line: None)
assert any("JAX_ENABLE_X64=True: not obeyed" in str(one.message) for one in told), told
warnings.simplefilter("ignore")
a, b = lenet_jax.predict("run", digits), lenet_jax.load("run")(digits.images_NxHxW)
assert abs(a - b).max() < 1e-5 and a.dtype == b.dtype == np.float32
assert jnp.ones(2).dtype == jnp.float64
"""


@pytest.mark.slow
def test_a_notebook_keeps_its_doubles_and_trains_all_the_same(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK],
        cwd=tmp_path,
        env=recipe.ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr


# All that this JAX has


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A function: options of JAX -> what comes of a short run with them."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "tests/support/options.py"],
        cwd=tmp_path_factory.mktemp("options"),
        env=recipe.ENVIRONMENT | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def ask(**options):
        process.stdin.write(f"{json.dumps(options)}\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    with process:
        yield ask
        process.stdin.close()


@pytest.fixture(scope="module")
def without(asked):
    return asked()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(jax.config.values))
def test_every_option_of_jax_leaves_the_numbers_alone(name, asked, without):
    value = other(name)
    if value is None:
        pytest.skip("no other value to try")
    found = asked(**{name: value})
    assert "error" not in found, found["error"]
    assert found["came"] == without["came"]
    assert any(name.upper() in line for line in found["said"]) == (name in settings.OWN)
