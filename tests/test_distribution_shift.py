"""Digits that are not what a run was trained on are told, and parts of what it was never are."""

import itertools
import json

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.datasets import load_digits

import lenet_jax
from lenet_jax.config import Config
from lenet_jax.data import (
    Dataset,
    appearance,
    assemble,
    load_test,
    load_train,
    orientation,
    prediction_warning,
    training_warning,
)
from lenet_jax.data.dataset import PIXELS, SIDE
from lenet_jax.data.location import Asked
from lenet_jax.errors import UserError
from lenet_jax.runs import workdir
from support.commands import program
from support.digit_files import KAGGLE, csv_bytes, examples, needs_kaggle, table

SAMPLE, UNSEEN = load_train("sample"), load_test("sample")
KEPT = appearance.of_training(SAMPLE)
RNG = np.random.default_rng(0)


def dataset(images_NxHxW, labels_N=None, locations=None):
    images_NxHxW = np.ascontiguousarray(images_NxHxW).astype(np.uint8)
    return Dataset(
        images_NxHxW=images_NxHxW,
        labels_N=labels_N,
        source="csv",
        name="x.csv",
        locations=locations,
    )


def parts(of, sizes=((1000, 3), (100, 30), (10, 150), (1, 20))):
    """Random parts of digits, and of single classes where there are labels."""
    whole = np.arange(len(of))
    classes = [] if of.labels_N is None else [np.flatnonzero(of.labels_N == k) for k in range(10)]
    for rows, (size, times) in itertools.product((whole, *classes), sizes):
        for _ in range(times if rows is whole else times // 10):
            yield of.take(RNG.choice(rows, min(size, len(rows)), replace=False))


# What is usual is never told


@pytest.mark.parametrize("of", [SAMPLE, UNSEEN], ids=repr)
def test_no_part_of_the_sample_is_told(of):
    told = [(prediction_warning(KEPT, part), training_warning(part)) for part in parts(of)]
    assert set(told) == {(None, None)}
    assert len(told) > 300


@needs_kaggle
def test_kaggles_files_and_their_parts_are_not_told():
    train, test = load_train(str(KAGGLE)), load_test(str(KAGGLE))
    kept = appearance.of_training(train)
    assert training_warning(train) is None
    for of, known in itertools.product((train, test, UNSEEN), (kept, KEPT)):
        told = {prediction_warning(known, part) for part in (of, *parts(of, ((100, 10), (10, 20))))}
        assert told == {None}
    # The numbers in the code are of this file.
    usual, mnist = appearance.read(kept), appearance.MNIST
    npt.assert_allclose(usual.likeness, mnist.likeness, atol=0.01)
    for field, value in vars(mnist.appearance).items():
        npt.assert_allclose(getattr(usual.appearance, field), value, atol=0.01, err_msg=field)
    means = orientation.class_means(train.images_NxHxW, train.labels_N)
    assert means == orientation.MNIST


@needs_kaggle
def test_kaggles_training_digits_on_their_side_are_refused_too():
    train = load_train(str(KAGGLE))
    on_their_side = np.ascontiguousarray(train.images_NxHxW.transpose(0, 2, 1))
    asked = Asked(part="train", say=print, counted=None, transposed=False)
    with pytest.raises(UserError, match="give --transposed"):
        assemble.dataset(on_their_side, train.labels_N, asked, "x.csv")


@settings(max_examples=examples(10))
@given(st.integers(0, 2**32), st.floats(0, 0.9), st.floats(0.6, 1), st.booleans())
def test_another_half_of_any_set_is_not_told(seed, background, brightness, symmetric):
    """Things of ten classes as Fashion-MNIST's: grey, up to the edge, alike in a mirror or not."""
    rng = np.random.default_rng(seed)
    shapes = ndimage.gaussian_filter(rng.normal(size=(10, SIDE, SIDE)), (0, 3, 3))
    shapes = shapes + shapes[:, :, ::-1] if symmetric else shapes
    shapes = np.where(shapes > np.quantile(shapes, background, (1, 2), keepdims=True), 1.0, 0)
    labels_N = np.arange(400, dtype=np.int32) % 10
    moved = [np.roll(shapes[k], rng.integers(-2, 3, 2), (0, 1)) for k in labels_N]
    grey = rng.uniform(0.7, 1, (400, 1, 1)) * ndimage.gaussian_filter(moved, (0, 0.7, 0.7))
    things = dataset(255 * brightness * grey, labels_N)
    kept = appearance.of_training(things.take(np.arange(200)))
    assert prediction_warning(kept, things.take(np.arange(200, 400))) is None


def test_pictures_and_runs_that_kept_nothing_are_not_compared():
    inverted = 255 - UNSEEN.images_NxHxW
    assert prediction_warning({}, dataset(inverted)) is None
    locations = tuple("p" for _ in inverted)
    assert prediction_warning(KEPT, dataset(inverted, locations=locations)) is None
    blank = dataset(np.zeros((30, SIDE, SIDE)), np.zeros(30, np.int32))
    assert appearance.of_training(blank) == {}


def test_digits_of_other_hands_are_not_told():
    """UCI's, of 8x8 pixels in 0 to 16, all and each class alone."""
    uci = load_digits()
    some, labels_N = uci.images[::2].astype(np.uint8) * 15, uci.target[::2].astype(np.int32)
    images = assemble.to_digits(some, "uci", lambda line: None)
    others = dataset(images, labels_N)
    assert training_warning(others) is None
    assert {prediction_warning(KEPT, part) for part in (others, *parts(others, ((10, 50),)))} == {
        None
    }
    for k in range(10):
        assert prediction_warning(KEPT, dataset(images[labels_N == k])) is None
    assert prediction_warning(appearance.of_training(others), UNSEEN) is None


# What is not usual is told, with what brings it back


def as_it_is(images_NxHxW):
    return images_NxHxW


INKS = {
    "": (as_it_is, as_it_is),
    "are dark on light": (lambda x: 255 - x, as_it_is),
    "have pixels up to 16 and not 255": (as_it_is, lambda x: np.rint(x / 255 * 16)),
}


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("turn", [None, *orientation.TURNS], ids=lambda turn: turn and turn.remedy)
def test_what_is_turned_or_of_other_ink_is_told_with_its_remedy(ink, turn):
    if not ink and turn is None:
        return
    # An involution, or a quarter whose other three bring it back.
    turned = UNSEEN.images_NxHxW
    for _ in range(0 if turn is None else 3):
        turned = turn.back(turned)
    invert, scale = INKS[ink]
    changed = dataset(scale(invert(turned)))
    line = prediction_warning(KEPT, changed)
    seen = " and ".join(filter(None, (ink, turn and turn.seen)))
    told, remedy, _ = line.split("; ")[0], *line.split("; ")[1].rsplit(", or ", 1)
    assert told == f"WARNING: x.csv: these digits {seen}, unlike what the run was trained on"
    ours = {"are dark on light": "255 minus each pixel", "": ""}.get(ink, "each pixel times 15.9")
    assert remedy == f"give {' and '.join(filter(None, (ours, turn and turn.remedy)))}"
    labelled = dataset(scale(invert(turned)), UNSEEN.labels_N)
    assert f"these digits {seen}, unlike what pictures are made into" in training_warning(labelled)
    # A hundred are enough.
    some = changed.take(RNG.choice(len(changed), 100, replace=False))
    assert prediction_warning(KEPT, some) == line


@pytest.mark.parametrize("turn", orientation.TURNS, ids=lambda turn: turn.remedy)
def test_a_remedy_is_an_expression_that_does_what_the_turn_does(turn):
    images_NxHxW = RNG.integers(0, 256, (3, 28, 28))
    expression = turn.remedy.replace("--transposed", "digit.T")
    by_words = [eval(expression, {"numpy": np, "digit": digit}) for digit in images_NxHxW]
    npt.assert_array_equal(turn.back(images_NxHxW), by_words)


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        (np.zeros((500, SIDE, SIDE)), "are all blank"),
        (np.full((500, SIDE, SIDE), 255), "are all blank"),
        (UNSEEN.images_NxHxW * (np.arange(1000) % 4 == 0)[:, None, None], "are blank, 75% of them"),
        (RNG.integers(0, 256, UNSEEN.images_NxHxW.shape), "look like noise"),
        (RNG.choice([0, 255], UNSEEN.images_NxHxW.shape, p=[0.9, 0.1]), "look like noise"),
        (
            UNSEEN.images_NxHxW.reshape(-1, PIXELS)[:, RNG.permutation(PIXELS)].reshape(-1, 28, 28),
            "look like noise",
        ),
        (np.pad(UNSEEN.images_NxHxW[:, ::2, ::2], ((0, 0), (14, 0), (0, 14))), "have other shapes"),
        (np.roll(UNSEEN.images_NxHxW, 7, 2), "have other shapes"),
    ],
)
def test_what_has_no_remedy_is_told(changed, seen):
    line = prediction_warning(KEPT, dataset(changed))
    assert f"these digits {seen}, unlike" in line
    assert line.endswith("; see how they were made, or most will be read wrong")
    is_shape = seen == "have other shapes"
    assert (training_warning(dataset(changed, UNSEEN.labels_N[: len(changed)])) is None) == is_shape


