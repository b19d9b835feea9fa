"""Headers of many FITS files, fast: each is read once, however many keywords are asked for.

Values are those of `astropy.io.fits` (`kpfnb.fitscards` tells how). A compressed image shows the
header of the table that holds it.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple

from kpfnb import fitscards
from kpfnb.errors import BadInput
from kpfnb.fitscards import Card, RawHeader, Value

BLOCK = 2880
READ = 10 * BLOCK
MOST_CARDS = 36_000
"""A header without END in so many cards is damaged; reading on would walk through the data."""

_GZIP = b"\x1f\x8b"
_END = b"END     "

ReadAt = Callable[[int, int], bytes]
"""Takes a size and an offset in bytes; returns less at the end of the file."""


class Reason(StrEnum):
    """Why there is no header."""

    MISSING = "missing"
    EMPTY = "empty"
    """The file has no bytes."""
    TRUNCATED = "truncated"
    """The file stops before the header's END, or before the extension asked for."""
    NOT_FITS = "not FITS"
    UNREADABLE = "unreadable"
    """The system or the decompression refuses."""
    NO_EXTENSION = "no such extension"


_HINTS = {
    Reason.MISSING: "check the name",
    Reason.EMPTY: "it was never written; transfer or make it again",
    Reason.TRUNCATED: "wait until it is written, or transfer it again",
    Reason.NOT_FITS: "a FITS file begins with SIMPLE",
    Reason.UNREADABLE: "check its permissions and the disk",
    Reason.NO_EXTENSION: "the extensions are numbered from 1 and named by EXTNAME",
}


class Hdu(NamedTuple):
    """One header-data unit of an open file."""

    header: RawHeader
    read: Callable[[], bytes]
    """Gives the data, without padding; only until the next unit is asked for."""

    @property
    def name(self) -> str:
        """Its EXTNAME in upper case; '' where it has none."""
        return str(fitscards.pick(self.header, ["EXTNAME"]).get("EXTNAME", "")).strip().upper()


