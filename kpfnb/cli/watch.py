"""`kpfnb watch`: services that handle files as they arrive."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from kpfnb.cli import Json, app, finish

watch = typer.Typer(
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
) -> NoReturn:
    from kpfnb import settings
    from kpfnb.kpf import watchers
    from kpfnb.watching.overview import Overview

    ended = watchers.run(name, ncpus=ncpus, nice=nice, since=since, polling=polling, once=once)
    finish(Overview((ended,), zone=settings.load().zone), as_json=as_json)
