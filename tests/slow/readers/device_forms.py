"""One network in every form that small devices read."""

import dataclasses
import subprocess
from pathlib import Path

import numpy as np

from lenet_jax import export
from lenet_jax.export import Signature, int8, onnx_model
from lenet_jax.runs import workdir

ONE_FLOAT32 = Signature(pixels="float32", batch=1)


@dataclasses.dataclass(frozen=True)
class Form:
    """How a network is written and run.

    Attributes:
      name: as the table names it.
      script: that answers with it, see `one_core`.
      file: that the script opens.
      size: in bytes, of what the device has to hold.
    """

    name: str
    script: str
    file: Path
    size: int


def write(folder: Path, record: workdir.Record, params_M, litert: Path) -> list[Form]:
    """Writes a network in every form; float32 first.

    Args:
      folder: for the files.
      record: of the run, as if it had this network alone.
      params_M: of the network.
      litert: folder of the programs of LiteRT's environment.
    """
    names = {"onnx": "lenet5.onnx", "int8": "small.onnx", "c": "lenet5.h"}
    files = {kind: folder / name for kind, name in names.items()}
    for kind, file in files.items():
        export.write(file, kind, record, params_M, 1.0)
    tflite = _converted(folder, record, params_M, litert)
    onnx, small, header = files.values()
    return [
        Form("ONNX, float32", "one_core_onnx", onnx, onnx.stat().st_size),
        Form("ONNX, `--int8`", "one_core_onnx", small, small.stat().st_size),
        Form("C header, float32", "one_core_c", header, _compiled_size(header)),
        *(
            Form(f"LiteRT, {name}", "one_core_litert", file, file.stat().st_size)
            for name, file in tflite.items()
        ),
    ]


def _converted(folder: Path, record: workdir.Record, params_M, litert: Path) -> dict[str, Path]:
    """The files of LiteRT, made by onnx2tf: the int8 one calibrated by the digits that ours is."""
    source = folder / "for_litert.onnx"
    export.write(source, "onnx", record, params_M, 1.0, signature=ONE_FLOAT32)
    images_NxHxW = int8.calibration_digits()
    np.save(folder / "calibration.npy", images_NxHxW.astype(np.float32) / 255)
    scaled = ["images", folder / "calibration.npy", "[[[0.0]]]", f"[[[{1 / 255!r}]]]"]
    command = [litert / "onnx2tf", "-i", source, "-o", folder / "litert", "-kat", "images", "-nuo"]
    command += ["-oiqt", "-qt", "per-channel", "-cind", *scaled]
    subprocess.run(command, check=True, capture_output=True)
    found = {"float32": "float32", "int8": "integer_quant"}
    return {
        name: folder / "litert" / f"for_litert_{ending}.tflite" for name, ending in found.items()
    }


def _compiled_size(header: Path) -> int:
    """Code and weights as a compiler for small devices leaves them."""
    source, compiled = header.with_suffix(".c"), header.with_suffix(".o")
    source.write_text(
        '#include "lenet5.h"\n'
        "void answer(const uint8_t *pixels, float *workspace, float *probabilities) {\n"
        "  lenet5(pixels, workspace, probabilities);\n}\n"
    )
    subprocess.run(["cc", "-std=c99", "-Os", "-c", source, "-o", compiled], check=True)
    told = subprocess.run(["size", compiled], check=True, capture_output=True, text=True).stdout
    text, data, _, *_ = told.splitlines()[1].split()
    return int(text) + int(data)


def right_by_layers(
    folder: Path, record: workdir.Record, params_M, images_NxHxW, labels_N, choices
) -> dict[tuple[str, ...], tuple[int, int]]:
    """Of each choice of layers for int8 the digits read right, and the file's bytes."""
    plain = folder / "choice.onnx"
    export.write(plain, "onnx", record, params_M, 1.0)
    content, found = plain.read_bytes(), {}
    for layers in choices:
        written = int8.quantise(content, Signature(), layers) if layers else content
        answers_N = onnx_model.deserialise(written)(images_NxHxW).argmax(axis=1)
        found[layers] = int((answers_N == labels_N).sum()), len(written)
    return found
