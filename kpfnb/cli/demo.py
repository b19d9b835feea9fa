"""Commands for the demonstration: a simulated night, simulated frames."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kpfnb.cli.app import CommandGroup, Json, app, print_and_exit
from kpfnb.core.errors import InvalidParameterError

demo_app = typer.Typer(
    cls=CommandGroup,
    help="Data for demonstrations: SIMULATED, and three real KPF files.",
    no_args_is_help=True,
)
app.add_typer(demo_app, name="demo")


class ReadMode(StrEnum):
    """How the CCDs of a simulated night are read."""

    REGULAR = "regular"
    FAST = "fast"


@demo_app.callback()
def _group() -> None:
    """Data for demonstrations: SIMULATED, and three real KPF files."""


@demo_app.command()
def night(
    night: Annotated[str, typer.Option(help="UT date as YYYYMMDD.")] = "20240115",
    full_size: Annotated[
        bool, typer.Option("--full-size", help="CCDs of real size: about 140 MB per file.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 1,
    count: Annotated[
        list[str] | None,
        typer.Option(
            help="Number of exposures of a kind, such as star=3; may be repeated. As many as a "
            "night has time for; any number with --headers-only."
        ),
    ] = None,
    mode: Annotated[
        ReadMode, typer.Option(help="fast: four amplifiers read each CCD (the Sun always).")
    ] = ReadMode.REGULAR,
    drp_version: Annotated[
        str,
        typer.Option(
            help="Version whose keywords and quality flags the stand-in DRP writes: 2.8 to 2.12."
        ),
    ] = "",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Add an exposure with a fault, such as clock-off; may be repeated. An unknown "
            "name lists all."
        ),
    ] = None,
    headers_only: Annotated[
        bool,
        typer.Option(
            "--headers-only",
            help="Files without images, with all their products: 500 observations in seconds.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Simulate the raw files of a night below the data root; existing files are unchanged.

    Example: kpfnb demo night --count star=3 --count bias=2
    """
    from kpfnb.core import settings
    from kpfnb.demo.night import parse_fault, simulate_headers, simulate_night

    root: Path = settings.load_settings().kpf_root
    counts = dict(map(_parse_count, count or []))
    if headers_only:
        if full_size or fault or drp_version or mode is ReadMode.FAST or seed != 1:
            raise InvalidParameterError(
                "--headers-only has no images, faults or versions to choose",
                "give --night and --count only",
            )
        print_and_exit(simulate_headers(root, night, counts), as_json=as_json)
    result = simulate_night(
        root,
        night,
        full_size=full_size,
        seed=seed,
        counts=counts,
        faults=[parse_fault(name) for name in fault or []],
        fast=mode is ReadMode.FAST,
        drp_version=drp_version,
    )
    print_and_exit(result, as_json=as_json)


@demo_app.command()
def real(
    root: Annotated[
        Path | None, typer.Argument(help="Target KPF tree; by default the data root.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy three REAL L1 files of KPF into a KPF tree (100 MB); existing files are unchanged.

    Example: kpfnb demo real work/real
    """
    from kpfnb.core import settings
    from kpfnb.demo.real import copy_real_files

    target = root or settings.load_settings().kpf_root
    print_and_exit(copy_real_files(target.absolute()), as_json=as_json)


@demo_app.command()
def frames(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Target directory; by default incoming/ in the work directory."),
    ] = None,
) -> None:
    """Simulate raw headers of the spectrograph DEIMOS, as input of kpfnb prepare.

    Example: kpfnb demo frames
    """
    from kpfnb.adap.prepare.preparation import INCOMING_FOLDER
    from kpfnb.core import settings
    from kpfnb.demo import deimos_frames

    target = folder or settings.load_settings().work_dir / INCOMING_FOLDER
    print(deimos_frames.simulate_deimos_frames(target.absolute()))


@demo_app.command()
def spectra(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Target directory; by default datasets/ in the work directory."),
    ] = None,
) -> None:
    """Simulate two reduced nights of a DEIMOS mask, as input of kpfnb coadd --dry-run.

    Example: kpfnb demo spectra
    """
    from kpfnb.adap.products.dataset import DATASETS_FOLDER
    from kpfnb.core import settings
    from kpfnb.demo import coadd_inputs

    target = folder or settings.load_settings().work_dir / DATASETS_FOLDER
    print(coadd_inputs.simulate_coadd_inputs(target.absolute()))


@demo_app.command()
def reductions(
    root: Annotated[
        Path | None,
        typer.Argument(help="Target directory; by default simulated/ in the work directory."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of datasets.")] = 5,
) -> None:
    """Simulate reduced datasets of a multi-slit spectrograph; existing files are unchanged.

    Example: kpfnb demo reductions --count 3
    """
    from kpfnb.demo.reduced_datasets import simulate_datasets

    print(f"SIMULATED reductions in {simulate_datasets(root, count)}")


def _parse_count(text: str) -> tuple[str, int]:
    kind, _, number = text.partition("=")
    if not number.isdecimal():
        raise InvalidParameterError(
            f"--count {text}: must be KIND=NUMBER", "for example --count star=3"
        )
    return kind, int(number)
