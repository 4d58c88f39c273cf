"""The frozen, validated `Config` that everything else is given, and the table of its fields."""

import dataclasses
from typing import Any

from lenet_jax import sweep
from lenet_jax.config.activations import ACTIVATIONS
from lenet_jax.config.mesh import mesh_sizes
from lenet_jax.config.table import Range, check_model, checked, described, field
from lenet_jax.errors import UserError

SUBSAMPLINGS = ("pool_act", "act_pool")
FIRST_FILTERS = ("he_normal", "whitened")
OPTIMIZERS = ("adamw", "muon", "sgd")


FRACTION = Range(0, 1, open_high=True)
# As many as a key is made from.
SEEDS = Range(0, 2**32 - 1)
COUNT = Range(1, 2**20)
COUNT_OR_NONE = Range(0, 2**20)
EPOCHS = 10**6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides what a run computes; the defaults are a plain recipe of AdamW."""

    seed: int = field(
        0, "seed of member 0; member k is the network of a single run with `seed + k`", SEEDS
    )
    members: int = field(
        1,
        "number of networks trained side by side; of each fold and each trial of the sweep, "
        "if there are any",
        COUNT,
    )
    epochs: int = field(40, "passes over the training images", Range(1, EPOCHS))
    batch_size: int = field(128, "images per step; the last step of an epoch may hold fewer", COUNT)
    holdout: float = field(
        0.1, "fraction of the labelled images kept out of training; 0 trains on all", FRACTION
    )
    folds: int = field(
        0,
        "k of a stratified k-fold cross-validation, whose folds are trained side by side, "
        "each held out of the training of its networks; 0 for a hold-out",
        Range(0, 2**10),
    )
    split_seed: int = field(
        0,
        "seed of the stratified hold-out or folds, apart from `seed` so that members share it",
        SEEDS,
    )

    model: str = field(
        "lenet5",
        "`lenet5` (61,706 parameters), `lecun1998` (60,000, the paper to the letter) or `modern` "
        "(249,114, 3x3 convolutions: the teacher, and no LeNet-5)",
        ("lenet5", "lecun1998", "modern"),
    )
    activation: str = field(
        "relu",
        "squashing function of `lenet5` and `modern`; `lecun1998` has the paper's scaled tanh",
        tuple(ACTIVATIONS),
        models=("lenet5", "modern"),
    )
    subsampling: str = field(
        "pool_act",
        "order in `lenet5`, `pool_act` (conv -> pool -> act, as the paper writes S2) or "
        "`act_pool` (conv -> act -> pool, as most tutorials do)",
        SUBSAMPLINGS,
        models=("lenet5",),
    )
    width: int = field(
        1,
        "how many times as wide every layer but the last of `lenet5` or `modern` is; the "
        "parameters grow with its square",
        Range(1, 64),
        models=("lenet5", "modern"),
    )
    dropout: float = field(
        0.0,
        "fraction of the units of F6 of `lenet5`, or of S3, S6 and F7 of `modern`, that a "
        "training step leaves out",
        FRACTION,
        swept=True,
        models=("lenet5", "modern"),
    )
    first_filters: str = field(
        "he_normal",
        "how C1 of `lenet5` begins: `he_normal`, or `whitened`, whose maps of smooth strokes are "
        "uncorrelated from the first step on: worth a part of the first epochs",
        FIRST_FILTERS,
        models=("lenet5",),
    )
    conv: str = field(
        "auto",
        "implementation of the convolutions: `matmul`, `native` (the compiler's own), or "
        "`auto`, the faster one of the platform, which is `native` on TPUs, and for `modern` on "
        "GPUs",
        ("auto", "native", "matmul"),
        resumable=True,
    )
    sampling: str = field(
        "auto",
        "how pixels of distorted images are found: `gather`, `matmul` (products with matrices "
        "of weights), or `auto`, the faster one of the platform, which is `matmul` on TPUs "
        "alone",
        ("auto", "gather", "matmul"),
        resumable=True,
    )
    precision: str = field(
        "default",
        "of products of float32; on TPUs these are 1, 3 and 6 products of bfloat16, on GPUs "
        "from Ampere on TF32 and more; a CPU has float32 for all",
        ("default", "high", "highest"),
    )
    deterministic: bool = field(
        True,
        "whether a GPU takes only algorithms that give the same bits again, and none by how "
        "fast they ran this time; nothing else is in doubt on other platforms",
        resumable=True,
    )
    mesh: str = field(
        "auto",
        "how devices are shared out: `auto` (as many along members as divide them evenly, and "
        "on a CPU the rest along the batch) or sizes, e.g. `member:4,batch:2`, whose product "
        "is the number of devices in use; an axis left out has size 1. Results are the same "
        "to float rounding",
        resumable=True,
    )

    optimizer: str = field(
        "adamw",
        "`adamw`, `muon` (the output layer and biases by Adam with Nesterov's momentum) or "
        "`sgd` (with Nesterov momentum)",
        OPTIMIZERS,
    )
    muon_largest: int = field(
        0,
        "weights of the largest kernel that `muon` orthogonalises, which takes the more time the "
        "smaller the batches are; larger ones are left to Adam; 0 for no limit",
        COUNT_OR_NONE,
    )
    learning_rate: float = field(
        4e-3, "peak of the schedule", Range(0, 1e3, open_low=True), swept=True
    )
    momentum: float = field(0.9, "of `sgd`", FRACTION, swept=True)
    warmup_epochs: float = field(
        1.0,
        "epochs of linear warm-up before the cosine decay to zero; never more than half of the run",
        Range(0, EPOCHS),
    )
    weight_decay: float = field(
        0.02,
        "decoupled, applied to kernels only; `muon` leaves out the last one",
        Range(0, 1e3),
        swept=True,
    )
    clip_norm: float = field(
        0.0,
        "largest norm of a step's gradients, longer ones are scaled down to it; 0 for none",
        Range(0, 1e6),
        swept=True,
    )
    ema_decay: float = field(
        0.999,
        "decay of the exponential moving average of the parameters; the averaged parameters "
        "are those evaluated and predicted with; 0 averages nothing",
        FRACTION,
        swept=True,
    )
    label_smoothing: float = field(
        0.0, "fraction of the target spread evenly over the classes", FRACTION, swept=True
    )
    teacher: str = field(
        "",
        "workdir of a finished run whose averaged networks, those of the same fold, give soft "
        "targets for every augmented image; empty for none",
    )
    teacher_networks: int = field(
        0,
        "of the teacher's networks that are asked about each batch, in turn; 0 for all of "
        "them, whose answers are averaged",
        COUNT_OR_NONE,
    )
    teacher_weight: float = field(
        1.0, "weight of the teacher's targets against the labels", Range(0, 1), swept=True
    )
    teacher_temperature: float = field(
        1.0,
        "what the logits of teacher and network are divided by where they are compared; at 1 "
        "nothing is softened",
        Range(1, 100),
        swept=True,
    )
    rubbish_class: float = field(
        0.0,
        "the constant j of the paper's equation 9, a class for what is no digit at that RBF "
        "distance; 0 leaves the class out, which is plain cross-entropy",
        Range(0, 1e6),
    )

    rotation: float = field(
        10.0, "largest rotation of an augmented image in degrees", Range(0, 180), swept=True
    )
    scale: float = field(
        0.1, "largest relative change of width and, independently, of height", FRACTION, swept=True
    )
    shear: float = field(0.1, "largest horizontal shear, in columns per row", FRACTION, swept=True)
    shift: float = field(
        2.0, "largest shift in pixels, along rows and along columns", Range(0, 14), swept=True
    )
    elastic: float = field(
        0.0,
        "standard deviation in pixels of an elastic distortion (Simard et al. 2003)",
        Range(0, 14),
        swept=True,
    )
    sweep: str = field(
        "",
        "hyperparameters to try, `field=value,value; field=value`: every combination is "
        "trained side by side with the others, and `networks.csv` tells how each one did",
    )

    def __post_init__(self) -> None:
        """Raises UserError for the first field that is out of its range."""
        for known in dataclasses.fields(self):
            object.__setattr__(self, known.name, checked(known, getattr(self, known.name)))
            check_model(self.model, known, getattr(self, known.name))
        object.__setattr__(self, "sweep", self.sweep.strip(" ;"))
        for name in self.trials[0]:
            if name not in SWEPT:
                raise UserError(f"config.sweep: {name!r} must be one of {', '.join(SWEPT)}")
        if self.folds == 1:
            raise UserError("config.folds=1: must be 0 or at least 2")
        if self.seed + self.num_models - 1 > SEEDS.high:
            highest = int(SEEDS.high) + 1 - self.num_models
            raise UserError(f"config.seed={self.seed}: must lie in [0, {highest}]")
        mesh_sizes(self.mesh, self.num_models)

    @property
    def trials(self) -> list[dict[str, float]]:
        """Of the sweep, field -> value; one that changes nothing without a sweep."""
        return sweep.trials(self.sweep)

    @property
    def num_models(self) -> int:
        """Networks that are trained: of every fold, trial of the sweep and member."""
        return self.members * max(1, self.folds) * len(self.trials)

    @property
    def models_per_fold(self) -> int:
        """Networks that are held out of the same images, and can be averaged there."""
        return self.num_models // max(1, self.folds)

    def on(self, platform: str) -> "Config":
        """The config with `auto` resolved to what is the faster one on `cpu`, `gpu` or `tpu`.

        By the estimates of the platforms' compilers for accelerators, see docs/scaling.md.
        """
        # As products `modern` has a GPU touch twice the bytes, and compile for minutes.
        native = platform == "tpu" or (platform == "gpu" and self.model == "modern")
        conv = "native" if native else "matmul"
        sampling = "matmul" if platform == "tpu" else "gather"
        return dataclasses.replace(
            self,
            conv=conv if self.conv == "auto" else self.conv,
            sampling=sampling if self.sampling == "auto" else self.sampling,
        )

    def without_sweep(self, **fields: Any) -> "Config":
        """The config with some fields changed and no sweep.

        The mesh is left to `auto`: one for all trials of a sweep may not fit one of them.
        """
        return dataclasses.replace(self, sweep="", mesh="auto", **fields)

    def as_dict(self) -> dict[str, Any]:
        """All fields in the order of their declaration."""
        return dataclasses.asdict(self)


def documented() -> dict[str, str]:
    """Field -> what is said of it, with what it may be."""
    return {field.name: described(field) for field in dataclasses.fields(Config)}


# Fields that members of one run may differ in.
SWEPT = tuple(field.name for field in dataclasses.fields(Config) if field.metadata["swept"])
Config.__doc__ = f"{Config.__doc__}\n\nAttributes:\n" + "\n".join(
    f"  {name}: {told}." for name, told in documented().items()
)
