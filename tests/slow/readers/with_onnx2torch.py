import exchange
import torch

# onnx2torch imports torchvision for operators that no network of ours has. One built for CUDA does
# not have them beside a PyTorch without, and cannot be imported then.
library = torch.library.Library("torchvision", "FRAGMENT")
ALIGNING = ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
for operator in ("nms", "qnms", *ALIGNING, *(f"_{name}_backward" for name in ALIGNING)):
    library.define(f"{operator}() -> ()")
import onnx2torch  # noqa: E402


def load(path):
    network = onnx2torch.convert(path).eval()

    def run(images):
        with torch.no_grad():
            return network(torch.from_numpy(images)).numpy()

    return run


exchange.main(load)
