"""Digits in photos and drawings: files of pictures, as grey values and then as MNIST's digits."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lenet_jax.data import bounded, pdf
from lenet_jax.data.dataset import Dataset
from lenet_jax.data.form_rows import UnclearError
from lenet_jax.data.handwriting import Grey, clear_digits
from lenet_jax.data.location import Say
from lenet_jax.environment import packages
from lenet_jax.errors import UserError
from lenet_jax.files import printable

if TYPE_CHECKING:
    from PIL import Image

# What is read: Pillow knows more formats, some of which start other programs.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
ENDINGS = (
    ".apng", ".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
    ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
# What other packages read: a phone's own pictures, and pages.
HEIC = (".heic", ".heif")
PDF = ".pdf"
MOST_PIXELS = 100_000_000
MOST_PAGES = 200
# Larger ones are shrunk first: a digit needs a few dozen pixels.
WORKING_SIDE = 1200
_UNCLEAR = "boxes cannot be told from the digits in them; cut the digits out of their boxes"


def files_of(folder: Path) -> list[Path]:
    """The pictures of a folder by name."""
    return sorted(file for file in folder.iterdir() if is_picture(file))


def is_picture(path: Path) -> bool:
    """Whether a file is named as pictures are."""
    # Some systems leave hidden files beside pictures that have their endings.
    return path.suffix.lower() in (*ENDINGS, *HEIC, PDF) and not path.name.startswith(".")


def load(path: Path, name: str, *, deskew: bool = False, say: Say | None = None) -> Dataset:
    """The digits of a picture, or of all pictures of a folder by name, page by page.

    Args:
      path: of a picture or folder.
      name: the same for messages.
      deskew: straighten slanted digits by their moments.
      say: is given a line about each picture or page that is left out.

    Returns:
      The digits; `left_out` names each picture or page of several that is broken, too large, or
      shows nothing.

    Raises:
      UserError: there is no digit at all; the message names the picture.
    """
    images, locations, left_out = [], [], []
    files = files_of(path) if path.is_dir() else [path]
    for file in files:
        called = name if file is path else printable(file)
        try:
            for page, grey in _pages(file, called):
                try:
                    found_NxHxW = clear_digits(grey, deskew=deskew)
                except UnclearError:
                    left_out.append(f"{page}: {_UNCLEAR}")
                    continue
                count = len(found_NxHxW)
                if not count:
                    left_out.append(f"{page}: shows no digit that stands out from its paper")
                    continue
                images.append(found_NxHxW)
                locations += [f"{page}, digit {k + 1}" if count > 1 else page for k in range(count)]
        except UserError as error:
            left_out.append(str(error))
    if not images:
        more = f" (and {len(left_out) - 1} more without a digit)" if len(left_out) > 1 else ""
        raise UserError(left_out[0] + more)
    for line in left_out:
        if say is not None:
            say(f"left out: {line}")
    return Dataset(
        images_NxHxW=np.concatenate(images),
        labels_N=None,
        source="pictures",
        name=name,
        locations=tuple(locations),
        left_out=tuple(left_out),
    )


def read(file: Path, name: str) -> Grey:
    """A picture, or its first page, as grey values in 0..1 [height, width].

    It is turned as its EXIF tag says. Sides above `WORKING_SIDE` are shrunk to it; what is
    transparent is paper.

    Raises:
      UserError: it is broken, too large, or of another format than `FORMATS`.
    """
    return next(_pages(file, name))[1]


def _pages(file: Path, name: str) -> Iterator[tuple[str, Grey]]:
    """Each page of a file, and what it is called."""
    content = bounded.read_file(file, name)
    pages = pdf.pages(content, name, MOST_PAGES, WORKING_SIDE) if pdf.is_pdf(content) else None
    yield from pages if pages is not None else decoded(content, name)


def decoded(content: bytes, name: str) -> Iterator[tuple[str, Grey]]:
    """The frames or pages of the bytes of a picture, as `read` gives them, and their names."""
    # Imported where a picture is really read.
    from PIL import Image

    heic = _is_heic(content) or Path(name).suffix.lower() in HEIC
    if _is_heic(content):
        _know_heic(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=known(heic)) as opened:
                frames = getattr(opened, "n_frames", 1)
                if frames > MOST_PAGES:
                    raise UserError(
                        f"{name}: has {frames:,} pages, more than the {MOST_PAGES} read; part it"
                    )
                for frame in range(frames):
                    opened.seek(frame)
                    page = f"{name}, page {frame + 1}" if frames > 1 else name
                    yield page, _grey(opened if frames == 1 else _copied(opened))
    except Image.DecompressionBombError:
        raise UserError(
            f"{name}: has more than {MOST_PIXELS:,} pixels; make the picture smaller"
        ) from None
    except UserError:
        raise
    # Pillow's formats raise anything from SyntaxError to struct.error for damaged files.
    except Exception as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        # Its own words for this name an object in memory.
        reason = "no known format" if reason.startswith("cannot identify") else reason[:100]
        advice = "; save it as JPEG or PNG" if heic else ""
        raise UserError(
            f"{name}: cannot be read as a picture ({printable(reason)}){advice}"
        ) from None


def _is_heic(content: bytes) -> bool:
    brands = content[8:32]
    return (
        content[4:8] == b"ftyp"
        and b"avif" not in brands
        and (brands[:4] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"))
    )


def _know_heic(name: str) -> None:
    """Has Pillow read HEIC.

    Raises:
      UserError: the package for it is not installed.
    """
    try:
        packages.needed("pillow_heif", name).register_heif_opener()
    except UserError:
        raise UserError(
            f"{name}: HEIC pictures need the package pillow-heif; get it with pip install "
            "pillow-heif, or save it as JPEG or PNG"
        ) from None


def known(heic: bool = False) -> list[str]:
    """What of `FORMATS` the installed Pillow reads; of others it knows not even the name."""
    from PIL import Image

    Image.init()
    return [format for format in (*FORMATS, *(("HEIF",) if heic else ())) if format in Image.OPEN]


def _copied(frame: "Image.Image") -> "Image.Image":
    _check_size(frame)
    return frame.copy()


def _check_size(picture: "Image.Image") -> None:
    from PIL import Image

    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise Image.DecompressionBombError


def _grey(opened: "Image.Image") -> Grey:
    """A frame as grey values, turned as its EXIF tag says."""
    from PIL import Image, ImageOps

    _check_size(opened)
    # A JPEG is unpacked no larger than it is needed.
    opened.draft(None, (WORKING_SIDE, WORKING_SIDE))
    picture = ImageOps.exif_transpose(_shrunk(opened))
    ground = Image.new("RGBA", picture.size, _ground(np.asarray(picture)))
    flat = Image.alpha_composite(ground, picture).convert("L")
    return np.asarray(flat, np.float32) / np.float32(255)


def _shrunk(picture: "Image.Image") -> "Image.Image":
    """The picture as RGBA of at most the working size, its EXIF tags kept."""
    from PIL import Image

    tags = picture.getexif()
    if picture.mode[0] in "IF":
        # 16 bits and more: Pillow would cut off what is above 255.
        values = np.nan_to_num(np.asarray(picture, np.float64))
        low, high = values.min(), values.max()
        values = (values - low) * (255 / max(high - low, 1e-9))
        picture = Image.fromarray(values.astype(np.uint8))
    elif picture.mode not in ("L", "RGB", "RGBA"):
        picture = picture.convert("L" if picture.mode == "1" else "RGBA")
    picture.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    # A colour that stands for transparency is known to the conversion alone.
    picture = picture.convert("RGBA")
    picture.getexif().update(tags)
    return picture


def _ground(rgba: np.ndarray) -> tuple[int, int, int, int]:
    """White below transparent dark ink, black below light ink."""
    opaque = rgba[rgba[..., 3] > 127]
    dark = not len(opaque) or opaque[:, :3].mean() < 128
    return (255, 255, 255, 255) if dark else (0, 0, 0, 255)
