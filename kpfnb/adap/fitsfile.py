"""Is a FITS file whole? Raw frames and PypeIt's products are asked before they are believed."""

from __future__ import annotations

import gzip
import warnings
import zlib
from pathlib import Path
from typing import BinaryIO

MAGIC = b"SIMPLE  ="
EXTENSION = b"XTENSION"
CHUNK_BYTES = 1 << 20


def defect(path: Path) -> str:
    """Why the file can't be used, in a few words; '' where it is a whole FITS file.

    Headers are read, data only where they are compressed (their length is known no other way).
    """
    try:
        if path.stat().st_size == 0:
            return "empty (0 bytes)"
        with _opened(path) as content:
            if content.read(len(MAGIC)) != MAGIC:
                return "not a FITS file"
        size = _size(path)
        needed, padded = _declared_bytes(path)
        with _opened(path) as content:
            content.seek(padded)
            beyond = content.read(len(EXTENSION))
            if beyond and EXTENSION.startswith(beyond):
                return "truncated: within the header of an extension"
    except (EOFError, zlib.error):
        return "truncated: its compressed data end early"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable: {error.strerror or error}"
    return f"truncated: {size} of {needed} bytes" if size < needed else ""


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _declared_bytes(path: Path) -> tuple[int, int]:
    """How long the file should be by its headers: without its last block's padding, and with."""
    from astropy.io import fits

    with warnings.catch_warnings():
        # astropy warns of a truncated file; here it is told by its size
        warnings.simplefilter("ignore")
        with fits.open(path, lazy_load_hdus=False) as hdus:
            last = hdus[-1]
            place = last.fileinfo()
            return int(place["datLoc"] + last.size), int(place["datLoc"] + place["datSpan"])


def _size(path: Path) -> int:
    if path.suffix != ".gz":
        return path.stat().st_size
    with gzip.open(path) as content:
        return sum(len(chunk) for chunk in iter(lambda: content.read(CHUNK_BYTES), b""))
