"""The commands of a night: quicklook products, verdict, report, and all of them in order."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import Annotated

import typer

from kpfnb.cli.app import DryRun, Json, app, print_and_exit, print_json
from kpfnb.cli.nights import EndNight, StartNight, parse_night
from kpfnb.cli.pipelines import Jobs, Wait, run_and_exit
from kpfnb.core.errors import InvalidParameterError

NICENESS_OLD_FILES = 15
"""The niceness of work on old files: recent files come first."""

MAX_VERDICTS = 30
"""The number of stored verdicts that are listed."""

NIGHT_PIPELINE = "night"


@app.command()
def quicklook(
    start: Annotated[
        str,
        typer.Argument(
            help="Start: YYYYMMDD, YYYYMMDD.SSSSS or YYYYMMDD.SSSSS.ss (UT), or last.",
            callback=parse_night,
        ),
    ],
    end: Annotated[
        str,
        typer.Argument(
            help="End, included in full; if before START: newest first.", callback=parse_night
        ),
    ] = "",
    l0: Annotated[
        bool, typer.Option("--l0", help="Raw files; all levels if none is given.")
    ] = False,
    d2: Annotated[bool, typer.Option("--2d", help="2D files.")] = False,
    l1: Annotated[bool, typer.Option("--l1", help="L1 files.")] = False,
    l2: Annotated[bool, typer.Option("--l2", help="L2 files.")] = False,
    master: Annotated[bool, typer.Option("--master", help="Masters.")] = False,
    ncpu: Annotated[int | None, typer.Option(min=1, help="Files in parallel.")] = None,
    load: Annotated[
        float, typer.Option(min=0, help="Pause while CPU load exceeds this percentage; 0: never.")
    ] = 0,
    nice: Annotated[
        int | None,
        typer.Option(min=0, max=19, help="Niceness; default 15 with --not-recent, else 0."),
    ] = None,
    only_recent: Annotated[
        bool, typer.Option("--only-recent", help="Files modified less than a day ago.")
    ] = False,
    not_recent: Annotated[bool, typer.Option("--not-recent", help="All other files.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also process files that are up to date.")
    ] = False,
    print_files: Annotated[
        bool, typer.Option("--print-files", help="Only list the selected files.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make plots, checks and pages of the files in a time range.

    Example: kpfnb quicklook 20240115.12345 20240117 --l0 --2d --ncpu 8 --load 90
    """
    from kpfnb.kpf.quicklook import QuicklookOptions, process_range, select_targets

    levels, age = parse_levels_and_age(
        {"L0": l0, "2D": d2, "L1": l1, "L2": l2, "master": master}, only_recent, not_recent
    )
    if print_files:
        targets = select_targets(start, end, levels=levels, age=age)
        paths = [str(target.path) for target in targets]
        if as_json:
            print_json(paths)
        elif paths:
            print("\n".join(paths))
        else:
            print(f"no files from {start} to {end or start}", file=sys.stderr)
        return
    options = QuicklookOptions(
        workers=ncpu,
        max_load=load or None,
        nice=(NICENESS_OLD_FILES if not_recent else 0) if nice is None else nice,
        force=force,
    )
    print_and_exit(
        process_range(start, end, levels=levels, age=age, options=options), as_json=as_json
    )


def parse_levels_and_age(
    levels: dict[str, bool], only_recent: bool, not_recent: bool
) -> tuple[list[str], str]:
    """The chosen levels and the age of files, from the flags of a command."""
    from kpfnb.kpf.quicklook import FileAge

    if only_recent and not_recent:
        raise InvalidParameterError("--only-recent and --not-recent exclude each other")
    age = FileAge.RECENT if only_recent else FileAge.OLD if not_recent else FileAge.ANY
    return [level for level, is_chosen in levels.items() if is_chosen], age


