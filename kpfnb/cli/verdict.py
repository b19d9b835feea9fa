"""Commands that judge a night."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated

import typer

from kpfnb.cli import DryRun, Json, app, finish, print_json
from kpfnb.errors import BadParameter

SHOWN = 30


@app.command()
def verdict(
    night: Annotated[
        str, typer.Argument(help="Night as YYYYMMDD (UT); none: the verdicts that are kept.")
    ] = "",
    line: Annotated[bool, typer.Option("--line", help="One line, for a mail.")] = False,
    override: Annotated[str, typer.Option(help="Say what the verdict of this rule is.")] = "",
    to: Annotated[str, typer.Option(help="PASS, WARN, FAIL; measured takes it back.")] = "",
    why: Annotated[str, typer.Option(help="Why; it is kept and shown.")] = "",
    who: Annotated[str, typer.Option(help="Who says so, if not this user.")] = "",
    accept: Annotated[str, typer.Option(help="Exit with 0 up to this verdict.")] = "PASS",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Is a night good? PASS (exit code 0), WARN (3) or FAIL (1), rule by rule, and its page.

    Example: kpfnb verdict 20240115 --override master-dark --to PASS --why "warm pixels masked"
    """
    from kpfnb.kpf.verdict import assessing, pages

    if not night:
        _history(as_json=as_json)
        return
    if (to or why or who) and not override:
        raise BadParameter("--to, --why and --who belong to --override", "name a rule with it")
    if override:
        said = assessing.override(night, override, to, why, who=who, dry_run=dry_run)
        if dry_run:
            print_json({"would_record": asdict(said)})
            return
    judged = assessing.assess(night, accept=accept)
    if not dry_run:
        assessing.keep(judged)
        judged = replace(judged, page=str(pages.write(judged)))
    if line and not as_json:
        print(judged.reason)
        raise typer.Exit(judged.outcome.exit_code)
    finish(judged, as_json=as_json)


def _history(*, as_json: bool) -> None:
    from kpfnb import settings
    from kpfnb.kpf.verdict import assessing

    kept = assessing.history(settings.load())
    if as_json:
        print_json(kept)
        return
    for _, one in sorted(kept.items(), reverse=True)[:SHOWN]:
        print(one["line"])
    if not kept:
        print("No verdict yet: kpfnb verdict 20240115")


@app.command()
def report(
    night: Annotated[str, typer.Argument(help="Night as YYYYMMDD (UT).")],
    end: Annotated[
        str,
        typer.Argument(help="Last night; earlier than NIGHT: newest first.", show_default=False),
    ] = "",
    as_json: Json = False,
) -> None:
    """Write the page of a night: observed, processed, verdict, pictures, velocities, problems.

    It needs no other file, so it can be mailed. Of a range each night has its page. The verdict
    does not change the exit code.

    Example: kpfnb report 20240101 20240131
    """
    from kpfnb.kpf.nightreport import making, several

    finish(several.make(night, end) if end else making.make(night), as_json=as_json)
