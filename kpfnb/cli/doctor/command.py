"""`kpfnb doctor`: what is set, where it came from, and whether it works."""

from __future__ import annotations

import sys

import typer

from kpfnb.cli.app import Json, app, print_json

WIDE = 1000


@app.command()
def doctor(as_json: Json = False) -> None:
    """Show each setting and where it came from, and check what it names.

    Exit code 1 where there is a problem; a warning is none.

    Example: kpfnb doctor
    """
    from rich.console import Console

    from kpfnb.cli.doctor import diagnose

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis.to_dict())
    else:
        # Other programs read line by line
        Console(width=None if sys.stdout.isatty() else WIDE).print(diagnosis.to_rich())
    raise typer.Exit(diagnosis.outcome.exit_code)
