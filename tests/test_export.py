import dataclasses
import functools
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import jax
import numpy as np
import pytest

import lenet_jax
from lenet_jax import export
from lenet_jax.cli.export import BY_ENDING
from lenet_jax.config import Config
from lenet_jax.data import sample
from lenet_jax.distributed import mesh as meshes
from lenet_jax.errors import UserError
from lenet_jax.export import Signature, network, onnx_model, writing
from lenet_jax.inference import calibration, predict
from lenet_jax.runs import workdir
from support.networks import (
    ENSEMBLES,
    EVERY,
    MODERN,
    ONE_OF_EACH,
    TEMPERATURE,
    calibrated,
    name,
    params,
    record,
)
from support.serving import serving

ROOT = Path(__file__).parent.parent


@functools.cache
def digits(count=1000):
    return np.ascontiguousarray(sample.load("test").images_NxHxW[:count])


@functools.cache
def expected(config):
    """What the command line predicts with."""
    mesh = meshes.make(config.members, jax.devices()[:1])
    untempered_NxK = predict.probabilities(config, mesh, params(config), digits())
    return calibration.tempered(untempered_NxK, TEMPERATURE)


@pytest.mark.parametrize("config", EVERY, ids=name)
def test_onnx_is_the_network(config, tmp_path):
    path = tmp_path / "lenet5.onnx"
    export.write(path, "onnx", record(config), params(config), TEMPERATURE)
    got = lenet_jax.load(path)(digits())
    assert got.dtype == np.float32
    # The digits are told apart, so that the comparison means something.
    assert expected(config).std(axis=0).max() > 1e-3
    np.testing.assert_allclose(got, expected(config), atol=1e-5)


STABLE = [ONE_OF_EACH[0], ONE_OF_EACH[-1], ENSEMBLES[0]]
STABLE += [pytest.param(MODERN, marks=pytest.mark.slow)]


@pytest.mark.parametrize("config", STABLE, ids=name)
def test_stablehlo_is_the_network(config, tmp_path):
    path = tmp_path / "lenet5.stablehlo"
    export.write(path, "stablehlo", record(config), params(config), TEMPERATURE)
    load = lenet_jax.load(path)
    np.testing.assert_allclose(load(digits()), expected(config), atol=1e-5)
    # Any batch size, and no image sees its neighbours.
    np.testing.assert_allclose(load(digits()[:3]), expected(config)[:3], atol=1e-5)


def test_one_stablehlo_file_serves_every_platform(tmp_path):
    path = tmp_path / "lenet5.stablehlo"
    export.write(path, "stablehlo", record(Config()), params(Config()), TEMPERATURE)
    exported = jax.export.deserialize(bytearray(path.read_bytes()))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    (images,) = exported.in_avals
    assert images.dtype == np.uint8
    assert [str(size) for size in images.shape] == ["B", "28", "28"]
    # Nothing but the check that the batch is not empty is left to a platform's own code.
    calls = re.findall(r"custom_call @(\w+)", exported.mlir_module())
    assert set(calls) <= {"shape_assertion"}


def test_an_onnx_file_says_what_it_is(tmp_path):
    import onnx

    config = Config(members=3)
    path = tmp_path / "lenet5.onnx"
    export.write(path, "onnx", record(config), params(config), TEMPERATURE)
    file = onnx.load(path)
    onnx.checker.check_model(file, full_check=True)
    assert file.opset_import[0].version == onnx_model.OPSET
    told = {entry.key: entry.value for entry in file.metadata_props}
    assert told["parameters"] == f"{3 * 61_706}"
    assert told["trained on"] == "sample-train"


def test_int8_of_another_network_reads_as_well(tmp_path):
    config = dataclasses.replace(MODERN, members=1)
    sizes, answers = [], []
    for format in ("onnx", "int8"):
        path = tmp_path / f"{format}.onnx"
        export.write(path, format, record(config), params(config), TEMPERATURE)
        sizes.append(path.stat().st_size)
        answers.append(lenet_jax.load(path)(digits(100)))
    assert sizes[1] < sizes[0] / 3
    assert 0 < np.abs(answers[0] - answers[1]).max() < 0.05


def test_an_ensemble_averages_probabilities():
    config = Config(members=3)
    singles = [
        expected_of(dataclasses.replace(config, members=1), k, params(config)) for k in range(3)
    ]
    got = run_onnx(config, params(config))
    np.testing.assert_allclose(got, np.mean(singles, axis=0), atol=1e-5)


def expected_of(config, member, params_M):
    return run_onnx(config, jax.tree.map(lambda leaf: leaf[member : member + 1], params_M))


