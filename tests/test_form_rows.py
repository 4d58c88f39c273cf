"""Rows of boxes side by side with a digit in each: read right, or told, and never read wrong."""

import numpy as np
import pytest
from PIL import Image

import lenet_jax
from lenet_jax.data import form_rows, handwriting, load_test, sample
from support.digit_files import refused
from support.form import row

_ANGLES = (-3, -2, -1.5, -0.5, 0, 0.5, 1.5, 2, 3)


@pytest.fixture(scope="module")
def digits(trained):
    """Test digits of the sample that the network reads, and what they are."""
    found = sample.load("test")
    images_NxHxW, labels_N = found.images_NxHxW[:400], found.labels_N[:400]
    reads_N = lenet_jax.load(trained)(images_NxHxW).argmax(1) == labels_N
    return images_NxHxW[reads_N], labels_N[reads_N]


def rows(digits, seeds):
    """Rows of all kinds: their digits, how they are drawn, and the seed of their grain."""
    images_NxHxW, labels_N = digits
    for seed, degrees in zip(seeds, _ANGLES * 9, strict=False):
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(images_NxHxW), int(rng.integers(2, 7)))
        empty = rng.random(len(chosen)) < 0.15
        high = int(rng.integers(90, 160))
        asked = {
            "degrees": degrees,
            "line": float(rng.integers(1, 6)),
            "printed": float(rng.choice([0.3, 0.5, 0.85])),
            "written": float(rng.choice([0.5, 0.85])),
            "box": (int(high * rng.uniform(0.8, 1.2)), high),
            "sizes": (0.8, 1.0) if rng.random() < 0.5 else (0.6, 0.8),
        }
        images = [None if bare else images_NxHxW[k] for bare, k in zip(empty, chosen, strict=True)]
        yield seed, images, labels_N[chosen[~empty]].tolist(), asked


def test_a_turned_row_of_boxes_is_read_right_or_told(trained, digits):
    """None of 18 is read otherwise than without its boxes; nine in ten are read."""
    bare, boxed, expected, told = [], [], [], []
    for seed, images, labels, asked in rows(digits, range(18)):
        grey = row(images, np.random.default_rng(seed), **asked, boxed=False)
        bare.append(handwriting.clear_digits(grey))
        expected.append(labels)
        try:
            grey = row(images, np.random.default_rng(seed), **asked)
            boxed.append(handwriting.clear_digits(grey))
        except form_rows.UnclearError:
            boxed.append(bare[-1])
            told.append(seed)
    # At once, for it is compiled for each number of images.
    answers = lenet_jax.load(trained)(np.concatenate([*bare, *boxed])).argmax(1)
    ends = np.cumsum([len(images) for images in [*bare, *boxed]])
    answers = [part.tolist() for part in np.split(answers, ends[:-1])]
    # Where boxes are at fault.
    checked = [k for k, labels in enumerate(expected) if answers[k] == labels]
    assert len(checked) >= 14
    wrong = [k for k in checked if answers[len(bare) + k] != expected[k]]
    assert not wrong
    assert len(told) <= 2


def test_empty_boxes_show_no_digit():
    for degrees in (-2, 0, 1.5):
        empty = row([None] * 4, np.random.default_rng(0), degrees=degrees)
        assert not len(handwriting.clear_digits(empty))


def test_unclear_boxes_are_told_and_nothing_is_answered(digits, tmp_path):
    """Two digits stand in one box, and other pictures of the folder are read."""
    images_NxHxW, _ = digits
    two = np.hstack([images_NxHxW[0][:, 4:24], images_NxHxW[1][:, 4:24]])
    grey = row([images_NxHxW[2], two, None], np.random.default_rng(3), degrees=1.5)
    assert not len(handwriting.digits(grey))
    save(grey, tmp_path / "a.png")
    told = (
        f"{tmp_path}/a.png: boxes cannot be told from the digits in them; cut the digits out of "
        "their boxes"
    )
    assert refused(load_test, str(tmp_path / "a.png")) == told
    clear = row([images_NxHxW[2], None], np.random.default_rng(3), degrees=1.5)
    save(clear, tmp_path / "b.png")
    dataset = load_test(str(tmp_path))
    assert dataset.left_out == (told,)
    assert dataset.locations == (f"{tmp_path}/b.png",)


def save(grey, path):
    Image.fromarray((255 * grey).astype(np.uint8)).save(path)
