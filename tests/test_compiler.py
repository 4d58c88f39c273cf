"""What each platform's compiler is asked for, and that a program is compiled so."""

import jax
import jax.numpy as jnp
import pytest

from lenet_jax.config import Config
from lenet_jax.distributed import backend, mesh

PASSES = "xla_disable_hlo_passes"


@pytest.fixture
def on(monkeypatch):
    """Options as if the devices were of a platform; the names are known to every jaxlib's XLA."""

    def options(platform, *arguments, **keywords):
        monkeypatch.setattr(mesh, "platform", lambda _: platform)
        return backend.options(mesh.make(1), *arguments, **keywords)

    monkeypatch.delenv("XLA_FLAGS")
    return options


def test_passes_are_left_out_on_a_cpu_and_nowhere_else(on):
    cpu = on("cpu", level=1)
    assert cpu["xla_cpu_multi_thread_eigen"] is False
    assert cpu[PASSES] == "cse_barrier_expander,cpu-parallel-task-assigner"
    assert cpu[backend.LEVEL] == 1
    assert on("tpu", Config(), level=1) == {}
    gpu = on("gpu", Config(), level=1)
    # CUDA and TPU know no optimisation barrier, which that pass removes.
    assert not {PASSES, backend.LEVEL, "xla_cpu_multi_thread_eigen"} & set(gpu)
    assert "WHILE" in gpu["xla_gpu_enable_command_buffer"].split(",")
    assert gpu["xla_gpu_deterministic_ops"] is True
    assert "xla_gpu_deterministic_ops" not in on("gpu", Config(deterministic=False))


def test_what_the_user_has_set_stays(on, monkeypatch):
    monkeypatch.setenv(
        "XLA_FLAGS", f"--xla_cpu_multi_thread_eigen=true --{PASSES}=dce,cse --{backend.LEVEL}=3"
    )
    # A flag that drops the one of ours does not drop the other.
    assert on("cpu", level=0) == {PASSES: "cse_barrier_expander,cpu-parallel-task-assigner,dce,cse"}


def test_what_a_jaxlib_does_not_know_is_not_asked_for(on, monkeypatch):
    monkeypatch.setattr(backend, "_GRAPHS", "xla_gpu_dropped_in_2030")
    assert "xla_gpu_dropped_in_2030" not in on("gpu", Config())
    monkeypatch.undo()
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setattr(backend, "_IN_NEWER_GRAPHS", f"{backend._IN_GRAPHS},OF_2030")
    assert on("gpu")[backend._GRAPHS] == backend._IN_GRAPHS


def test_every_program_is_compiled_so(monkeypatch):
    """Whoever writes a program past `backend.jit` has XLA split its kernels again."""
    from lenet_jax.inference import predict
    from lenet_jax.training import epoch, population

    asked = []
    jit = jax.jit
    monkeypatch.setattr(jax, "jit", lambda *a, **k: asked.append(k) or jit(*a, **k))
    config, made = Config(), mesh.make(1)
    epoch.programs(population.common(config), made, 100)
    predict._program(config, made, 1, 3, 1)
    wanted = backend.options(made)
    assert len(asked) >= 5
    ours = [k for k in asked if k.get("compiler_options")]
    assert len(ours) == 5
    for keywords in ours:
        assert wanted.items() <= keywords["compiler_options"].items()


def test_precision_reaches_the_products():
    def product(x):
        return jnp.dot(x, x)

    x = jnp.ones((2, 2))
    assert "HIGHEST" not in str(jax.make_jaxpr(backend.precision(Config())(product))(x))
    exactly = backend.precision(Config(precision="highest"))(product)
    assert "HIGHEST" in str(jax.make_jaxpr(exactly)(x))


def test_devices_are_told_with_what_decides_their_numbers(monkeypatch):
    made = mesh.make(1)
    assert backend.describe(made, Config()) == mesh.describe(made)
    monkeypatch.setattr(mesh, "platform", lambda _: "tpu")
    told = backend.describe(made, Config(precision="highest"))
    assert told.endswith("; products of float32 are six passes of bfloat16")
    monkeypatch.setattr(mesh, "platform", lambda _: "gpu")
    assert backend.describe(made, Config()).endswith(
        "where the GPU has it, deterministic algorithms"
    )
