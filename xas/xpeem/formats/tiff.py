"""Single images in TIFF files, also pages of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operando.errors import FileError
from operando.tiff_strips import oversized, patient

from .frames import Image, require_size

SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class TiffFrame:
    """A page of a TIFF file."""

    path: Path
    page: int = 0

    def read(self) -> Image:
        """Return the image, dims (y, x).

        Raises
        ------
        FileError
            If the file is not there, is damaged or holds no grey image.
        """
        import tifffile

        place = f"page {self.page}" if self.page else ""
        try:
            with patient(), tifffile.TiffFile(self.path) as file:
                page: Any = file.pages[self.page]
                if len(page.shape) != 2 or not all(isinstance(size, int) for size in page.shape):
                    raise FileError(self.path, "a grey image", f"one of shape {page.shape}", place=place)
                require_size(self.path, *page.shape, place=place)
                found = oversized(page)
                if found:
                    raise FileError(self.path, "strips of their declared size", found, place=place)
                image: Image = page.asarray()
        except FileError:
            raise
        except FileNotFoundError:
            raise FileError(self.path, "a TIFF image", "no such file") from None
        # tifffile and its codecs raise many kinds of errors on damaged files.
        except Exception as error:
            got = f"a damaged one ({_first_line(error)})"
            raise FileError(self.path, "a TIFF image", got, place=place, remedy="copy it again") from None
        if image.dtype.kind not in "uif":
            raise FileError(self.path, "numbers of counts", f"dtype {image.dtype}", place=place)
        return image


def pages(path: Path) -> int:
    """Return how many pages a TIFF file has.

    Raises
    ------
    FileError
        If it cannot be opened.
    """
    import tifffile

    try:
        with patient(), tifffile.TiffFile(path) as file:
            return len(file.pages)
    except Exception as error:
        raise FileError(path, "a TIFF file of images", _first_line(error)) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