@app.command()
def verdict(
    night: Annotated[
        str,
        typer.Argument(
            help="Night as YYYYMMDD (UT) or last; without it: list the stored verdicts.",
            callback=parse_night,
        ),
    ] = "",
    line: Annotated[bool, typer.Option("--line", help="Print one line, for a mail.")] = False,
    override: Annotated[str, typer.Option(help="Override the verdict of this rule.")] = "",
    to: Annotated[
        str, typer.Option(help="The new verdict: PASS, WARN or FAIL; `measured` withdraws it.")
    ] = "",
    why: Annotated[str, typer.Option(help="The reason; it is recorded and shown.")] = "",
    who: Annotated[str, typer.Option(help="Who decided, if not this user.")] = "",
    accept: Annotated[
        str, typer.Option(help="The worst verdict that still exits with code 0.")
    ] = "PASS",
    limits: Annotated[
        bool,
        typer.Option("--limits", help="Only list all rules, checks and limits, with sources."),
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Assess a night by rules: PASS (exit 0), WARN (3), FAIL (1), no files (5); write its page.

    Rules that can't be judged do not count: nothing to measure, or an older DRP version.

    Example: kpfnb verdict 20240115 --override master-dark --to PASS --why "warm pixels masked"
    """
    from kpfnb.kpf.verdict import assessment, pages

    if limits:
        _print_limits(as_json=as_json)
        return
    if not night:
        _print_history(as_json=as_json)
        return
    if (to or why or who) and not override:
        raise InvalidParameterError(
            "--to, --why and --who need --override", "name a rule with --override"
        )
    if override:
        entry = assessment.override_rule(night, override, to, why, who=who, dry_run=dry_run)
        if dry_run:
            print_json({"would_record": asdict(entry)})
            return
    night_verdict = assessment.assess_night(night, accept=accept)
    if not dry_run and not night_verdict.empty_reason:
        assessment.save_verdict(night_verdict)
        page = pages.write_verdict_page(night_verdict)
        night_verdict = replace(night_verdict, page=str(page))
    if line and not as_json:
        print(night_verdict.reason)
        raise typer.Exit(night_verdict.outcome.exit_code)
    print_and_exit(night_verdict, as_json=as_json)


def _print_limits(*, as_json: bool) -> None:
    from kpfnb.core import settings
    from kpfnb.kpf.verdict.limits import collect_limits

    limit_list = collect_limits(settings.load_settings())
    if as_json:
        print_json(limit_list.to_dict())
    else:
        print(limit_list)


def _print_history(*, as_json: bool) -> None:
    from kpfnb.core import settings
    from kpfnb.kpf.verdict import assessment
    from kpfnb.kpf.verdict.freshness import describe_staleness

    history = assessment.load_history(settings.load_settings())
    if as_json:
        print_json(history)
        return
    for night in sorted(history, reverse=True)[:MAX_VERDICTS]:
        stale = describe_staleness(history[night], night)
        print(history[night]["line"], *([f"[stale: {stale}]"] if stale else []))
    if not history:
        print("No night has been assessed yet. Assess one with: kpfnb verdict 20240115")


@app.command()
def report(
    night: StartNight,
    end: EndNight = "",
    as_json: Json = False,
) -> None:
    """Write the report of a night: observations, products, verdict, plots, velocities, problems.

    The page needs no other file, so it can be mailed. In a range each night has its own page. The
    verdict does not change the exit code.

    Example: kpfnb report 20240101 20240131
    """
    from kpfnb.kpf.nightreport.report import write_range_reports, write_report

    result = write_range_reports(night, end) if end else write_report(night)
    print_and_exit(result, as_json=as_json)


@app.command()
def night(
    night: Annotated[
        str,
        typer.Argument(
            help="The night, YYYYMMDD (UT) or last, or the directory of its L0 files.",
            callback=parse_night,
        ),
    ],
    version: Annotated[
        str, typer.Option(help="Reprocess products of DRP versions older than this.")
    ] = "",
    dry_run: DryRun = False,
    jobs: Jobs = 2,
    wait: Wait = 0,
    as_json: Json = False,
) -> None:
    """Process a whole night: DRP products, quicklook, database rows, and its report.

    It runs the pipeline `pipelines/night.yml`. It can be stopped at any moment; the same command
    continues with what is missing, new files included.

    Example: kpfnb night 20240115
    """
    from kpfnb.kpf.files import obsid

    run_and_exit(
        NIGHT_PIPELINE,
        {"night": obsid.resolve_night(night), "version": version},
        # The files show what is done; the record of a stopped run knows less
        resume=False,
        dry_run=dry_run,
        jobs=jobs,
        wait=wait,
        as_json=as_json,
    )
