"""Pages, papers, frames: pictures of more than digits on white, drawn here."""

import functools
import io
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from test_pictures import KINDS, alike, dark_on_light, drawn, save

import lenet_jax
from lenet_jax.data import handwriting, load_test, pictures
from lenet_jax.errors import UserError
from support.digit_files import MUTATION, examples, mutated, refused
from support.paper import page

ROOT = Path(__file__).parent.parent
SIX = [3, 1, 4, 7, 5, 6]


@functools.cache
def alone(digit):
    (image,) = handwriting.digits(grey(dark_on_light(drawn([digit], 200, 12))))
    return image


def grey(picture):
    return np.asarray(picture.convert("L"), np.float32) / 255


def shows(images_NxHxW, digits):
    """Whether these are the digits, each like itself alone more than like any other."""
    known = [alone(digit) for digit in range(10)]
    seen = [int(np.argmax([alike(image, each) for each in known])) for image in images_NxHxW]
    return seen == list(digits)


# --- pages


def paged(digits):
    return [dark_on_light(drawn([digit], 120, 10)) for digit in digits]


def saved_pages(folder, format, ending):
    first, *rest = paged(SIX)
    path = folder / f"x{ending}"
    lossless = {"lossless": True} if format == "WEBP" else {}
    first.save(path, format, save_all=True, append_images=rest, **lossless)
    return path


PAGED = [("TIFF", ".tif"), ("GIF", ".gif"), ("WEBP", ".webp"), ("PNG", ".png"), ("PDF", ".pdf")]


@pytest.mark.parametrize(("format", "ending"), PAGED)
def test_every_page_is_read_and_numbered(tmp_path, format, ending):
    dataset = load_test(str(saved_pages(tmp_path, format, ending)))
    assert shows(dataset.images_NxHxW, SIX)
    path = tmp_path / f"x{ending}"
    assert dataset.locations == tuple(f"{path}, page {number}" for number in range(1, 7))


def test_a_page_without_a_digit_is_told_and_the_others_are_read(tmp_path):
    first, second, *rest = paged(SIX)
    blank = Image.new("L", second.size, 235)
    first.save(tmp_path / "x.tif", save_all=True, append_images=[blank, *rest])
    said = []
    dataset = load_test(str(tmp_path / "x.tif"), say=said.append)
    assert shows(dataset.images_NxHxW, [SIX[0], *SIX[2:]])
    assert said == [
        f"left out: {tmp_path}/x.tif, page 2: shows no digit that stands out from its paper"
    ]


def test_too_many_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_PAGES", 5)
    for format, ending in PAGED[::4]:
        path = saved_pages(tmp_path, format, ending)
        assert "5" in refused(load_test, str(path))


def heic(picture):
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture.convert("RGB")).save(buffer, quality=90)
    return buffer.getvalue()


def test_a_phones_heic_is_read(tmp_path):
    (tmp_path / "x.heic").write_bytes(heic(dark_on_light(drawn([5], 200, 12))))
    assert shows(load_test(str(tmp_path / "x.heic")).images_NxHxW, [5])
    # As a messenger renames it.
    (tmp_path / "x.heic").rename(tmp_path / "x.jpg")
    assert shows(load_test(str(tmp_path / "x.jpg")).images_NxHxW, [5])


@pytest.mark.parametrize("package", ["pillow_heif", "pypdfium2"])
def test_a_missing_package_is_told_and_the_folder_is_read(tmp_path, monkeypatch, package):
    save(dark_on_light(drawn([5], 200, 12)), tmp_path / "a.png")
    if package == "pypdfium2":
        saved_pages(tmp_path, "PDF", ".pdf")
    else:
        (tmp_path / "x.heic").write_bytes(heic(dark_on_light(drawn([5]))))
    monkeypatch.setitem(sys.modules, package, None)
    said = []
    dataset = load_test(str(tmp_path), say=said.append)
    assert shows(dataset.images_NxHxW, [5])
    assert "pip install" in said[0]
    assert package.replace("_", "-") in said[0]


def test_sixteen_bits_of_grey_are_scaled_by_their_range(tmp_path):
    ink = drawn([5], 200, 12)
    wide = (3000 - 2000 * ink).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / "x.png")
    assert shows(load_test(str(tmp_path / "x.png")).images_NxHxW, [5])


# --- a folder with bad pictures