def run_onnx(config, params_M):
    content = onnx_model.serialise(network.of(config, params_M, 1.0), {}, Signature())
    return onnx_model.deserialise(content)(digits(50))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 28, 28), np.float32),
        np.zeros((28, 28), np.uint8),
        np.zeros((2, 784), np.uint8),
        np.zeros((0, 28, 28), np.uint8),
    ],
)
def test_nobody_can_feed_it_wrongly(images, tmp_path):
    path = tmp_path / "lenet5.onnx"
    export.write(path, "onnx", record(Config()), params(Config()), TEMPERATURE)
    with pytest.raises(ValueError, match=r"uint8 \[B, 28, 28\]"):
        lenet_jax.load(path)(images)


@pytest.mark.parametrize("ending", ["onnx", "stablehlo"])
@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_damaged_files_are_named(ending, damage, tmp_path):
    path = tmp_path / f"lenet5.{ending}"
    export.write(path, ending, record(Config()), params(Config()), TEMPERATURE)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"hello"}[damage])
    with pytest.raises(UserError, match=rf"lenet5\.{ending}"):
        lenet_jax.load(path)


def test_what_cannot_be_loaded_or_written_is_told(tmp_path):
    with pytest.raises(UserError, match=r"must end in \.stablehlo or \.onnx"):
        lenet_jax.load(tmp_path / "lenet5.h5")
    with pytest.raises(UserError, match="No such file"):
        lenet_jax.load(tmp_path / "lenet5.onnx")
    with pytest.raises(UserError, match="holds no run"):
        lenet_jax.load(tmp_path)
    with pytest.raises(UserError, match=r"must end in \.onnx"):
        export.write(
            tmp_path / "lenet5.pb", "onnx", record(Config()), params(Config()), TEMPERATURE
        )
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be made a folder"):
        export.write(
            tmp_path / "file/x.onnx", "onnx", record(Config()), params(Config()), TEMPERATURE
        )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("format", "package"), [("onnx", "onnx"), ("stablehlo", "flatbuffers")])
def test_a_missing_package_is_told_with_its_name(format, package, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / f"lenet5.{format}"
    with pytest.raises(UserError, match=f"pip install {package}"):
        export.write(path, format, record(Config()), params(Config()), TEMPERATURE)
    if format == "stablehlo":
        path.write_bytes(b"")
        with pytest.raises(UserError, match=f"pip install {package}"):
            lenet_jax.load(path)


def test_importing_the_package_stays_light():
    code = "import sys, lenet_jax; print(sorted({'jax', 'numpy', 'onnx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_program_knows_the_ending_of_every_file():
    known = {ending: format for format, ending in writing.ENDINGS.items() if format != "int8"}
    assert {ending: format for ending, format in known.items() if ending} == BY_ENDING


def call(*flags, status):
    done = subprocess.run(
        [sys.executable, ROOT / "run_export.py", *flags],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == status, done.stderr
    return done


def test_the_program_exports_what_prediction_gives(trained, tmp_path):
    run = calibrated(trained, tmp_path)
    predicted = predict.from_run(run, workdir.read_run(run), digits())
    np.testing.assert_allclose(lenet_jax.load(run)(digits()), predicted, atol=1e-5)
    for ending in ("onnx", "stablehlo"):
        path = tmp_path / "new" / f"lenet5.{ending}"
        # Whose ending says the format.
        done = call(f"--workdir={run}", f"--output={path}", status=0)
        assert done.stdout == f"Wrote {path}\n"
        np.testing.assert_allclose(lenet_jax.load(path)(digits()), predicted, atol=1e-5)


def test_the_page_is_served_until_ctrl_c(trained, tmp_path):
    with serving(trained, tmp_path) as (program, address):
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert b"<canvas" in answer.read()
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == 0


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--workdir=nowhere"], "holds no run"),
        (["--format=onnx", "--serve"], "--serve shows a page"),
        (["--format=pdf"], "--format"),
        (["--serve", "--port=65536"], "--port=65536"),
        (["--input=float32"], "--input and --batch are for"),
        (["--format=web", "--batch=1"], "--input and --batch are for"),
        (["--format=onnx", "--batch=0"], "--batch=0"),
        (["--format=stablehlo", "--int8"], "--int8 is for --format=onnx"),
        (["--output=lenet5.oonx"], ".oonx is the ending of no format; give one of .onnx, "),
    ],
)
def test_mistakes_give_one_line(flags, expected, tmp_path):
    done = call(*flags, status=2)
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
