"""FITS files of headers and tiny tables, as bytes: they are written in microseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kpfnb.demo.tree import FITS_BLOCK

CardValues = Mapping[str, str | int | float]


def header_bytes(cards: CardValues, count: int) -> bytes:
    """A FITS file with a header of `count` cards and no data."""
    lines = ["SIMPLE  =                    T", "BITPIX  =                    8"]
    lines += ["NAXIS   =                    0", "SIMULATE=                    T"]
    filler = [f"SIM{number:05d}= {12.345:>20}" for number in range(count - len(cards) - 5)]
    lines += [*filler[: len(filler) // 2], *map(_format_card, cards.items())]
    return _pad_lines([*lines, *filler[len(filler) // 2 :]])


def image_bytes(name: str, cards: CardValues) -> bytes:
    """An image extension without data."""
    fixed: CardValues = {"BITPIX": 8, "NAXIS": 0, "PCOUNT": 0, "GCOUNT": 1, "EXTNAME": name}
    return _pad_lines(["XTENSION= 'IMAGE   '", *map(_format_card, {**fixed, **cards}.items())])


def table_bytes(name: str, columns: Mapping[str, str], data: bytes, *, rows: int) -> bytes:
    """A binary table; `columns` are names and formats."""
    cards: dict[str, str | int | float] = {
        "BITPIX": 8,
        "NAXIS": 2,
        "NAXIS1": len(data) // rows,
        "NAXIS2": rows,
        "PCOUNT": 0,
        "GCOUNT": 1,
        "TFIELDS": len(columns),
        "EXTNAME": name,
    }
    for number, (column, form) in enumerate(columns.items(), 1):
        cards |= {f"TTYPE{number}": column, f"TFORM{number}": form}
    header = _pad_lines(["XTENSION= 'BINTABLE'", *map(_format_card, cards.items())])
    return header + data + bytes(-len(data) % FITS_BLOCK)


def _pad_lines(lines: Sequence[str]) -> bytes:
    """The lines of a header with its END, padded to whole blocks."""
    text = "".join(f"{line:<80}" for line in [*lines, "END"]).encode("ascii")
    return text + b" " * (-len(text) % FITS_BLOCK)


def _format_card(pair: tuple[str, str | int | float]) -> str:
    name, value = pair
    shown = (
        f"'{value.replace(chr(39), chr(39) * 2):<8}'" if isinstance(value, str) else f"{value:>20}"
    )
    return f"{name:<8}= {shown} / a value of the simulation"[:80]
