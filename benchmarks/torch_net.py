"""PyTorch. Variants: eager, compile (`torch.compile`)."""

import os

import torch
from common import arguments, load, measure, normalised
from torch import nn


def network() -> nn.Sequential:
    """The same 61,706 parameters: convolution, pooling, squashing."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.AvgPool2d(2), nn.ReLU()),
        *(nn.Conv2d(6, 16, 5), nn.AvgPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, 10),
    )


def main() -> None:
    """Adam, cross-entropy, whole batches of a shuffled epoch; tensors, no data loader."""
    flags = arguments()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    images, labels = load(flags.digits)
    images_N = torch.from_numpy(normalised(images))[:, None]
    labels_N = torch.from_numpy(labels).long()
    model = network()
    called = torch.compile(model) if flags.variant == "compile" else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss = nn.CrossEntropyLoss()

    def train() -> None:
        for rows in torch.randperm(len(labels)).split(flags.batch):
            optimizer.zero_grad(set_to_none=True)
            loss(called(images_N[rows]), labels_N[rows]).backward()
            optimizer.step()

    def infer() -> None:
        with torch.inference_mode():
            for batch in images_N.split(flags.batch):
                called(batch)

    measure(len(labels), flags.epochs, train, infer)


if __name__ == "__main__":
    main()
