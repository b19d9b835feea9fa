"""`kpfnb doctor`: the settings, where each comes from, and whether what they name works."""

from __future__ import annotations

import sys

import typer

from kpfnb.cli.app import Json, app, print_json
from kpfnb.cli.doctor.diagnosis import Diagnosis, describe_settings

WIDE = 1000


@app.command()
def doctor(as_json: Json = False) -> None:
    """Show each setting and where it comes from, and check what it names.

    Exit code 1 if there is a problem; warnings do not count.

    Example: kpfnb doctor
    """
    from rich.console import Console

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis.to_dict())
    else:
        # Without a terminal, one line a row: other programs read line by line
        Console(width=None if sys.stdout.isatty() else WIDE).print(diagnosis.to_rich())
    raise typer.Exit(diagnosis.outcome.exit_code)


def diagnose() -> Diagnosis:
    """Describe every setting and run every check.

    Raises `InvalidSettingsError` if the settings can't be loaded.
    """
    from kpfnb.cli.doctor import checks
    from kpfnb.core.settings import load_settings

    return Diagnosis(describe_settings(), checks.run_checks(load_settings()))
