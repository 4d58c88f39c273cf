"""Pages of a PDF, a scan for instance, as grey values."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lenet_jax.environment import packages
from lenet_jax.errors import UserError


def is_pdf(content: bytes) -> bool:
    """Whether bytes begin as a PDF does."""
    return b"%PDF-" in content[:1024]


def pages(
    content: bytes, name: str, most: int, side: int
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Each page as grey values in 0..1 [height, width], and what it is called.

    Args:
      content: of the file.
      name: its place, for messages.
      most: pages that are read.
      side: of a page, its longer one, in pixels.

    Raises:
      UserError: pypdfium2 is not installed, or the file is broken, locked or has too many pages.
    """
    pdfium = packages.needed("pypdfium2", name)
    try:
        document = pdfium.PdfDocument(content)
        try:
            count = len(document)
            if not 0 < count <= most:
                raise UserError(f"{name}: has {count:,} pages where 1 to {most} are read; part it")
            for index in range(count):
                page = document[index]
                scale = side / max(1.0, *page.get_size())
                picture = page.render(scale=scale, grayscale=True).to_numpy()
                values = np.array(picture, np.float32).reshape(picture.shape[:2])
                called = f"{name}, page {index + 1}" if count > 1 else name
                yield called, (values / 255).astype(np.float32)
        finally:
            document.close()
    except pdfium.PdfiumError as error:
        reason = ascii((str(error).splitlines() or ["damaged"])[0])[1:81]
        raise UserError(f"{name}: cannot be read as a PDF ({reason})") from None