def test_a_run_on_dark_digits_takes_light_ones_for_strange():
    kept = appearance.of_training(dataset(255 - SAMPLE.images_NxHxW, SAMPLE.labels_N))
    assert prediction_warning(kept, dataset(255 - UNSEEN.images_NxHxW)) is None
    assert "are light on dark, unlike" in prediction_warning(kept, UNSEEN)


@settings(max_examples=examples(20))
@given(st.integers(0, 2**32), st.sampled_from(orientation.TURNS))
def test_the_numbers_change_as_the_digits_do(seed, turn):
    digits = np.random.default_rng(seed).choice(UNSEEN.images_NxHxW, 20)
    (seen, upright), (dark, inverted) = appearance.seen(digits), appearance.seen(255 - digits)
    npt.assert_allclose(upright, 1 - inverted, atol=0.02)
    for number in ("border", "ink"):
        npt.assert_allclose(getattr(seen, number), 1 - getattr(dark, number), atol=0.02)
    turned, _ = appearance.seen(turn.back(digits))
    npt.assert_allclose(list(vars(turned).values()), list(vars(seen).values()), rtol=1e-5)
    # As it stands after a turn is as it would stand if the turn were undone.
    as_it_stands, after = orientation.correlations(digits, orientation.MNIST)
    npt.assert_allclose(
        orientation.correlations(turn.back(digits), orientation.MNIST)[0], after[turn], atol=1e-5
    )
    assert (abs(as_it_stands) <= 1 + 1e-5).all()