@pytest.fixture
def folder(tmp_path):
    for digit in (4, 2):
        save(dark_on_light(drawn([digit], 200, 12)), tmp_path / f"{digit}.png")
    whole = (tmp_path / "4.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "other.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    save(Image.new("L", (100, 100), 220), tmp_path / "blank.png")
    return tmp_path


def test_bad_pictures_of_a_folder_are_told_and_the_others_are_read(folder):
    said = []
    dataset = load_test(str(folder), say=said.append)
    assert shows(dataset.images_NxHxW, [2, 4])
    assert [line.partition(": cannot")[0].partition(": shows")[0] for line in said] == [
        f"left out: {folder}/{name}" for name in ("blank.png", "broken.png", "other.jpg")
    ]
    assert [f"left out: {line}" for line in dataset.left_out] == said


def test_a_folder_of_bad_pictures_alone_is_an_error(folder):
    for digit in (4, 2):
        (folder / f"{digit}.png").unlink()
    message = refused(load_test, str(folder))
    assert message.startswith(f"{folder}/blank.png: shows no digit")
    assert message.endswith("(and 2 more without a digit)")


def test_the_program_answers_the_others_and_ends_with_its_own_status(trained, folder):
    done = subprocess.run(
        [sys.executable, ROOT / "run_predict.py", f"--workdir={trained}", "--data=."],
        cwd=folder, capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert [line.partition(" (")[0] for line in done.stdout.splitlines()] == [
        "2.png: 2", "4.png: 4"
    ]  # fmt: skip
    told = done.stderr.splitlines()
    assert [line.startswith("left out: ") for line in told] == [True, True, True, False]
    assert told[-1] == "error: 3 left out, named above; the rest is answered"
    assert "Traceback" not in done.stderr


# --- paper


KINDS_OF_PAPER = [
    *itertools.product(("light", "dark"), ("pen", "pencil"), (-5, -2.5, -0.7, 0, 1.5, 4))
]


def sheets(ruling, seeds):
    """Some of 24 pages: light and dark print, pen and pencil, turned by up to five degrees."""
    for seed in seeds:
        tone, pen, degrees = KINDS_OF_PAPER[seed]
        digits = np.random.default_rng(seed).permutation(10)[:6].tolist()
        yield seed, digits, page(digits, ruling, tone, pen, degrees, seed)


@pytest.fixture(scope="module")
def read(trained):
    """A page -> its digits; the network is compiled once for all pages."""
    network = lenet_jax.load(trained)

    def read(sheet):
        images_NxHxW = handwriting.digits(sheet.astype(np.float32) / 255)
        return network(images_NxHxW).argmax(1).tolist() if len(images_NxHxW) else []

    return read


@pytest.mark.parametrize(
    "seeds",
    [range(6), *(pytest.param(range(at, at + 6), marks=pytest.mark.slow) for at in (6, 12, 18))],
)
def test_six_digits_on_squared_paper(read, seeds):
    """All six on all 24 pages, each where it stands; and the network reads them."""
    right = 0
    for seed, digits, sheet in sheets("squared", seeds):
        seen = read(sheet)
        assert len(seen) == 6, (seed, seen)
        right += sum(a == b for a, b in zip(seen, digits, strict=True))
    assert right >= 34


@pytest.mark.parametrize("ruling", ["ruled", pytest.param("dotted", marks=pytest.mark.slow)])
def test_six_digits_on_ruled_and_dotted_paper(read, ruling):
    for seed, digits, sheet in sheets(ruling, range(1, 24, 8)):
        seen = read(sheet)
        assert len(seen) == 6, (seed, seen)
        assert sum(a == b for a, b in zip(seen, digits, strict=True)) >= 5


@pytest.mark.parametrize("tone", ["light", "dark"])
def test_paper_with_nothing_on_it_shows_no_digit(tone):
    for ruling in ("squared", "ruled"):
        sheet = page([], ruling, tone, degrees=1.5).astype(np.float32) / 255
        assert not len(handwriting.digits(sheet)), ruling


@pytest.mark.parametrize("bars", [5, 8, 20])
def test_a_comb_of_lines_is_no_digit(bars, tmp_path):
    ink = np.zeros((400, 400))
    for position in np.linspace(20, 380, bars).astype(int):
        ink[:, position : position + 5] = 1
    ink[200:206] = 1
    save(dark_on_light(ink), tmp_path / "x.png")
    assert "shows no digit" in refused(load_test, str(tmp_path / "x.png"))


def boxed(ink, degrees=0.0):
    picture = Image.fromarray((255 * np.pad(ink, 60)).astype(np.uint8))
    height, width = np.shape(picture)
    ImageDraw.Draw(picture).rectangle([40, 45, width - 35, height - 40], outline=255, width=4)
    return np.asarray(picture.rotate(degrees), np.float64) / 255


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_digit_is_read_without_its_box(kind):
    for digit in range(10):
        picture = kind(boxed(drawn([digit], 200, 12), (digit - 5) * 0.8))
        assert shows(handwriting.digits(grey(picture)), [digit])


def test_boxes_of_a_form_some_of_them_empty():
    cells = [boxed(drawn([digit], 200, 12)) for digit in (4, 7)]
    empty = boxed(np.zeros((200, 200)))
    form = np.concatenate([cells[0], empty, cells[1]], axis=1)
    assert shows(handwriting.digits(grey(dark_on_light(form))), [4, 7])


def touching(digit, sides, over, degrees=0.0, width=4):
    """A digit in a box whose sides of these names it passes by some pixels."""
    ink = np.pad(drawn([digit], 200, 12), 60)
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    room = -30
    inset = [over - width // 2 if name in sides else room for name in ("left", "top", "right")]
    inset += [over - width // 2 if "bottom" in sides else room]
    ends = [columns[0], rows[0], columns[-1], rows[-1]]
    signs = (1, 1, -1, -1)
    box = [end + sign * by for end, sign, by in zip(ends, signs, inset, strict=True)]
    picture = Image.fromarray((255 * ink).astype(np.uint8))
    ImageDraw.Draw(picture).rectangle([int(end) for end in box], outline=255, width=width)
    return np.asarray(picture.rotate(degrees, Image.Resampling.BILINEAR), np.float64) / 255


SIDES = ["left", "top bottom", "bottom right"]
SIDES += [pytest.param(sides, marks=pytest.mark.slow) for sides in ("right", "top", "bottom")]
SIDES += [pytest.param("left top", marks=pytest.mark.slow)]


@pytest.mark.parametrize("sides", SIDES)
def test_a_digit_that_touches_its_box_is_read(sides, trained):
    found, expected = [], []
    for digit, (over, width) in itertools.product(range(10), ((0, 3), (8, 6))):
        kind, degrees = KINDS[(digit + over + width) % 5], (digit - 4.5) * 0.6
        images_NxHxW = handwriting.digits(grey(kind(touching(digit, sides, over, degrees, width))))
        assert len(images_NxHxW) == 1, (digit, over)
        found.append(images_NxHxW[0])
        expected.append(digit)
    answers = lenet_jax.load(trained)(np.stack(found)).argmax(1)
    assert (answers == expected).sum() >= 19, (answers, expected)


def test_boxes_side_by_side_that_share_their_sides():
    """As a form has them for a postcode; three hold a digit, one of them on its side."""
    cells = [np.pad(drawn([digit], 200, 12), 20) for digit in (4, 7, 2)]
    cells[1] = np.roll(cells[1], 50, axis=1)
    row = np.concatenate([*cells, np.zeros_like(cells[0])], axis=1)
    # And of empty ones alone nothing is answered.
    for ink, expected in ((row, [4, 7, 2]), (np.zeros_like(row), [])):
        picture = Image.fromarray((255 * np.pad(ink, 60)).astype(np.uint8))
        pencil = ImageDraw.Draw(picture)
        for left in range(60, 60 + 4 * 240, 240):
            pencil.rectangle([left, 60, left + 240, 300], outline=255, width=5)
        found = handwriting.digits(grey(dark_on_light(np.asarray(picture) / 255)))
        assert len(found) == len(expected)
        assert not expected or shows(found, expected)


def test_a_margin_line_is_no_digit():
    ink = np.pad(drawn([4, 2], 200, 12), 60)
    ink[:, 20:23] = 1
    assert shows(handwriting.digits(grey(dark_on_light(ink))), [4, 2])


# --- a digit without a margin


@pytest.mark.parametrize("digit", range(10))
def test_a_tight_digit_is_read_as_one_with_a_margin(digit):
    ink = drawn([digit], 200, 16)
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    tight = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    (image,) = handwriting.digits(grey(dark_on_light(tight)))
    (expected,) = handwriting.digits(grey(dark_on_light(ink)))
    assert alike(image, expected) > 0.9


@pytest.mark.slow
def test_accuracy_on_the_digits_of_scikit_learn(trained):
    """8x8, of other hands: 300 of 1,797, enlarged, tight and with a margin."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    chosen = np.random.default_rng(0).permutation(len(digits.target))[:300]
    for margin, least in ((0, 0.80), (2, 0.85)):
        answers = []
        for index in chosen:
            small = np.pad(digits.images[index], margin)
            picture = Image.fromarray((255 - small * (255 / 16)).astype(np.uint8))
            found = handwriting.digits(grey(picture.resize((96, 96), Image.Resampling.BICUBIC)))
            answers.append(found[0] if len(found) == 1 else np.zeros((28, 28), np.uint8))
        right = lenet_jax.load(trained)(np.stack(answers)).argmax(1) == digits.target[chosen]
        print(f"margin {margin}: {right.mean():.1%} of {len(chosen)}")
        assert right.mean() >= least


# --- damage


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    contents = [saved_pages(folder, format, ending).read_bytes() for format, ending in PAGED]
    return [*contents, heic(dark_on_light(drawn([5], 60, 6)))]


@settings(
    max_examples=examples(20),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(kind=st.integers(0, 5), mutations=st.lists(MUTATION, min_size=1, max_size=3))
def test_damaged_pages_give_digits_or_one_line(tmp_path, several, kind, mutations):
    (tmp_path / "x.png").write_bytes(mutated(several[kind], mutations))
    try:
        dataset = pictures.load(tmp_path / "x.png", "x.png")
    except UserError as error:
        assert str(error).isprintable()
        assert str(error).startswith("x.png")
        assert len(str(error)) < 250
    else:
        assert (dataset.images_NxHxW.max((1, 2)) == 255).all()
