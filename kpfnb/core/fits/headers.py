"""Headers of FITS files, read fast: a file is opened once for any number of keywords.

Values are the same as in `astropy.io.fits` (see `kpfnb.core.fits.cards`). For a
compressed image, the header is the one of the table that contains it.
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

from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import cards
from kpfnb.core.fits.cards import Card, HeaderValue, RawHeader

BLOCK_SIZE = 2880
READ_SIZE = 10 * BLOCK_SIZE
MAX_CARDS = 36_000
"""A header that has no END in this many cards is damaged; further reading would reach data."""

_GZIP = b"\x1f\x8b"
_END = b"END     "

ReadAt = Callable[[int, int], bytes]
"""Takes a size and an offset [bytes]; returns fewer bytes at the end of the file."""


class HeaderErrorKind(StrEnum):
    """Why a header can't be read."""

    MISSING = "missing"
    EMPTY = "empty"
    """The file has no bytes."""
    TRUNCATED = "truncated"
    """The file ends before the END of the header, or before the requested extension."""
    NOT_FITS = "not FITS"
    UNREADABLE = "unreadable"
    """The system can't read or decompress it."""
    NO_EXTENSION = "no such extension"


_HINTS = {
    HeaderErrorKind.MISSING: "check the name",
    HeaderErrorKind.EMPTY: "it was never written; transfer or create it again",
    HeaderErrorKind.TRUNCATED: "wait until it is written, or transfer it again",
    HeaderErrorKind.NOT_FITS: "a FITS file begins with SIMPLE",
    HeaderErrorKind.UNREADABLE: "check its permissions and the disk",
    HeaderErrorKind.NO_EXTENSION: "the extensions are numbered from 1 and named by EXTNAME",
}


class HDU(NamedTuple):
    """One header-data unit of an open file."""

    header: RawHeader
    read_data: Callable[[], bytes]
    """Reads the data, without padding; only before the iteration reaches the next unit."""

    @property
    def name(self) -> str:
        """Its EXTNAME in upper case; '' if it has none."""
        return str(cards.select_values(self.header, ["EXTNAME"]).get("EXTNAME", "")).strip().upper()


class InvalidHeaderError(InvalidInputError):
    """The header of a file can't be read, for the `reason` given."""

    def __init__(self, path: Path | str, reason: HeaderErrorKind, detail: str = "") -> None:
        super().__init__(f"{path}: {reason}{detail and f' ({detail})'}", _HINTS[reason])
        # An error from a worker is unpickled, which needs the arguments
        self.args = (path, reason, detail)
        self.path = path
        self.reason = reason


def read_header(
    path: Path | str, keywords: Iterable[str] | None = None, *, ext: int | str = 0
) -> dict[str, HeaderValue]:
    """The values of the keywords that are in the header, by the names given.

    The first card of a keyword counts; the cards of COMMENT, HISTORY and '' are joined by newlines.

    Parameters
    ----------
    path : a FITS file, gzipped or not
    keywords : in upper or lower case; None for all in the header
    ext : number or EXTNAME of the extension; 0 and PRIMARY are the primary header

    Raises
    ------
    InvalidHeaderError : with the reason
    """
    if isinstance(keywords, str):
        raise TypeError(f"keywords must be a list of texts, not {keywords!r}")
    header = _find_header(path, ext)
    if keywords is None:
        return cards.values_by_keyword(cards.parse_cards(header))
    return cards.select_values(header, keywords)


def read_cards(path: Path | str, *, ext: int | str = 0) -> list[Card]:
    """All cards of a header in file order; parameters and errors as for `read_header`."""
    return cards.parse_cards(_find_header(path, ext))


def iterate_hdus(path: Path | str) -> Iterator[HDU]:
    """The header-data units of a file in order.

    An iteration to the end shows that the file is not truncated; errors as for `read_header`.
    """
    try:
        with _open_file(path) as (read_at, beginning):
            yield from _walk_hdus(path, read_at, beginning)
    except FileNotFoundError:
        raise InvalidHeaderError(path, HeaderErrorKind.MISSING) from None
    except EOFError:
        raise InvalidHeaderError(
            path, HeaderErrorKind.TRUNCATED, "the gzip stream has no end"
        ) from None
    except (OSError, zlib.error) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise InvalidHeaderError(path, HeaderErrorKind.UNREADABLE, detail) from None


