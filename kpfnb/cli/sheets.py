"""`kpfnb queue mirror`: show in a sheet how the items of a queue stand."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from kpfnb.cli import Json, finish
from kpfnb.cli.queue import Name, Tab, queue_app


@queue_app.command()
def mirror(
    name: Name,
    tab: Tab = "",
    add: Annotated[
        bool, typer.Option("--add", help="Make the tab, and a row for each item without one.")
    ] = False,
    watch: Annotated[float, typer.Option(min=0, help="Again every so often [s], till Ctrl-C.")] = 0,
    as_json: Json = False,
) -> None:
    """Write the statuses of a queue's items into the sheet: the setting sheet, or work/workbook.

    Rows are found by their names; nothing but status and worker is touched. The tab is WorkQueue
    (of coadd1d and coadd2d: `coadd status`), if neither --tab nor the setting says else. With
    --watch it goes on when the sheet or the queue does not answer, and catches up. Quota: 15 s or
    more for Google.

    Example: kpfnb queue mirror reduce --tab WorkQueue@B --watch 15
    """
    from kpfnb import log, sheets
    from kpfnb.sheets import mirror as mirrors
    from kpfnb.sheets.google import PATIENCE_SECONDS
    from kpfnb.workqueue.queue import Queue

    # Who comes again need not be patient
    book = sheets.open(patience_seconds=0 if watch else PATIENCE_SECONDS)
    kept = sheets.Mirror(book, sheets.StatusTab.of_queue(name, tab or book.tab), add=add)

    def truth() -> dict[str, sheets.Standing]:
        with Queue(name) as queue:
            return sheets.standings(queue)

    if not watch:
        finish(kept.update(truth()), as_json=as_json)
    log.console()
    with suppress(KeyboardInterrupt):
        for one in mirrors.follow(kept, truth, watch):
            print(one, flush=True)
