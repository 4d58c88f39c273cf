"""The readers of the table: pinned packages, each in an environment of its own."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Reader:
    """A program that opens ONNX files.

    Attributes:
      name: as the table names it, version included.
      script: of this folder; run by the reader's own Python with `exchange.main`.
      packages: for pip, pinned; none for the Python that runs the tests.
      python: the minor version of Python 3 that it needs, None for any that runs the tests.
      npm: for npm, pinned.
      remark: what a user has to know beside the flags that the table finds out.
      largest_batch: that is tried.
    """

    name: str
    script: str
    packages: tuple[str, ...]
    python: str | None = None
    npm: tuple[str, ...] = ()
    remark: str = ""
    largest_batch: int = 1000


OPENCV = "give it `[B, 1, 28, 28]`"

READERS = (
    Reader("lenet_jax.load", "with_lenet_jax", (), remark="by onnxruntime"),
    Reader("onnxruntime 1.32.0", "with_onnxruntime", ("onnxruntime==1.32.0", "numpy==2.4.6")),
    Reader("onnxruntime 1.19.0", "with_onnxruntime", ("onnxruntime==1.19.0", "numpy==2.2.6")),
    Reader(
        "onnx.reference 1.23.2", "with_onnx_reference", ("onnx==1.23.2",),
        remark="up to 30 digits, for it is slow", largest_batch=30,
    ),
    Reader(
        "onnxruntime-node 1.30.0", "with_onnxruntime_node", ("numpy",),
        npm=("onnxruntime-node@1.30.0",),
    ),
    Reader(
        "onnxruntime-web 1.30.0", "with_onnxruntime_web", ("numpy", "selenium==4.51.0"),
        npm=("onnxruntime-web@1.30.0",), remark="in Chromium, `wasm`",
    ),
    Reader(
        "OpenCV 4.8.1", "with_opencv", ("opencv-python-headless==4.8.1.78", "numpy<2"),
        remark=OPENCV,
    ),
    Reader("OpenCV 4.12.0", "with_opencv", ("opencv-python-headless==4.12.0.88",), remark=OPENCV),
    Reader("OpenCV 4.13.0", "with_opencv", ("opencv-python-headless==4.13.0.92",), remark=OPENCV),
    Reader("OpenCV 4.14.0", "with_opencv", ("opencv-python-headless==4.14.0.94",), remark=OPENCV),
    Reader("OpenCV 5.0.0", "with_opencv", ("opencv-python-headless==5.0.0.93",), remark=OPENCV),
    Reader(
        "OpenVINO 2026.4.1", "with_openvino", ("openvino==2026.4.1",),
        remark='compiled with `{"INFERENCE_PRECISION_HINT": "f32"}`; without it a CPU that has '
        "bfloat16 uses that",
    ),
    Reader("tract 0.23.9", "with_tract", ("tract==0.23.9",)),
    Reader("MNN 3.6.1", "with_mnn", ("MNN==3.6.1",), remark="converted by `mnnconvert`"),
    Reader(
        "ncnn 1.0.20261020", "with_ncnn",
        ("ncnn==1.0.20261020", "pnnx==20261020", "torch==2.13.0"),
        remark="converted by `pnnx FILE fp16=0`",
    ),
    Reader(
        "tinygrad 0.14.0", "with_tinygrad", ("tinygrad==0.14.0", "numpy"),
        remark="needs clang; a runner for each size of a batch",
    ),
    Reader(
        "onnx2torch 1.5.15, PyTorch 2.13.0", "with_onnx2torch",
        ("onnx2torch==1.5.15", "torch==2.13.0", "setuptools<81"),
    ),
    Reader(
        "IREE 3.13.0", "with_iree",
        ("iree-base-compiler[onnx]==3.13.0", "iree-base-runtime==3.13.0"),
        remark="by its ONNX importer",
    ),
    Reader("TVM 0.27.0", "with_tvm", ("apache-tvm==0.27.0.post1", "onnx==1.23.2")),
    Reader(
        "onnx2tf 2.6.9, LiteRT 2.1.2", "with_onnx2tf",
        ("onnx2tf==2.6.9", "ai-edge-litert==2.1.2"),
        python="3.12",
    ),
)  # fmt: skip
