"""Kaggle's zip to submission.csv with PyTorch, by the recipe of `configs/fast.py`."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from common import finish, holdout, kaggle, submission_arguments
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch_net import network

BATCH = 128
EMPTY = -0.1307 / 0.3081


def pixels(images_NxHxW: np.ndarray) -> torch.Tensor:
    """Normalised float32 [N, 1, 28, 28]."""
    return (torch.tensor(images_NxHxW)[:, None].float() / 255 - 0.1307) / 0.3081


def augment(x: torch.Tensor) -> torch.Tensor:
    """A random affine map for each image: 10 degrees, scale 0.1, shear 0.1, shift of 1 pixel."""
    u = torch.rand(6, len(x)) * 2 - 1
    angle = u[0] * math.radians(10)
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


def main() -> None:
    """Reads, trains, prints the accuracy of the hold-out and writes the submission."""
    flags = submission_arguments()
    torch.manual_seed(flags.seed)
    train, labels, test = kaggle(flags.data)
    labels_N = torch.from_numpy(labels).long()
    images_N = pixels(train)
    held_N = torch.from_numpy(holdout(len(train)))
    used_N = torch.from_numpy(np.setdiff1d(np.arange(len(train)), held_N))
    steps = math.ceil(len(used_N) / BATCH)

    def rate(step: int) -> float:
        warm = min(1.0, step / steps)
        done = (step - steps) / (steps * (flags.epochs - 1))
        return warm * 0.5 * (1 + math.cos(math.pi * max(0.0, done)))

    model = network()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    kernels = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": kernels}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=8e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    for _ in range(flags.epochs):
        for rows in used_N[torch.randperm(len(used_N))].split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(pad(augment(images_N[rows]))), labels_N[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
    right = predict(average, images_N[held_N]) == labels_N[held_N].numpy()
    digits_N = predict(average, pixels(test))
    finish(right, digits_N, flags.output)


if __name__ == "__main__":
    main()