def find_defect(path: Path | str) -> str:
    """Why a file is not a complete FITS file, in a few words; '' if it is complete.

    Headers are read, data only in gzipped files, whose length is not known otherwise. A file that
    was cut exactly between two extensions is not recognised.
    """
    try:
        for _ in iterate_hdus(path):
            pass
    except InvalidHeaderError as error:
        _, reason, detail = error.args
        return f"{reason}{detail and f': {detail}'}"
    return ""


def _find_header(path: Path | str, ext: int | str) -> RawHeader:
    for number, hdu in enumerate(iterate_hdus(path)):
        if number == ext or (isinstance(ext, str) and _is_named(hdu, number, ext)):
            return hdu.header
    raise InvalidHeaderError(path, HeaderErrorKind.NO_EXTENSION, f"{ext}")


@contextmanager
def _open_file(path: Path | str) -> Iterator[tuple[ReadAt, bytes]]:
    """A function that reads the file, and its first `READ_SIZE` bytes."""
    # Without O_NONBLOCK, opening a pipe without a writer would never return
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        beginning = os.pread(descriptor, READ_SIZE, 0)
        if beginning.startswith(_GZIP):
            with gzip.open(os.fdopen(descriptor, "rb", closefd=False)) as stream:
                yield partial(_read_stream, stream), _read_stream(stream, READ_SIZE, 0)
        else:
            yield lambda size, offset: os.pread(descriptor, size, offset), beginning
    finally:
        os.close(descriptor)


def _read_stream(stream: gzip.GzipFile, size: int, offset: int) -> bytes:
    stream.seek(offset)
    return stream.read(size)


def _walk_hdus(path: Path | str, read_at: ReadAt, chunk: bytes) -> Iterator[HDU]:
    """The units one after another; data are skipped."""
    offset = 0
    _check_primary(path, chunk)
    while True:
        header = _parse_header(chunk, read_at, offset)
        if header is None:
            raise InvalidHeaderError(path, HeaderErrorKind.TRUNCATED, "its header has no END")
        begin = offset + _padded_size((len(header.names) + 1) * cards.CARD_SIZE)
        yield HDU(header, partial(_read_data, path, read_at, header, begin))
        end = begin + _data_size(path, header)
        offset = _padded_size(end)
        chunk = read_at(READ_SIZE, offset)
        if not chunk.startswith(b"XTENSION"):
            if b"XTENSION".startswith(chunk) and (chunk or not read_at(1, end - 1)):
                raise InvalidHeaderError(path, HeaderErrorKind.TRUNCATED)
            return


def _read_data(path: Path | str, read_at: ReadAt, header: RawHeader, begin: int) -> bytes:
    size = _data_size(path, header)
    data = read_at(size, begin)
    if len(data) < size:
        raise InvalidHeaderError(path, HeaderErrorKind.TRUNCATED)
    return data


def _data_size(path: Path | str, header: RawHeader) -> int:
    try:
        return cards.data_size(header)
    except ValueError as error:
        raise InvalidHeaderError(path, HeaderErrorKind.NOT_FITS, str(error)) from None


def _check_primary(path: Path | str, chunk: bytes) -> None:
    if not chunk:
        raise InvalidHeaderError(path, HeaderErrorKind.EMPTY)
    if not chunk.startswith(b"SIMPLE  ="):
        cut = b"SIMPLE  =".startswith(chunk) or _GZIP.startswith(chunk)
        raise InvalidHeaderError(
            path, HeaderErrorKind.TRUNCATED if cut else HeaderErrorKind.NOT_FITS
        )


def _parse_header(chunk: bytes, read_at: ReadAt, offset: int) -> RawHeader | None:
    """The header that begins with `chunk`, read until END; None if there is no END."""
    raw = b""
    names: tuple[bytes, ...] = ()
    while chunk and len(names) < MAX_CARDS:
        count = len(chunk) // cards.CARD_SIZE
        new_names = struct.unpack_from("8s72x" * count, chunk)
        raw, names = raw + chunk, names + new_names
        if _END in new_names:
            end = names.index(_END)
            return RawHeader(raw[: end * cards.CARD_SIZE], names[:end])
        # Twice as much each time: system calls cost more than bytes
        more = min(2 * len(raw), MAX_CARDS * cards.CARD_SIZE - len(raw))
        chunk = read_at(more, offset + len(raw))
    return None


def _is_named(hdu: HDU, number: int, name: str) -> bool:
    wanted = name.strip().upper()
    return hdu.name == wanted or (number == 0 and wanted == "PRIMARY")


def _padded_size(size: int) -> int:
    return -(-size // BLOCK_SIZE) * BLOCK_SIZE
