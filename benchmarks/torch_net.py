"""PyTorch. Variants: eager, act_pool (eager, too), compile (`torch.compile`)."""

import os

import torch
from common import arguments, load, measure, normalised
from torch import nn


def network(activation: type[nn.Module] = nn.ReLU, subsampling: str = "pool_act") -> nn.Sequential:
    """The same 61,706 parameters; `pool_act` is convolution, pooling, squashing."""
    pool_act = subsampling == "pool_act"
    first, second = (nn.AvgPool2d(2), activation())[:: 1 if pool_act else -1]
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), first, second, nn.Conv2d(6, 16, 5), first, second),
        *(nn.Flatten(), nn.Linear(400, 120), activation(), nn.Linear(120, 84), activation()),
        nn.Linear(84, 10),
    )


def main() -> None:
    """Adam, cross-entropy, whole batches of a shuffled epoch; tensors, no data loader."""
    flags = arguments()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    images, labels = load(flags.digits)
    images_N = torch.from_numpy(normalised(images))[:, None]
    labels_N = torch.from_numpy(labels).long()
    model = network(subsampling="act_pool" if flags.variant == "act_pool" else "pool_act")
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
