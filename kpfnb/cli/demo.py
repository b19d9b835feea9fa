"""Commands for the demonstration: a simulated night, simulated frames."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli import Json, app, finish
from kpfnb.cli.overview import Commands
from kpfnb.errors import BadParameter

demo = typer.Typer(
    cls=Commands, help="SIMULATED data, to try everything out.", no_args_is_help=True
)
app.add_typer(demo, name="demo")


@demo.callback()
def _group() -> None:
    """SIMULATED data, to try everything out."""


@demo.command()
def night(
    night: Annotated[str, typer.Option(help="UT date as YYYYMMDD.")] = "20240115",
    full_size: Annotated[
        bool, typer.Option("--full-size", help="CCDs of real size: about 140 MB a file.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Other seed, other noise.")] = 1,
    count: Annotated[
        list[str] | None, typer.Option(help="How many of a kind, as star=3; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Simulate the raw files of a night below the data root; what is there is left alone.

    Example: kpfnb demo night --count star=3 --count bias=2
    """
    from kpfnb import settings
    from kpfnb.demo.night import simulate

    root: Path = settings.load().kpf_root
    counts = dict(map(_count, count or []))
    finish(simulate(root, night, full_size=full_size, seed=seed, counts=counts), as_json=as_json)


@demo.command()
def frames(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to; by default incoming in the work directory.")
    ] = None,
) -> None:
    """Simulate raw headers of the spectrograph DEIMOS, to try kpfnb prepare.

    Example: kpfnb demo frames
    """
    from kpfnb import settings
    from kpfnb.adap.preparing.preparation import INCOMING
    from kpfnb.demo import deimos

    place = folder or settings.load().work_dir / INCOMING
    print(deimos.simulate(place.absolute()))


@demo.command()
def spectra(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to; by default datasets in the work directory.")
    ] = None,
) -> None:
    """Simulate two reduced nights of a mask of DEIMOS, to try kpfnb coadd --dry-run.

    Example: kpfnb demo spectra
    """
    from kpfnb import settings
    from kpfnb.adap.dataset import FOLDER
    from kpfnb.demo import coaddable

    place = folder or settings.load().work_dir / FOLDER
    print(coaddable.simulate(place.absolute()))


@demo.command()
def reductions(
    root: Annotated[
        Path | None, typer.Argument(help="Where to; by default simulated/ in the work directory.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="So many datasets.")] = 5,
) -> None:
    """Simulate reduced datasets of a multi-slit spectrograph; what is there is left alone.

    Example: kpfnb demo reductions --count 3
    """
    from kpfnb.demo.reductions import simulate

    print(f"SIMULATED reductions in {simulate(root, count)}")


def _count(text: str) -> tuple[str, int]:
    kind, _, number = text.partition("=")
    if not number.isdecimal():
        raise BadParameter(f"--count {text}: must be KIND=NUMBER", "for example --count star=3")
    return kind, int(number)
