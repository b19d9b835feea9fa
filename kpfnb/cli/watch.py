"""`kpfnb watch`: services that handle files as they arrive."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import typer

from kpfnb.cli.app import CommandGroup, Json, app, print_and_exit, print_json
from kpfnb.cli.nights import parse_night
from kpfnb.core.result import merge_outcomes

watch_app = typer.Typer(
    cls=CommandGroup,
    help="Handle files as they arrive; SIGTERM or Ctrl-C finishes the current files and stops.",
    no_args_is_help=True,
)
app.add_typer(watch_app, name="watch")

Ncpus = Annotated[
    int | None, typer.Option(help="Files in parallel (default: the setting workers).")
]
Nice = Annotated[int, typer.Option(help="Niceness to add to started programs, 0 to 19.")]
Since = Annotated[
    str,
    typer.Option(
        help="At the first start, do not handle present files of nights before this YYYYMMDD.",
        callback=parse_night,
    ),
]
Polling = Annotated[
    bool | None,
    typer.Option(
        "--polling/--events", help="Poll; for network file systems, which send no events."
    ),
]
Once = Annotated[bool, typer.Option("--once", help="Handle the present files, and end (for cron).")]


@watch_app.callback()
def _group() -> None:
    """Handle files as they arrive; SIGTERM or Ctrl-C finishes the current files and stops."""


@watch_app.command()
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
    _run_watcher("process", ncpus, nice, since, polling, once, as_json)


@watch_app.command()
def quicklook(
    l0: Annotated[bool, typer.Option("--l0", help="Raw files; without any level: all.")] = False,
    d2: Annotated[bool, typer.Option("--2d", help="2D files.")] = False,
    l1: Annotated[bool, typer.Option("--l1", help="L1 files.")] = False,
    l2: Annotated[bool, typer.Option("--l2", help="L2 files.")] = False,
    master: Annotated[bool, typer.Option("--master", help="Masters.")] = False,
    only_recent: Annotated[
        bool, typer.Option("--only-recent", help="Files modified less than a day ago.")
    ] = False,
    not_recent: Annotated[bool, typer.Option("--not-recent", help="Only older files.")] = False,
    ncpus: Ncpus = None,
    nice: Annotated[
        int | None,
        typer.Option(help="Niceness, 0 to 19; default 15 with --not-recent, else 0."),
    ] = None,
    since: Since = "",
    polling: Polling = None,
    once: Once = False,
    as_json: Json = False,
) -> None:
    """Make quicklook products of files as they arrive.

    Example: kpfnb watch quicklook --only-recent --ncpus 20
    """
    from kpfnb.cli.night import NICENESS_OLD_FILES, parse_levels_and_age

    levels, age = parse_levels_and_age(
        {"L0": l0, "2D": d2, "L1": l1, "L2": l2, "master": master}, only_recent, not_recent
    )
    if nice is None:
        nice = NICENESS_OLD_FILES if not_recent else 0
    _run_watcher("quicklook", ncpus, nice, since, polling, once, as_json, levels=levels, age=age)


@watch_app.command()
def timeseries(once: Once = False, as_json: Json = False) -> None:
    """Keep the plots of the time-series database up to date, each interval on its own schedule.

    Example: kpfnb watch timeseries
    """
    import signal
    import threading

    from kpfnb.core.signals import handle_signals
    from kpfnb.kpf.timeseries import scheduler

    if once:
        results = scheduler.update_due_pages()
        if as_json:
            print_json([result.to_dict() for result in results])
        else:
            print(*results, sep="\n")
        raise typer.Exit(merge_outcomes(result.outcome for result in results).exit_code)
    stop = threading.Event()
    with handle_signals(lambda *_: stop.set(), signal.SIGINT, signal.SIGTERM):
        scheduler.serve_pages(stop)


@watch_app.command()
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
    _run_watcher("ingest", None, nice, since, polling, once, as_json)


@watch_app.command()
def status(
    name: Annotated[
        str, typer.Argument(help="A watcher; all if not given.", show_default=False)
    ] = "",
    expected: Annotated[
        list[str] | None,
        typer.Option(help="A watcher that must be running; otherwise the command fails."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the status of the watchers: files seen, done, failed, waiting, and the last error.

    Example: kpfnb watch status --expected process
    """
    from kpfnb.kpf.watch.overview import load_overview

    print_and_exit(load_overview(name, expected=expected or ()), as_json=as_json)


def _run_watcher(
    name: str,
    ncpus: int | None,
    nice: int,
    since: str,
    polling: bool | None,
    once: bool,
    as_json: bool,
    **options: Any,
) -> NoReturn:
    from kpfnb.core.settings import load_settings
    from kpfnb.kpf.watch.overview import WatcherOverview
    from kpfnb.kpf.watch.registry import run_watcher

    report = run_watcher(
        name, ncpus=ncpus, nice=nice, since=since, polling=polling, once=once, **options
    )
    print_and_exit(WatcherOverview((report,), zone=load_settings().zone), as_json=as_json)
