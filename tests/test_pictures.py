"""Own handwriting: pictures drawn here, so that what they show is known."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

import lenet_jax
from lenet_jax.data import handwriting, load_test, pictures, sample
from lenet_jax.errors import UserError
from support.digit_files import MUTATION, examples, mutated, refused
from support.strokes import STROKES

ROOT = Path(__file__).parent.parent


def drawn(digits, size=160, pen=14):
    """Ink 255 on 0, the digits side by side."""
    picture = Image.new("L", (size * len(digits), size))
    pencil = ImageDraw.Draw(picture)
    for position, digit in enumerate(digits):
        for stroke in STROKES[digit]:
            points = [((x + position) * size, y * size) for x, y in stroke]
            pencil.line(points, fill=255, width=pen, joint="curve")
            for x, y in points:
                pencil.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], fill=255)
    return np.asarray(picture, np.float64) / 255


def dark_on_light(ink):
    return Image.fromarray((235 - 200 * ink).astype(np.uint8))


def light_on_dark(ink):
    return Image.fromarray((20 + 220 * ink).astype(np.uint8))


def blue_on_yellow(ink):
    paper, pen = np.array([250, 240, 190]), np.array([30, 50, 160])
    return Image.fromarray((paper + ink[..., None] * (pen - paper)).astype(np.uint8))


def photographed(ink):
    """Noise, and a shadow over half of the picture that is darker than ink in the light."""
    rng = np.random.default_rng(ink.shape[1])
    y, x = np.indices(ink.shape) / max(ink.shape)
    light = 0.35 + 0.6 / (1 + np.exp(-8 * (x + y - 0.8)))
    seen = light * (1 - 0.75 * ink) + rng.normal(0, 0.02, ink.shape)
    return Image.fromarray((255 * seen.clip(0, 1)).astype(np.uint8))


def lamplit(ink):
    """A lamp on the middle of the paper: its edge is darker than the middle of the greys."""
    y, x = np.indices(ink.shape) / max(ink.shape) - 0.5
    light = 0.3 + 0.3 * np.exp(-(x**2 + y**2) / 0.06)
    noise = np.random.default_rng(ink.shape[1]).normal(0, 0.01, ink.shape)
    return Image.fromarray((255 * (light * (1 - 0.75 * ink) + noise).clip(0, 1)).astype(np.uint8))


def transparent(ink):
    alpha = (255 * ink).astype(np.uint8)
    return Image.fromarray(np.dstack([0 * alpha, 0 * alpha, 0 * alpha, alpha]))


FONTS = {
    "DejaVuSans": ["", "-Bold", "-Oblique", "-BoldOblique"],
    "DejaVuSansMono": ["", "-Bold", "-Oblique", "-BoldOblique"],
    "DejaVuSerif": ["", "-Bold", "-Italic", "-BoldItalic"],
    "STIXGeneral": ["", "Bol", "Italic", "BolIta"],
    "cm": ["b10", "r10", "ss10", "ti10", "tt10"],
}
KINDS = [dark_on_light, light_on_dark, blue_on_yellow, photographed, lamplit, transparent]


def save(image, path):
    image.save(path)
    return path


def right(trained, dataset, labels_N):
    """The share of the digits that the run reads, after a look at what it does not."""
    assert len(dataset) == len(labels_N)
    answers_N = lenet_jax.load(trained)(dataset.images_NxHxW).argmax(1)
    wrong = [
        position
        for position, ok in zip(dataset.locations, answers_N == labels_N, strict=True)
        if not ok
    ]
    print(f"{len(wrong)} of {len(labels_N)} wrong: {wrong}")
    return (answers_N == labels_N).mean()


def test_accuracy_on_drawn_pictures(trained, tmp_path):
    """Every digit on every kind of paper, small and large, by ballpoint and marker: all 180."""
    for kind in KINDS:
        for size, pen in ((70, 6), (280, 4), (280, 17)):
            for digit in range(10):
                image = kind(drawn([digit], size, pen))
                save(image, tmp_path / f"{kind.__name__}-{size}-{pen:02}-{digit}.png")
    assert right(trained, load_test(str(tmp_path)), np.tile(np.arange(10), 18)) >= 0.98


@pytest.mark.slow
def test_accuracy_on_printed_digits(trained):
    """All fonts that matplotlib brings, photographed: 92% of 210, print being nobody's hand."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    names = [f"{family}{face}" for family, faces in FONTS.items() for face in faces]
    # Older releases lack one of them.
    names = [name for name in names if (fonts / f"{name}.ttf").exists()]
    found = []
    for name in names:
        font = ImageFont.truetype(str(fonts / f"{name}.ttf"), 72)
        for digit in range(10):
            picture = Image.new("L", (120, 120))
            ImageDraw.Draw(picture).text((36, 16), str(digit), font=font, fill=255)
            grey = np.asarray(photographed(np.asarray(picture) / 255), np.float32) / 255
            (image,) = handwriting.digits(grey)
            found.append(image)
    answers_N = lenet_jax.load(trained)(np.stack(found)).argmax(1)
    right_N = answers_N == np.tile(np.arange(10), len(names))
    print(f"{right_N.sum()} of {right_N.size} printed digits")
    assert right_N.mean() >= 0.88


