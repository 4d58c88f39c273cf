"""Own handwriting: pictures drawn here, so that what they show is known."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from strokes import STROKES

import lenet_jax
from lenet_jax.data import load_test, pictures
from lenet_jax.errors import UserError

ROOT = Path(__file__).parent.parent


def drawn(digits, size=160, pen=14):
    """Ink 255 on 0, the digits side by side."""
    picture = Image.new("L", (size * len(digits), size))
    pencil = ImageDraw.Draw(picture)
    for place, digit in enumerate(digits):
        for stroke in STROKES[digit]:
            points = [((x + place) * size, y * size) for x, y in stroke]
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


def transparent(ink):
    alpha = (255 * ink).astype(np.uint8)
    return Image.fromarray(np.dstack([0 * alpha, 0 * alpha, 0 * alpha, alpha]))


KINDS = [dark_on_light, light_on_dark, blue_on_yellow, photographed, transparent]


def save(image, path):
    image.save(path)
    return path


def test_accuracy_on_drawn_pictures(trained, tmp_path):
    """Every digit on every kind of paper, small and large: 100 pictures."""
    read = lenet_jax.load(trained)
    for kind in KINDS:
        for size, pen in ((70, 6), (400, 24)):
            for digit in range(10):
                image = kind(drawn([digit], size, pen))
                save(image, tmp_path / f"{kind.__name__}-{size}-{digit}.png")
    dataset = load_test(str(tmp_path))
    assert len(dataset) == 100
    labels = [int(place.removesuffix(".png")[-1]) for place in dataset.places]
    right = read(dataset.images_NxHxW).argmax(1) == labels
    assert right.mean() >= 0.97, np.array(dataset.places)[~right]


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


def test_several_digits_are_read_in_order(tmp_path):
    ink = np.concatenate([drawn([1, 4, 7]), drawn([0, 2, 9])])
    path = save(dark_on_light(ink), tmp_path / "x.png")
    dataset = pictures.load(path, "x.png")
    assert dataset.places[3] == "x.png, digit 4"
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
