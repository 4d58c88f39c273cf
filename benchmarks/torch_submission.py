"""Kaggle's zip to submission.csv with PyTorch, by the recipe of `configs/speedrun.py`."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from common import finish, kaggle, submission_arguments, whitening
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch_net import network

BATCH = 128
RATE = 0.012
EMPTY = -0.1307 / 0.3081


def pixels(images_NxHxW: np.ndarray) -> torch.Tensor:
    """Normalised float32 [N, 1, 28, 28]."""
    return (torch.tensor(images_NxHxW)[:, None].float() / 255 - 0.1307) / 0.3081


def augment(x: torch.Tensor) -> torch.Tensor:
    """A random affine map for each image: 8 degrees, scale 0.1, shear 0.1, shift of 1 pixel."""
    u = torch.rand(6, len(x)) * 2 - 1
    angle = u[0] * math.radians(8)
    cos, sin, height, width, shear = (
        *(torch.cos(angle), torch.sin(angle)),
        *(1 + u[1] * 0.1, 1 + u[2] * 0.1, u[3] * 0.1),
    )
    # The coordinates of grid_sample run from -1 to 1.
    down, right = u[4] * 2 / 28, u[5] * 2 / 28
    first = torch.stack([(shear * sin + cos) / width, (shear * cos - sin) / width, right], 1)
    second = torch.stack([sin / height, cos / height, down], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), x.shape, align_corners=False)
    # Outside of an image grid_sample finds 0.
    return F.grid_sample(x - EMPTY, grid, align_corners=False) + EMPTY


def predict(model: nn.Module, x: torch.Tensor) -> np.ndarray:
    """Digits, [N]."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(part).argmax(1) for part in pad(x).split(1024)]).numpy()


def pad(x: torch.Tensor) -> torch.Tensor:
    """28x28 to 32x32 with the background's value."""
    return F.pad(x, (2, 2, 2, 2), value=EMPTY)


class Matrix(nn.Module):
    """A kernel of convolution as the matrix that `torch.optim.Muon` wants."""

    def forward(self, kernel: torch.Tensor) -> torch.Tensor:
        """[out, in * 25] -> [out, in, 5, 5]."""
        return kernel.unflatten(1, (-1, 5, 5))

    def right_inverse(self, kernel: torch.Tensor) -> torch.Tensor:
        """[out, in, 5, 5] -> [out, in * 25]."""
        return kernel.flatten(1)


def optimizers(model: nn.Sequential) -> list[torch.optim.Optimizer]:
    """Muon for the kernels of the convolutions, Adam for what is left."""
    kernels = [layer.parametrizations.weight.original for layer in model if convolves(layer)]
    others = [p for p in model.parameters() if all(p is not kernel for kernel in kernels)]
    return [
        torch.optim.Muon(kernels, lr=RATE, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=RATE, weight_decay=0.0),
    ]


def convolves(layer: nn.Module) -> bool:
    """Whether a layer has a kernel of convolution."""
    return isinstance(layer, nn.Conv2d)


def main() -> None:
    """Reads, trains, prints the accuracy of the hold-out and writes the submission."""
    flags = submission_arguments()
    torch.manual_seed(flags.seed)
    train, labels, test = kaggle(flags.data)
    labels_N = torch.from_numpy(labels).long()
    images_N = pixels(train)
    held_N = torch.from_numpy(np.load(flags.held))
    used_N = torch.from_numpy(np.setdiff1d(np.arange(len(train)), held_N))
    steps = math.ceil(len(used_N) / BATCH)
    warm = 0.3 * steps

    def rate(step: int) -> float:
        done = max(0.0, step - warm) / (steps * flags.epochs - warm)
        return min(1.0, step / warm) * 0.5 * (1 + math.cos(math.pi * done))

    model = network(nn.SiLU)
    for layer in model:
        if convolves(layer):
            nn.utils.parametrize.register_parametrization(layer, "weight", Matrix())
        elif isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
    mixture = nn.init.orthogonal_(torch.empty(6, 6))
    with torch.no_grad():
        model[0].weight = (mixture @ torch.from_numpy(whitening())).reshape(6, 1, 5, 5)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.995))
    rules = optimizers(model)
    schedules = [torch.optim.lr_scheduler.LambdaLR(rule, rate) for rule in rules]
    for _ in range(flags.epochs):
        for rows in used_N[torch.randperm(len(used_N))].split(BATCH):
            model.zero_grad(set_to_none=True)
            logits = model(pad(augment(images_N[rows])))
            F.cross_entropy(logits, labels_N[rows], label_smoothing=0.1).backward()
            for each in (*rules, *schedules):
                each.step()
            average.update_parameters(model)
    right = predict(average, images_N[held_N]) == labels_N[held_N].numpy()
    digits_N = predict(average, pixels(test))
    finish(right, digits_N, flags.output)


if __name__ == "__main__":
    main()