def test_accuracy_on_mnists_own_digits_as_pictures(trained, tmp_path):
    """A picture of a digit is read as well as the digit itself: 98% of 100."""
    digits = sample.load("test")
    for position, image in enumerate(digits.images_NxHxW[:100]):
        save(Image.fromarray(255 - image), tmp_path / f"{position:03}.png")
    assert right(trained, load_test(str(tmp_path)), digits.labels_N[:100]) >= 0.96


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_made_as_mnist_was(kind, tmp_path):
    path = save(kind(drawn([3], 200, 16)), tmp_path / "x.png")
    (image,) = pictures.load(path, "x.png").images_NxHxW
    box = np.argwhere(image)
    assert np.ptp(box, axis=0).max() == 19
    grid = np.indices((28, 28))
    np.testing.assert_allclose((grid * image).sum((1, 2)) / image.sum(), 14, atol=0.51)
    assert image.max() == 255
    assert image[0, 0] == 0


def test_pieces_of_a_digit_stay_together_and_specks_stay_out(tmp_path):
    ink = np.zeros((200, 400))
    ink[:, :200] = drawn([5], 200, 14)
    # The bar of the 5, cut off from it by a gap.
    ink[46:56] = 0
    ink[30:34, 300:304] = ink[150:153, 350:356] = 1
    (image,) = seen(ink, tmp_path)
    (whole,) = seen(drawn([5], 200, 14), tmp_path)
    ink[:56] = 0
    (without_its_bar,) = seen(ink, tmp_path)
    assert alike(image, whole) > 0.75 > 0.6 > alike(without_its_bar, whole)


def seen(ink, folder):
    path = save(dark_on_light(ink), folder / "x.png")
    return pictures.load(path, "x.png").images_NxHxW


def alike(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def test_several_digits_are_read_in_order(tmp_path):
    ink = np.concatenate([drawn([1, 4, 7]), drawn([0, 2, 9])])
    path = save(dark_on_light(ink), tmp_path / "x.png")
    dataset = pictures.load(path, "x.png")
    assert dataset.locations[3] == "x.png, digit 4"
    for image, digit in zip(dataset.images_NxHxW, [1, 4, 7, 0, 2, 9], strict=True):
        alone = save(dark_on_light(drawn([digit])), tmp_path / "alone.png")
        (expected,) = pictures.load(alone, "alone.png").images_NxHxW
        assert np.corrcoef(image.ravel(), expected.ravel())[0, 1] > 0.9


def test_exif_turns_the_picture(tmp_path):
    upright = dark_on_light(drawn([7]))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "x.jpg", exif=exif, quality=95)
    expected = pictures.load(save(upright, tmp_path / "y.png"), "y.png").images_NxHxW
    got = pictures.load(tmp_path / "x.jpg", "x.jpg").images_NxHxW
    assert np.corrcoef(got.ravel(), expected.ravel())[0, 1] > 0.98


def test_deskewing_straightens(tmp_path):
    slanted = Image.fromarray((255 * drawn([1], 200)).astype(np.uint8))
    slanted = slanted.transform(slanted.size, Image.Transform.AFFINE, (1, 0.4, -40, 0, 1, 0))
    path = save(dark_on_light(np.asarray(slanted) / 255), tmp_path / "x.png")

    def slant(image):
        y, x = np.indices((28, 28)) - 14
        return abs((image * x * y).sum() / (image * y * y).sum())

    (plain,) = pictures.load(path, "x").images_NxHxW
    (straight,) = pictures.load(path, "x", deskew=True).images_NxHxW
    assert slant(plain) > 0.25
    assert slant(straight) < 0.1


def test_broken_and_empty_pictures_are_named(tmp_path):
    whole = save(dark_on_light(drawn([5])), tmp_path / "x.png").read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2]):
        (tmp_path / "x.png").write_bytes(content)
        with pytest.raises(UserError, match=r"x\.png: cannot be read as a picture"):
            load_test(str(tmp_path / "x.png"))
    save(Image.new("L", (100, 100), 220), tmp_path / "x.png")
    with pytest.raises(UserError, match=r"x\.png: shows no digit"):
        load_test(str(tmp_path / "x.png"))


def encoded(format, mode="RGB"):
    picture = io.BytesIO()
    dark_on_light(drawn([5], 60, 6)).convert(mode, dither=Image.Dither.NONE).save(picture, format)
    return picture.getvalue()


