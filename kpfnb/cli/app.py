"""The `kpfnb` command: a thin wrapper over the functions that the notebooks use.

Exit codes are those of `kpfnb.core.result`: 0 succeeded, 1 failed, 2 rejected, 3 partial,
4 crashed, 5 skipped.
"""

from __future__ import annotations

import codecs
import errno
import io
import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn, Protocol

import typer

from kpfnb.cli.commands import SectionedGroup
from kpfnb.core.errors import KpfnbError
from kpfnb.core.result import Outcome, to_jsonable
from kpfnb.runs.classification import OUTCOME_BY_ERROR

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]

USER_FIXABLE_ERRNOS = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR,
)  # fmt: skip
"""What the system refuses for a reason that a person can mend; other errors are defects."""


def _normalize_option(token: str) -> str:
    """`--print_files_2D`, as the old scripts spell it, means `--print-files-2d`."""
    return token.replace("_", "-").lower() if len(token) > 1 else token


app = typer.Typer(
    cls=SectionedGroup,
    help="Run the data factory of a spectrograph: every task is one notebook.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": _normalize_option,
    },
)


@app.callback()
def _export_settings(
    data_root: Annotated[Path | None, typer.Option(help="KPF data root.")] = None,
    work_dir: Annotated[Path | None, typer.Option(help="Runs, indexes, locks.")] = None,
) -> None:
    """Arguments win over the environment; kernels and workers started from here see them."""
    from kpfnb.core import settings

    settings.export_to_environment(data_root=data_root, work_dir=work_dir)


class HasOutcome(Protocol):
    """What a command can end with."""

    @property
    def outcome(self) -> Outcome:
        """It gives the exit code."""

    def to_dict(self) -> dict[str, Any]:
        """For other programs; for people there is `str`."""


def print_and_exit(result: HasOutcome, *, as_json: bool = False) -> NoReturn:
    """Print a result, and leave with the exit code of its outcome."""
    if as_json:
        print_json(result.to_dict())
    else:
        print(result)
    raise typer.Exit(result.outcome.exit_code)


def print_json(value: Any) -> None:
    """Print for other programs; what JSON has no word for (NaN among it) is null or a text."""
    print(json.dumps(to_jsonable(value), indent=1, ensure_ascii=False, allow_nan=False))


def main() -> None:
    """The entry point: a mistake of the user's is one clear message, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("numbers", _escape_unencodable)
        sys.stdout.reconfigure(errors="numbers")
    try:
        app()
    except KpfnbError as error:
        print(f"kpfnb: {error}", file=sys.stderr)
        sys.exit(OUTCOME_BY_ERROR.get(type(error).__name__, Outcome.FAILED).exit_code)
    except OSError as error:
        if error.errno not in USER_FIXABLE_ERRNOS:
            raise
        what = f"{error.filename or 'a file'}: {error.strerror}"
        told = KpfnbError(what, "get the right to use it, or make room on its disk")
        print(f"kpfnb: {told}", file=sys.stderr)
        sys.exit(Outcome.FAILED.exit_code)


def _escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    """Characters that the terminal's encoding lacks, as JSON has them too."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


# Each module adds its commands to `app`; heavy libraries are imported inside the commands
