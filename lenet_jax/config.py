"""The frozen, validated `Config` that everything else is given."""

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lenet_jax import sweep
from lenet_jax.errors import UserError

MODELS = ("lenet5", "lecun1998")
ACTIVATIONS = ("relu", "silu", "tanh", "scaled_tanh")
SUBSAMPLINGS = ("pool_act", "act_pool")
CONVOLUTIONS = ("auto", "native", "matmul")
SAMPLINGS = ("auto", "gather", "matmul")
PRECISIONS = ("default", "high", "highest")
OPTIMIZERS = ("adamw", "muon", "sgd")

# Fields that may differ between the run that wrote a checkpoint and the one that goes on from it:
# they change neither the arrays of the state nor the numbers that come out of a step.
RESUMABLE = frozenset({"conv", "deterministic", "mesh", "sampling"})
MESH_AXES = ("member", "batch")
# Fields that there were, with the value that left out what they are about: it did not help.
DELETED = {"erasing": 0.0, "mixup": 0.0, "stroke": 0.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides what a run computes; the defaults are `configs/default.py`'s.

    Attributes:
      seed: seed of member 0; member k is the network of a single run with `seed + k`.
      members: number of networks trained side by side, at least 1; of each fold and each point of
        the sweep, if there are any.
      epochs: passes over the training images, at least 1.
      batch_size: images per step, at least 1; the last step of an epoch may hold fewer.
      holdout: share of the labelled images kept out of training, in [0, 1); 0 trains on all.
      folds: k of a stratified k-fold cross-validation, whose folds are trained side by side, each
        held out of the training of its networks; 0 for a hold-out.
      split_seed: seed of the stratified hold-out or folds, apart from `seed` so that members share
        it.
      model: `lenet5` (61,706 parameters) or `lecun1998` (60,000, the paper to the letter).
      activation: squashing function of `lenet5`; `lecun1998` has the paper's scaled tanh.
      subsampling: order in `lenet5`, `pool_act` (conv -> pool -> act, as the paper writes S2) or
        `act_pool` (conv -> act -> pool, as most tutorials do).
      width: how many times as wide every layer but the last of `lenet5` is, at least 1; the
        parameters grow with its square.
      dropout: share of F6's units of `lenet5` that a training step leaves out, in [0, 1).
      conv: implementation of the convolutions: `matmul`, `native` (the compiler's own), or `auto`,
        the faster one of the platform, which is `native` on TPUs alone.
      sampling: how pixels of distorted images are found: `gather`, `matmul` (products with matrices
        of weights), or `auto`, the faster one of the platform, which is `matmul` on TPUs alone.
      precision: of products of float32: `default`, `high` or `highest`. On TPUs these are 1, 3 and
        6 products of bfloat16, on GPUs from Ampere on TF32 and more; a CPU has float32 for all.
      deterministic: whether a GPU takes only algorithms that give the same bits again, and none by
        how fast they ran this time; nothing else is in doubt on other platforms.
      mesh: how devices are shared out: `auto` (as many along members as divide them evenly, and on
        a CPU the rest along the batch) or sizes, e.g. `member:4,batch:2`, whose product is the
        number of devices in use; an axis left out has size 1. Results are the same to float
        rounding.
      optimizer: `adamw`, `muon` (the output layer and biases by Adam with Nesterov's momentum) or
        `sgd` (with Nesterov momentum).
      learning_rate: peak of the schedule, above 0.
      momentum: of `sgd`, in [0, 1).
      warmup_epochs: epochs of linear warm-up before the cosine decay to zero, at least 0; never
        more than half of the run.
      weight_decay: decoupled, applied to kernels only, at least 0; `muon` leaves out the last one.
      clip_norm: largest norm of a step's gradients, longer ones are scaled down to it; 0 for none.
      ema_decay: decay of the exponential moving average of the parameters, in [0, 1); the
        averaged parameters are those evaluated and predicted with; 0 averages nothing.
      label_smoothing: share of the target spread evenly over the classes, in [0, 1).
      teacher: workdir of a finished run whose averaged networks, those of the same fold, give soft
        targets for every augmented image; empty for none.
      teacher_networks: of the teacher's networks that are asked about each batch, in turn; 0 for
        all of them, whose answers are averaged.
      teacher_weight: weight of the teacher's targets against the labels, in [0, 1].
      teacher_temperature: what the logits of teacher and network are divided by where they are
        compared, from 1, where nothing is softened, to 100.
      rubbish_class: the constant j of the paper's equation 9, a class for what is no digit at that
        RBF distance; 0 leaves the class out, which is plain cross-entropy.
      rotation: largest rotation of an augmented image in degrees, in [0, 180].
      scale: largest relative change of width and, independently, of height, in [0, 1).
      shear: largest horizontal shear, in columns per row, in [0, 1).
      shift: largest shift in pixels, along rows and along columns, in [0, 14].
      elastic: standard deviation in pixels of an elastic distortion (Simard et al. 2003), in
        [0, 14].
      sweep: hyperparameters to try, `field=value,value; field=value`: every combination is trained
        side by side with the others, and `networks.csv` tells how each one did.
    """

    seed: int = 0
    members: int = 1
    epochs: int = 40
    batch_size: int = 128
    holdout: float = 0.1
    folds: int = 0
    split_seed: int = 0

    model: str = "lenet5"
    activation: str = "relu"
    subsampling: str = "pool_act"
    width: int = 1
    dropout: float = 0.0
    conv: str = "auto"
    sampling: str = "auto"
    precision: str = "default"
    deterministic: bool = True
    mesh: str = "auto"

    optimizer: str = "adamw"
    learning_rate: float = 4e-3
    momentum: float = 0.9
    warmup_epochs: float = 1.0
    weight_decay: float = 0.02
    clip_norm: float = 0.0
    ema_decay: float = 0.999
    label_smoothing: float = 0.0
    teacher: str = ""
    teacher_networks: int = 0
    teacher_weight: float = 1.0
    teacher_temperature: float = 1.0
    rubbish_class: float = 0.0

    rotation: float = 10.0
    scale: float = 0.1
    shear: float = 0.1
    shift: float = 2.0
    elastic: float = 0.0
    sweep: str = ""

    def __post_init__(self) -> None:
        """Raises UserError for the first field that is out of its range."""
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _cast(field, getattr(self, field.name)))
        object.__setattr__(self, "sweep", self.sweep.strip(" ;"))
        self._choice("model", MODELS)
        self._choice("activation", ACTIVATIONS)
        self._choice("subsampling", SUBSAMPLINGS)
        self._choice("conv", CONVOLUTIONS)
        self._choice("sampling", SAMPLINGS)
        self._choice("precision", PRECISIONS)
        self._choice("optimizer", OPTIMIZERS)
        self._range("split_seed", 0, 2**32 - 1)
        self._range("members", 1, 2**20)
        self._range("folds", 0, 2**10)
        if self.folds == 1:
            raise UserError("config.folds=1: must be 0 or at least 2")
        # The key of a network is made from 32 bits.
        self._range("seed", 0, 2**32 - self.networks)
        mesh_sizes(self.mesh, self.networks)
        self._range("width", 1, 64)
        if self.model == "lecun1998" and (self.width > 1 or self.dropout):
            raise UserError("config.width and config.dropout: only for config.model='lenet5'")
        self._range("epochs", 1, 10**6)
        self._range("batch_size", 1, 2**20)
        self._range("learning_rate", 0, 1e3, open_low=True)
        shares = ("holdout", "momentum", "ema_decay", "label_smoothing", "dropout")
        for name in (*shares, "scale", "shear"):
            self._range(name, 0, 1, open_high=True)
        self._range("clip_norm", 0, 1e6)
        self._range("teacher_networks", 0, 2**20)
        self._range("teacher_weight", 0, 1)
        self._range("teacher_temperature", 1, 100)
        self._range("warmup_epochs", 0, 10**6)
        self._range("weight_decay", 0, 1e3)
        self._range("rubbish_class", 0, 1e6)
        self._range("rotation", 0, 180)
        self._range("shift", 0, 14)
        self._range("elastic", 0, 14)

    @property
    def networks(self) -> int:
        """Networks that are trained: of every fold, point of the sweep and member."""
        return self.members * max(1, self.folds) * len(sweep.points(self.sweep))

    @property
    def averaged(self) -> int:
        """Networks that are held out of the same images, and can be averaged there."""
        return self.networks // max(1, self.folds)

    def on(self, platform: str) -> "Config":
        """The config with `auto` resolved to what is the faster one on `cpu`, `gpu` or `tpu`.

        By the estimates of the platforms' compilers for accelerators, see docs/scaling.md.
        """
        conv, sampling = ("native", "matmul") if platform == "tpu" else ("matmul", "gather")
        return dataclasses.replace(
            self,
            conv=conv if self.conv == "auto" else self.conv,
            sampling=sampling if self.sampling == "auto" else self.sampling,
        )

    def without_sweep(self, **fields: Any) -> "Config":
        """The config with some fields changed and no sweep.

        The mesh is left to `auto`: one for all points of a sweep may not fit one of them.
        """
        return dataclasses.replace(self, sweep="", mesh="auto", **fields)

    def _choice(self, name: str, allowed: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in allowed:
            raise UserError(f"config.{name}={value!r}: choose one of {', '.join(allowed)}")

    def _range(
        self, name: str, low: float, high: float, *, open_low: bool = False, open_high: bool = False
    ) -> None:
        value = getattr(self, name)
        above = value > low if open_low else value >= low
        # As the compiled program will know it: what rounds to 1 there is 1.
        below = np.float32(value) < high if open_high else value <= high
        if not (above and below):
            interval = f"{'(' if open_low else '['}{low}, {high}{')' if open_high else ']'}"
            raise UserError(f"config.{name}={value!r}: must lie in {interval}")

    def as_dict(self) -> dict[str, Any]:
        """All fields in the order of their declaration."""
        return dataclasses.asdict(self)


def mesh_sizes(mesh: str, members: int) -> tuple[int, int] | None:
    """Sizes of the (member, batch) axes that `Config.mesh` asks for, None for `auto`.

    Raises:
      UserError: it is not of the form `member:4,batch:2`, or members cannot be split so.
    """
    if mesh == "auto":
        return None
    sizes: dict[str, int] = {}
    for part in mesh.split(","):
        axis, _, size = part.strip().partition(":")
        if axis not in MESH_AXES or axis in sizes or not re.fullmatch("[1-9][0-9]{0,6}", size):
            raise UserError(f"config.mesh={mesh!r}: give auto, or sizes like member:4,batch:2")
        sizes[axis] = int(size)
    member, batch = (sizes.get(axis, 1) for axis in MESH_AXES)
    if members % member:
        raise UserError(
            f"config.mesh={mesh!r}: {members} member{'s' * (members > 1)} cannot be split evenly "
            f"over member:{member}; config.members must be a multiple of it"
        )
    return member, batch


def _cast(field: dataclasses.Field[Any], value: Any) -> Any:
    """Lets an integer stand for a float, and nothing else for anything else."""
    if field.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    ok = type(value) is field.type
    if not ok or (field.type is float and not math.isfinite(value)):
        wanted = getattr(field.type, "__name__", field.type)
        raise UserError(f"config.{field.name}={value!r}: must be of type {wanted}")
    return value


def from_mapping(fields: Mapping[str, Any], *, source: str = "config") -> Config:
    """Builds a `Config` from field values; fields left out keep their defaults.

    Of the fields that are `DELETED`, those that did nothing are passed over.

    Args:
      fields: name -> value.
      source: where the fields come from, for messages.

    Raises:
      UserError: an unknown field (the message lists near misses) or a value out of range.
    """
    known = [field.name for field in dataclasses.fields(Config)]
    fields = {name: value for name, value in fields.items() if value != DELETED.get(name)}
    for name in fields:
        if name not in known:
            raise UserError(f"{source}: {unknown_field(name, known)}")
    return Config(**fields)


def unknown_field(name: str, known: list[str]) -> str:
    """A message for a misspelt field that lists the near misses, or all fields if none is near.

    Examples:
      >>> unknown_field("epoch", ["seed", "epochs"])
      'there is no field config.epoch; did you mean epochs?'
    """
    if name in DELETED:
        return f"config.{name} is gone, for it did not help (docs/results.md); train without it"
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"there is no field config.{name}; did you mean {' or '.join(near)}?"
    return f"there is no field config.{name}; there are {', '.join(known)}"


def differences(stored: Config, asked: Config) -> list[str]:
    """Fields in which a run cannot go on from another's checkpoint, as `name: stored -> asked`."""
    return [
        f"{name}: {old!r} -> {new!r}"
        for (name, old), new in zip(stored.as_dict().items(), asked.as_dict().values(), strict=True)
        if old != new and name not in RESUMABLE
    ]
