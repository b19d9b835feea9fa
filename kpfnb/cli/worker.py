"""`kpfnb worker`: work on a queue."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kpfnb.cli import Json, app, finish
from kpfnb.workqueue.tasks import PLACES


@app.command()
def worker(
    task: Annotated[str, typer.Argument(help=f"What to do with each item: {', '.join(PLACES)}.")],
    queue: Annotated[str, typer.Option(help="The queue; by default that of the task.")] = "",
    count: Annotated[int, typer.Option(min=1, help="So many workers side by side.")] = 1,
    idle: Annotated[
        float, typer.Option(min=0, help="Leave when there was no work for so long [s].")
    ] = 60,
    grace: Annotated[
        float, typer.Option(min=0, help="On SIGTERM, finish within so long [s], or hand back.")
    ] = 20,
    sleep: Annotated[
        float | None, typer.Option(min=0, help="Task test: how long each item takes [s].")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="Option of the task: name=value.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Work on a queue: claim its items one by one, do the task with each, report.

    Example: kpfnb worker test --queue trial --count 2 --sleep 0.5 --idle 10
    """
    from kpfnb import crew, log
    from kpfnb.cli.runs import given_parameters

    log.console()
    options: dict[str, Any] = given_parameters(None, parameter)
    if sleep is not None:
        options["sleep"] = sleep
    worked = crew.run(
        task, queue, options=options, count=count, idle_seconds=idle, grace_seconds=grace
    )
    finish(worked, as_json=as_json)
