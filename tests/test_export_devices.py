"""Exports for small devices, compiled and run as a device would."""

import shutil
import subprocess

import numpy as np
import pytest
from test_export import call, digits, expected

import lenet_jax
from lenet_jax import export
from lenet_jax.config import Config
from lenet_jax.data import sample
from lenet_jax.export import writing
from support.networks import EVERY, TEMPERATURE, name, params, record

CC = shutil.which("gcc") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(CC is None, reason="no C compiler (apt-get install gcc)")
PROGRAM = """
#define LENET5_GOLDEN
#include "lenet5.h"
#include <stdio.h>

int main(void) {
  float workspace[LENET5_WORKSPACE], probabilities[10];
  unsigned char pixels[784];
  while (fread(pixels, 784, 1, stdin)) {
    lenet5(pixels, workspace, probabilities);
    fwrite(probabilities, sizeof(float), 10, stdout);
  }
  fprintf(stderr, "%.9g", (double)lenet5_largest_error(workspace));
  return 0;
}
"""


def compiled(header):
    """`PROGRAM` with the header, by a compiler that forgives nothing."""
    folder, stem = header.parent, header.stem
    (folder / "main.c").write_text(PROGRAM.replace("lenet5", stem).replace("LENET5", stem.upper()))
    strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    # What is read or written outside an array ends the program.
    checked = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = [CC, *strict, *checked, "main.c", "-o", "main", "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "main"


def run(program, images_BxHxW):
    """Probabilities of the images, and the largest error of the golden digits."""
    done = subprocess.run([program], input=images_BxHxW.tobytes(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return np.frombuffer(done.stdout, np.float32).reshape(-1, 10), float(done.stderr)


@needs_compiler
@pytest.mark.parametrize("config", EVERY, ids=name)
def test_the_c_header_is_the_network(config, tmp_path):
    path = tmp_path / f"{writing.stem_of(config.model)}.h"
    export.write(path, "c", record(config), params(config), TEMPERATURE, accuracy=0.5)
    probabilities, golden_error = run(compiled(path), digits(50))
    np.testing.assert_allclose(probabilities, expected(config)[:50], atol=1e-5)
    assert golden_error < 1e-5


@needs_compiler
def test_golden_digits_find_a_network_that_has_changed(tmp_path):
    path = tmp_path / "lenet5.h"
    export.write(path, "c", record(Config()), params(Config()), TEMPERATURE)
    text = path.read_text()
    assert text.count("sum / 4.0f") == 2
    path.write_text(text.replace("sum / 4.0f", "sum / 4.1f"))
    _, golden_error = run(compiled(path), digits(1))
    assert golden_error > 1e-4


def test_the_c_header_needs_only_the_c_library(tmp_path):
    path = tmp_path / "lenet5.h"
    export.write(path, "c", record(Config()), params(Config()), TEMPERATURE, accuracy=0.9925)
    text = path.read_text(encoding="ascii")
    included = [line for line in text.splitlines() if line.startswith("#include")]
    assert included == ["#include <math.h>", "#include <stdint.h>"]
    assert "alloc" not in text.replace("allocated", "")
    assert "hold-out accuracy: 0.9925" in text
    assert max(map(len, text.splitlines())) < 200


@needs_compiler
def test_the_program_writes_the_header_of_a_run(trained, tmp_path):
    path = tmp_path / "lenet5.h"
    call(f"--workdir={trained}", "--format=c", f"--output={path}", status=0)
    probabilities, golden_error = run(compiled(path), digits(50))
    np.testing.assert_allclose(probabilities, lenet_jax.load(trained)(digits(50)), atol=1e-5)
    assert golden_error < 1e-5


@pytest.mark.parametrize(
    "flags", [[], pytest.param(["--input=float32", "--batch=1"], marks=pytest.mark.slow)], ids=str
)
def test_int8_is_small_and_reads_as_well(flags, trained, tmp_path):
    plain, small = tmp_path / "plain.onnx", tmp_path / "small.onnx"
    for path, int8 in ((plain, []), (small, ["--int8"])):
        done = call(
            f"--workdir={trained}", "--format=onnx", f"--output={path}", *int8, *flags, status=0
        )
        assert done.stderr == ""
    assert small.stat().st_size < 0.35 * plain.stat().st_size
    labels_N = sample.load("test").labels_N
    right, small_right = (
        int((lenet_jax.load(path)(digits()).argmax(axis=1) == labels_N).sum())
        for path in (plain, small)
    )
    # A digit in a thousand is luck.
    assert abs(small_right - right) <= 3
    # It is not the plain network under another name.
    assert np.abs(lenet_jax.load(small)(digits(50)) - lenet_jax.load(plain)(digits(50))).max() > 0
    with np.load(tmp_path / "small.golden.npz") as golden:
        images_BxHxW, golden_BxK = golden["images"], golden["probabilities"]
    assert images_BxHxW.shape == (10, 28, 28)
    np.testing.assert_allclose(lenet_jax.load(small)(images_BxHxW), golden_BxK, atol=1e-6)
    assert (golden_BxK.argmax(axis=1) == np.arange(10)).sum() >= 9
