"""The command that takes a whole night, from its raw files to its report."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import Annotated

import typer

from kpfnb.cli.app import DryRun, Json, app, print_and_exit, print_json
from kpfnb.cli.pipelines import Jobs, Wait, run_and_exit
from kpfnb.core.errors import InvalidParameterError

# The command that makes quicklook products.

NICENESS_OLD_FILES = 15
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

    levels, age = parse_levels_and_age(
        {"L0": l0, "2D": d2, "L1": l1, "L2": l2, "master": master}, only_recent, not_recent
    )
    if print_files:
        paths = [str(one.path) for one in work.select_targets(start, end, levels=levels, age=age)]
        if as_json:
            print_json(paths)
        elif paths:
            print("\n".join(paths))
        else:
            print(f"no files from {start} to {end or start}", file=sys.stderr)
        return
    result = work.process_range(
        start,
        end,
        levels=levels,
        age=age,
        workers=ncpu,
        max_load=load or None,
        nice=(NICENESS_OLD_FILES if not_recent else 0) if nice is None else nice,
        force=force,
    )
    print_and_exit(result, as_json=as_json)


def parse_levels_and_age(
    levels: dict[str, bool], only_recent: bool, not_recent: bool
) -> tuple[list[str], str]:
    """The levels that are chosen and the age that is meant, from the flags of a command."""
    from kpfnb.kpf.quicklook import FileAge

    if only_recent and not_recent:
        raise InvalidParameterError("--only-recent and --not-recent exclude each other")
    age = FileAge.RECENT if only_recent else FileAge.OLD if not_recent else FileAge.ANY
    return [level for level, is_chosen in levels.items() if is_chosen], age


# Commands that judge a night.

MAX_VERDICTS = 30


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
    from kpfnb.kpf.verdict import assessment, pages

    if not night:
        _print_history(as_json=as_json)
        return
    if (to or why or who) and not override:
        raise InvalidParameterError(
            "--to, --why and --who belong to --override", "name a rule with it"
        )
    if override:
        said = assessment.override_rule(night, override, to, why, who=who, dry_run=dry_run)
        if dry_run:
            print_json({"would_record": asdict(said)})
            return
    judged = assessment.assess_night(night, accept=accept)
    if not dry_run:
        assessment.save_verdict(judged)
        judged = replace(judged, page=str(pages.write_verdict_page(judged)))
    if line and not as_json:
        print(judged.reason)
        raise typer.Exit(judged.outcome.exit_code)
    print_and_exit(judged, as_json=as_json)


def _print_history(*, as_json: bool) -> None:
    from kpfnb.core import settings
    from kpfnb.kpf.verdict import assessment

    kept = assessment.load_history(settings.load_settings())
    if as_json:
        print_json(kept)
        return
    for _, one in sorted(kept.items(), reverse=True)[:MAX_VERDICTS]:
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
    from kpfnb.kpf.nightreport import range_report
    from kpfnb.kpf.nightreport import report as making

    print_and_exit(
        range_report.write_range_reports(night, end) if end else making.write_report(night),
        as_json=as_json,
    )


NIGHT_PIPELINE = "night"


@app.command()
def night(
    night: Annotated[
        str, typer.Argument(help="The night, YYYYMMDD (UT), or the directory of its L0 files.")
    ],
    version: Annotated[
        str, typer.Option(help="Products of an earlier DRP version are made anew.")
    ] = "",
    dry_run: DryRun = False,
    jobs: Jobs = 2,
    wait: Wait = 0,
    as_json: Json = False,
) -> None:
    """Make all of a night: products, quicklook, rows in the database, and its report.

    It is the pipeline `pipelines/night.yml`. Stop it at any moment; the same command goes on with
    what is lacking, and takes in what has come since.

    Example: kpfnb night 20240115
    """
    from kpfnb.kpf.files import obsid

    run_and_exit(
        NIGHT_PIPELINE,
        {"night": obsid.resolve_night(night), "version": version},
        # The files tell what is done; the record of a stopped run knows less
        resume=False,
        dry_run=dry_run,
        jobs=jobs,
        wait=wait,
        as_json=as_json,
    )