# What is kept


def test_what_is_kept_is_read_from_json():
    usual = appearance.read(json.loads(json.dumps(KEPT)))
    assert usual.class_means == tuple(KEPT["class_means"])
    assert usual.appearance.ink == KEPT["ink"]
    assert len(json.dumps(KEPT)) < 1000


@pytest.mark.parametrize("key", KEPT)
@pytest.mark.parametrize("value", [None, "", "x", [], ["0" * 49], ["x" * 49] * 10, [1] * 10, {}])
def test_what_another_version_has_kept_is_no_reason_to_stop(key, value):
    kept = KEPT | {key: value}
    if key == "class_means" and value == []:
        assert appearance.read(kept).class_means == ()
        return
    assert appearance.read(kept) is None
    assert prediction_warning(kept, UNSEEN) is None
    del kept[key]
    assert appearance.read(kept) is None


def test_a_run_of_before_there_were_these_numbers_is_read(tmp_path):
    workdir.create(tmp_path, workdir.Record.of(Config(), SAMPLE, 3600))
    assert workdir.read(tmp_path).data_appearance == KEPT
    content = json.loads((tmp_path / workdir.CONFIG).read_text())
    del content["data_appearance"]
    (tmp_path / workdir.CONFIG).write_text(json.dumps(content))
    assert workdir.read(tmp_path).data_appearance == {}


def test_too_few_digits_of_a_class_have_no_mean():
    few = appearance.of_training(SAMPLE.take(np.arange(0, 4000, 40)))
    assert few["class_means"] == []
    # What needs none is compared all the same.
    assert "are dark on light, unlike" in prediction_warning(
        few, dataset(255 - SAMPLE.images_NxHxW)
    )
    assert prediction_warning(few, dataset(SAMPLE.images_NxHxW.transpose(0, 2, 1))) is None


# The programs


def test_a_program_tells_it_and_predicts_all_the_same(trained, tmp_path):
    changed = 255 - UNSEEN.images_NxHxW[::5].transpose(0, 2, 1)
    (tmp_path / "x.csv").write_bytes(csv_bytes(table(changed)))
    done = program("predict", f"--workdir={trained}", "--data=x.csv", cwd=tmp_path)
    (line,) = [line for line in done.stderr.splitlines() if "unlike" in line]
    assert line == (
        "WARNING: x.csv: these digits are dark on light and lie on their side, column by column as "
        "EMNIST's, unlike what the run was trained on; give 255 minus each pixel and "
        "--transposed, or most will be read wrong"
    )
    assert (tmp_path / "submission.csv").read_bytes().count(b"\n") == 201


def test_training_tells_it_before_it_begins(tmp_path):
    dark = dataset(255 - SAMPLE.images_NxHxW[::4], SAMPLE.labels_N[::4])
    (tmp_path / "x.csv").write_bytes(csv_bytes(table(dark.images_NxHxW, dark.labels_N)))
    # It goes no further, for the folder is somebody else's.
    (tmp_path / "README.md").write_text("mine")
    done = program("train", "--data=x.csv", "--workdir=.", cwd=tmp_path, status=2)
    *_, line, _ = done.stderr.splitlines()
    told = "these digits are dark on light, unlike what pictures are made into"
    assert line == (
        f"WARNING: x.csv: {told}; give 255 minus each pixel, or pictures will be read wrong"
    )
    with pytest.warns(UserWarning, match=told), pytest.raises(UserError, match=r"README\.md"):
        lenet_jax.train(dark, tmp_path)


def test_a_notebook_is_told(trained):
    on_their_side = np.ascontiguousarray(UNSEEN.images_NxHxW.transpose(0, 2, 1))
    with pytest.warns(
        UserWarning, match="WARNING: these digits lie on .* give transposed=True, or"
    ):
        lenet_jax.predict(trained, on_their_side)