WHOLE = {
    **{format: encoded(format) for format in pictures.known()},
    **{f"PNG {mode}": encoded("PNG", mode) for mode in ("1", "I;16", "LA", "P")},
    "TIFF F": encoded("TIFF", "F"),
    "JPEG CMYK": encoded("JPEG", "CMYK"),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_every_kind_of_picture_is_read(content, tmp_path):
    (tmp_path / "x.png").write_bytes(content)
    (image,) = pictures.load(tmp_path / "x.png", "x.png").images_NxHxW
    (expected,) = handwriting.digits(np.asarray(dark_on_light(drawn([5], 60, 6)), np.float32) / 255)
    assert np.corrcoef(image.ravel(), expected.ravel())[0, 1] > 0.9


@settings(max_examples=examples(60))
@given(content=st.binary(max_size=300))
def test_any_bytes_give_one_line(content, fuzzed):
    fuzzed.write_bytes(content)
    assert refused(pictures.load, fuzzed, "x.png").startswith("x.png: ")


@settings(max_examples=examples(250))
@given(
    content=st.sampled_from([*WHOLE.values()]), mutations=st.lists(MUTATION, min_size=1, max_size=4)
)
def test_damaged_pictures_give_digits_or_one_line(content, mutations, fuzzed):
    fuzzed.write_bytes(mutated(content, mutations))
    try:
        dataset = pictures.load(fuzzed, "x.png")
    except UserError as error:
        assert str(error).isprintable()
        assert str(error).startswith("x.png: ")
        assert len(str(error)) < 200
    else:
        assert dataset.images_NxHxW.shape[1:] == (28, 28)
        assert (dataset.images_NxHxW.max((1, 2)) == 255).all()


@settings(max_examples=examples(40))
@given(
    height=st.integers(1, 300), width=st.integers(1, 300), marks=st.integers(0, 20),
    seed=st.integers(0, 2**31), deskew=st.booleans(),
)  # fmt: skip
def test_any_grey_values_give_digits(height, width, marks, seed, deskew):
    rng = np.random.default_rng(seed)
    grey = np.full((height, width), rng.random(), np.float32)
    for _ in range(marks):
        row, column = rng.integers(height), rng.integers(width)
        high, wide = rng.integers(1, 60, 2)
        grey[row : row + high, column : column + wide] = rng.random()
    images_NxHxW = handwriting.digits(grey, deskew=deskew)
    assert images_NxHxW.dtype == np.uint8
    assert images_NxHxW.shape[1:] == (28, 28)
    assert (images_NxHxW.max((1, 2)) == 255).all()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzzed") / "x.png"


def test_what_is_no_picture_of_ours_is_told(tmp_path):
    # Pillow would start Ghostscript for it.
    (tmp_path / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert "no known format" in refused(load_test, str(tmp_path / "x.png"))
    (tmp_path / "x.heic").touch()
    assert "save it as JPEG" in refused(load_test, str(tmp_path / "x.heic"))
    os.mkfifo(tmp_path / "pipe.png")
    assert "is not a file" in refused(load_test, str(tmp_path / "pipe.png"))


def test_hidden_files_are_no_pictures(tmp_path):
    save(dark_on_light(drawn([5])), tmp_path / "x.png")
    (tmp_path / "._x.png").write_bytes(b"of the system")
    assert load_test(str(tmp_path)).locations == (str(tmp_path / "x.png"),)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for its peak")
def test_a_picture_within_the_limit_takes_bounded_memory(tmp_path):
    """98 million pixels in 12 kB; a whole RGBA copy of them would take 392 MB."""
    Image.new("1", (9_900, 9_900)).save(tmp_path / "x.png")
    code = (
        "import sys; from pathlib import Path; from lenet_jax.data import pictures\n"
        "assert pictures.read(Path(sys.argv[1]), 'x').shape == (1200, 1200)\n"
        "print(Path('/proc/self/status').read_text())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x.png"],
        capture_output=True, text=True, timeout=120, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Not getrusage, which begins with what the parent had.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", done.stdout)
    assert int(peak) * 1024 < 2**29


def test_a_huge_picture_is_refused_before_it_is_unpacked(tmp_path):
    Image.new("1", (12_000, 12_000)).save(tmp_path / "x.png")
    with pytest.raises(UserError, match=r"x\.png: has more than 100,000,000 pixels"):
        load_test(str(tmp_path / "x.png"))


def test_the_program_reads_a_photo(trained, tmp_path):
    save(photographed(drawn([4, 2], 300, 20)), tmp_path / "photo.jpg")
    done = subprocess.run(
        [sys.executable, ROOT / "run_predict.py", f"--workdir={trained}", "--data=photo.jpg",
         "--show=seen.png"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second, wrote = done.stdout.splitlines()
    assert first.startswith("photo.jpg, digit 1: 4 (")
    assert second.startswith("photo.jpg, digit 2: 2 (")
    assert "seen.png" in wrote
    assert {path.name for path in tmp_path.iterdir()} == {"photo.jpg", "seen.png"}
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.width > 300
