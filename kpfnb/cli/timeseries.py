"""`kpfnb timeseries`: the pages of the time series."""

from __future__ import annotations

from typing import Annotated

import typer

from kpfnb.cli import Json, app, finish, print_json


@app.command()
def timeseries(
    interval: Annotated[
        str, typer.Option(help="day, month, year, decade or all; all with --start: a free range.")
    ] = "day",
    start: Annotated[
        str, typer.Option(help="Night as YYYYMMDD (UT); if none, that of the newest data.")
    ] = "",
    end: Annotated[str, typer.Option(help="Last night; if none, only the period of START.")] = "",
    panel: Annotated[
        list[str] | None, typer.Option(help="Only this panel, or this group; may be repeated.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Draw also where nothing has changed since.")
    ] = False,
    list_panels: Annotated[
        bool, typer.Option("--list", help="List the panels, and draw nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Draw the standard panels of the time series, and their pages.

    Example: kpfnb timeseries --interval month --start 20240101 --end 20240630
    """
    from kpfnb.errors import BadParameter
    from kpfnb.kpf.timeseries.period import Interval

    if list_panels:
        _list(panel or [], as_json=as_json)
        return
    if interval not in list(Interval):
        raise BadParameter(f"interval {interval!r}", f"known: {', '.join(Interval)}")
    from kpfnb.kpf.timeseries import production

    done = production.produce(interval, start, end, panels=panel or (), force=force)
    finish(done, as_json=as_json)


def _list(names: list[str], *, as_json: bool) -> None:
    from kpfnb.kpf.tsdb.plots import definitions

    panels = definitions.choose(names)
    if as_json:
        rows = [one.model_dump(include={"name", "group", "title"}) for one in panels.values()]
        print_json(rows)
        return
    for one in panels.values():
        print(f"{one.group:<11} {one.name:<28} {one.title}")
    print(f"{len(panels)} panels")
