"""The command that makes quicklook products."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from kpfnb.cli import Json, app, finish, print_json
from kpfnb.errors import BadParameter

NICE_OLD = 15
"""What is not recent gives way to what is."""


@app.command()
def quicklook(
    start: Annotated[
        str,
        typer.Argument(help="First moment: YYYYMMDD, YYYYMMDD.SSSSS or YYYYMMDD.SSSSS.ss (UT)."),
    ],
    end: Annotated[
        str, typer.Argument(help="Last moment, included in full; before START: newest first.")
    ] = "",
    l0: Annotated[bool, typer.Option("--l0", help="Raw files; without any level: all.")] = False,
    d2: Annotated[bool, typer.Option("--2d", help="2D files.")] = False,
    l1: Annotated[bool, typer.Option("--l1", help="L1 files.")] = False,
    l2: Annotated[bool, typer.Option("--l2", help="L2 files.")] = False,
    master: Annotated[bool, typer.Option("--master", help="Masters.")] = False,
    ncpu: Annotated[int | None, typer.Option(min=1, help="Files at once.")] = None,
    load: Annotated[
        float, typer.Option(min=0, help="Start no file while the load is above so many %; 0: any.")
    ] = 0,
    nice: Annotated[
        int | None, typer.Option(min=0, max=19, help="Niceness; 15 with --not-recent, else 0.")
    ] = None,
    only_recent: Annotated[
        bool, typer.Option("--only-recent", help="Files modified less than a day ago.")
    ] = False,
    not_recent: Annotated[bool, typer.Option("--not-recent", help="All other files.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Make what is up to date too.")] = False,
    print_files: Annotated[
        bool, typer.Option("--print-files", help="Only print which files are meant.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make pictures, checks and pages of the files between two moments.

    Example: kpfnb quicklook 20240115.12345 20240117 --l0 --2d --ncpu 8 --load 90
    """
    from kpfnb.kpf import quicklook as work

    levels, age = choice(
        {"L0": l0, "2D": d2, "L1": l1, "L2": l2, "master": master}, only_recent, not_recent
    )
    if print_files:
        paths = [str(one.path) for one in work.find(start, end, levels=levels, age=age)]
        if as_json:
            print_json(paths)
        elif paths:
            print("\n".join(paths))
        else:
            print(f"no files from {start} to {end or start}", file=sys.stderr)
        return
    result = work.run(
        start,
        end,
        levels=levels,
        age=age,
        workers=ncpu,
        max_load=load or None,
        nice=(NICE_OLD if not_recent else 0) if nice is None else nice,
        force=force,
    )
    finish(result, as_json=as_json)


def choice(levels: dict[str, bool], only_recent: bool, not_recent: bool) -> tuple[list[str], str]:
    """The levels that are chosen and the age that is meant, from the flags of a command."""
    from kpfnb.kpf.quicklook import Age

    if only_recent and not_recent:
        raise BadParameter("--only-recent and --not-recent exclude each other")
    age = Age.RECENT if only_recent else Age.OLD if not_recent else Age.ANY
    return [level for level, is_chosen in levels.items() if is_chosen], age
