"""`kpfnb watch`: services that handle files as they arrive."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import typer

from kpfnb.cli import Json, app, finish, print_json
from kpfnb.cli.overview import Commands
from kpfnb.outcomes import combine

watch = typer.Typer(
    cls=Commands,
    help="Handle files as they arrive; SIGTERM or Ctrl-C finishes what runs and stops.",
    no_args_is_help=True,
)
app.add_typer(watch, name="watch")

Ncpus = Annotated[int | None, typer.Option(help="Files at once; the setting workers if not given.")]
Nice = Annotated[int, typer.Option(help="Niceness to add to what is started, 0 to 19.")]
Since = Annotated[
    str,
    typer.Option(
        help="At the first start, leave alone what is there of nights before this YYYYMMDD."
    ),
]
Polling = Annotated[
    bool | None,
    typer.Option("--polling/--events", help="For network file systems, which tell no events."),
]
Once = Annotated[bool, typer.Option("--once", help="Handle what is there, and leave (for cron).")]


@watch.callback()
def _group() -> None:
    """Handle files as they arrive; SIGTERM or Ctrl-C finishes what runs and stops."""


@watch.command()
def process(
    ncpus: Ncpus = None,
    nice: Nice = 0,
    since: Since = "",
    polling: Polling = None,
    once: Once = False,
    as_json: Json = False,
) -> None:
    """Process new L0 files with the DRP.

    Example: kpfnb watch process --ncpus 50 --since 20240101
    """
    _run("process", ncpus, nice, since, polling, once, as_json)


@watch.command()
def quicklook(
    l0: Annotated[bool, typer.Option("--l0", help="Raw files; without any level: all.")] = False,
    d2: Annotated[bool, typer.Option("--2d", help="2D files.")] = False,
    l1: Annotated[bool, typer.Option("--l1", help="L1 files.")] = False,
    l2: Annotated[bool, typer.Option("--l2", help="L2 files.")] = False,
    master: Annotated[bool, typer.Option("--master", help="Masters.")] = False,
    only_recent: Annotated[
        bool, typer.Option("--only-recent", help="Files modified less than a day ago.")
    ] = False,
    not_recent: Annotated[
        bool, typer.Option("--not-recent", help="All other files, with niceness 15.")
    ] = False,
    ncpus: Ncpus = None,
    nice: Nice = 0,
    since: Since = "",
    polling: Polling = None,
    once: Once = False,
    as_json: Json = False,
) -> None:
    """Make quicklook products of files as they come.

    Example: kpfnb watch quicklook --only-recent --ncpus 20
    """
    from kpfnb.cli.quicklook import NICE_OLD, choice

    levels, age = choice(
        {"L0": l0, "2D": d2, "L1": l1, "L2": l2, "master": master}, only_recent, not_recent
    )
    nice = nice or (NICE_OLD if not_recent else 0)
    _run("quicklook", ncpus, nice, since, polling, once, as_json, levels=levels, age=age)


@watch.command()
def timeseries(once: Once = False, as_json: Json = False) -> None:
    """Keep the plots of the time-series database up to date, each interval on its own clock.

    Example: kpfnb watch timeseries
    """
    import signal
    import threading

    from kpfnb.kpf.timeseries import keeping

    if once:
        made = keeping.run_once()
        if as_json:
            print_json([one.to_dict() for one in made])
        else:
            print(*made, sep="\n")
        raise typer.Exit(combine(one.outcome for one in made).exit_code)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    keeping.serve(stop)


@watch.command()
def ingest(
    nice: Nice = 0,
    since: Since = "",
    polling: Polling = None,
    once: Once = False,
    as_json: Json = False,
) -> None:
    """Ingest new L0, 2D, L1 and L2 files into the time-series database.

    Example: kpfnb watch ingest
    """
    _run("ingest", None, nice, since, polling, once, as_json)


@watch.command()
def status(
    name: Annotated[
        str, typer.Argument(help="A watcher; all if not given.", show_default=False)
    ] = "",
    expected: Annotated[
        list[str] | None,
        typer.Option(help="A watcher that has to be running, else the command fails."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how the watchers are: since when, seen, done, failed, waiting, last error.

    Example: kpfnb watch status --expected process
    """
    from kpfnb.watching import overview

    finish(overview.look(name, expected=expected or ()), as_json=as_json)


def _run(
    name: str,
    ncpus: int | None,
    nice: int,
    since: str,
    polling: bool | None,
    once: bool,
    as_json: bool,
    **wish: Any,
) -> NoReturn:
    from kpfnb import settings
    from kpfnb.kpf import watchers
    from kpfnb.watching.overview import Overview

    ended = watchers.run(
        name, ncpus=ncpus, nice=nice, since=since, polling=polling, once=once, **wish
    )
    finish(Overview((ended,), zone=settings.load().zone), as_json=as_json)