class BadHeader(BadInput):
    """The header of a file can't be read; `reason` is why."""

    def __init__(self, path: Path | str, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{path}: {reason}{detail and f' ({detail})'}", _HINTS[reason])
        # Workers send errors home, and an exception is rebuilt from its args
        self.args = (path, reason, detail)
        self.path = path
        self.reason = reason


def read(
    path: Path | str, keywords: Iterable[str] | None = None, *, ext: int | str = 0
) -> dict[str, Value]:
    """The values of those keywords that are in the header, by the name asked for.

    The first of a keyword counts; the cards of COMMENT, HISTORY and '' are joined by newlines.

    Parameters
    ----------
    path : a FITS file, gzipped or not
    keywords : in upper or lower case; None for all that are there
    ext : number or EXTNAME of the extension; 0 and PRIMARY are the primary header

    Raises
    ------
    BadHeader : with the reason
    """
    if isinstance(keywords, str):
        raise TypeError(f"keywords must be a list of texts, not {keywords!r}")
    header = _read(path, ext)
    if keywords is None:
        return fitscards.values(fitscards.parse(header))
    return fitscards.pick(header, keywords)


def cards(path: Path | str, *, ext: int | str = 0) -> list[Card]:
    """All cards of a header in the order of the file; parameters and errors as for `read`."""
    return fitscards.parse(_read(path, ext))


def hdus(path: Path | str) -> Iterator[Hdu]:
    """The header-data units of a file in order, the file opened once.

    Going through to the end proves that none of the file is cut off; errors as for `read`.
    """
    try:
        with _opened(path) as (read_at, beginning):
            yield from _walk(path, read_at, beginning)
    except FileNotFoundError:
        raise BadHeader(path, Reason.MISSING) from None
    except EOFError:
        raise BadHeader(path, Reason.TRUNCATED, "the gzip stream has no end") from None
    except (OSError, zlib.error) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise BadHeader(path, Reason.UNREADABLE, detail) from None


def defect(path: Path | str) -> str:
    """Why a file is not a whole FITS file, in a few words; '' where it is one.

    Headers are read, data only where they are compressed: their length is known no other way. A
    file that was cut exactly between two extensions looks whole.
    """
    try:
        for _ in hdus(path):
            pass
    except BadHeader as error:
        _, reason, detail = error.args
        return f"{reason}{detail and f': {detail}'}"
    return ""


def _read(path: Path | str, ext: int | str) -> RawHeader:
    for number, hdu in enumerate(hdus(path)):
        if number == ext or (isinstance(ext, str) and _is_named(hdu, number, ext)):
            return hdu.header
    raise BadHeader(path, Reason.NO_EXTENSION, f"{ext}")


@contextmanager
def _opened(path: Path | str) -> Iterator[tuple[ReadAt, bytes]]:
    """How to read a file, and its first `READ` bytes."""
    # Opening a pipe that nobody writes to would wait for ever
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        beginning = os.pread(descriptor, READ, 0)
        if beginning.startswith(_GZIP):
            with gzip.open(os.fdopen(descriptor, "rb", closefd=False)) as stream:
                yield partial(_read_stream, stream), _read_stream(stream, READ, 0)
        else:
            yield lambda size, offset: os.pread(descriptor, size, offset), beginning
    finally:
        os.close(descriptor)


def _read_stream(stream: gzip.GzipFile, size: int, offset: int) -> bytes:
    stream.seek(offset)
    return stream.read(size)


def _walk(path: Path | str, read_at: ReadAt, chunk: bytes) -> Iterator[Hdu]:
    """Go from header to header, over the data between."""
    offset = 0
    _check_primary(path, chunk)
    while True:
        header = _header(chunk, read_at, offset)
        if header is None:
            raise BadHeader(path, Reason.TRUNCATED, "its header has no END")
        begin = offset + _padded((len(header.names) + 1) * fitscards.SIZE)
        yield Hdu(header, partial(_data, path, read_at, header, begin))
        end = begin + _size(path, header)
        offset = _padded(end)
        chunk = read_at(READ, offset)
        if not chunk.startswith(b"XTENSION"):
            if b"XTENSION".startswith(chunk) and (chunk or not read_at(1, end - 1)):
                raise BadHeader(path, Reason.TRUNCATED)
            return


def _data(path: Path | str, read_at: ReadAt, header: RawHeader, begin: int) -> bytes:
    size = _size(path, header)
    data = read_at(size, begin)
    if len(data) < size:
        raise BadHeader(path, Reason.TRUNCATED)
    return data


def _size(path: Path | str, header: RawHeader) -> int:
    try:
        return fitscards.data_size(header)
    except ValueError as error:
        raise BadHeader(path, Reason.NOT_FITS, str(error)) from None


def _check_primary(path: Path | str, chunk: bytes) -> None:
    if not chunk:
        raise BadHeader(path, Reason.EMPTY)
    if not chunk.startswith(b"SIMPLE  ="):
        cut = b"SIMPLE  =".startswith(chunk) or _GZIP.startswith(chunk)
        raise BadHeader(path, Reason.TRUNCATED if cut else Reason.NOT_FITS)


def _header(chunk: bytes, read_at: ReadAt, offset: int) -> RawHeader | None:
    """The header that begins with `chunk`, read on until END; None where there is no END."""
    raw = b""
    names: tuple[bytes, ...] = ()
    while chunk and len(names) < MOST_CARDS:
        count = len(chunk) // fitscards.SIZE
        found = struct.unpack_from("8s72x" * count, chunk)
        raw, names = raw + chunk, names + found
        if _END in found:
            end = names.index(_END)
            return RawHeader(raw[: end * fitscards.SIZE], names[:end])
        # Twice as much again: calls to the system cost more than bytes
        more = min(2 * len(raw), MOST_CARDS * fitscards.SIZE - len(raw))
        chunk = read_at(more, offset + len(raw))
    return None


def _is_named(hdu: Hdu, number: int, name: str) -> bool:
    asked = name.strip().upper()
    return hdu.name == asked or (number == 0 and asked == "PRIMARY")


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
