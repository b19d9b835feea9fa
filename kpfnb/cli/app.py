"""The application behind the `kpfnb` command, and what all commands share.

Exit codes, from `kpfnb.core.result`: 0 succeeded, 1 failed, 2 rejected, 3 partial,
4 crashed, 5 skipped.
"""

from __future__ import annotations

import codecs
import errno
import importlib
import io
import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn, Protocol

import typer
from typer.core import TyperGroup

from kpfnb.cli.commands import SECTIONS
from kpfnb.core.errors import KpfnbError
from kpfnb.core.result import Outcome, to_jsonable

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]

USER_FIXABLE_ERRNOS = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR,
)  # fmt: skip
"""Errors of the system that the user can fix; all others are bugs of kpfnb."""
MAX_HELP_LENGTH = 1000
"""The maximum length of a command's first sentence in the help; long ones are wrapped."""


def _normalize_option(token: str) -> str:
    """`--print_files_2D`, as the old scripts spell it, means `--print-files-2d`."""
    return token.replace("_", "-").lower() if len(token) > 1 else token


class CommandGroup(TyperGroup):
    """A group of commands whose help shows the whole first sentence of each."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.commands[name].get_short_help_str(MAX_HELP_LENGTH)) for name in names]
            )


class SectionedGroup(CommandGroup):
    """All commands, in sections; the module of a command is imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands, imported or not."""
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None if there is none."""
        if cmd_name not in self.commands:
            # For a misspelled name typer suggests similar ones from all commands
            modules = {
                name: module for part in SECTIONS.values() for name, (module, _) in part.items()
            }
            for module in [modules[cmd_name]] if cmd_name in modules else modules.values():
                # The import registers the command with `app`
                importlib.import_module(f"kpfnb.cli.{module}")
            self.commands.update(typer.main.get_group(app).commands)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each section of the help."""
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, line) for name, (_, line) in section.items()])


app = typer.Typer(
    cls=SectionedGroup,
    help="Run the data processing of a spectrograph: every task is one notebook.",
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
    """Export the options to the environment: kernels and worker processes inherit them."""
    from kpfnb.core import settings

    settings.export_to_environment(data_root=data_root, work_dir=work_dir)


class HasOutcome(Protocol):
    """A result that a command can print and exit with."""

    @property
    def outcome(self) -> Outcome:
        """How the work ended; it has the exit code."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values, for `--json`; otherwise `str` is printed."""


def print_and_exit(result: HasOutcome, *, as_json: bool = False) -> NoReturn:
    """Print a result, and exit with the code of its outcome."""
    if as_json:
        print_json(result.to_dict())
    else:
        print(result)
    raise typer.Exit(result.outcome.exit_code)


def print_json(value: Any) -> None:
    """Print JSON; values that JSON can't express (such as NaN) become null or text."""
    print(json.dumps(to_jsonable(value), indent=1, ensure_ascii=False, allow_nan=False))


def main() -> None:
    """Run the command line; an error that the user can fix is one message, not a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("numbers", _escape_unencodable)
        sys.stdout.reconfigure(errors="numbers")
    try:
        app()
    except KpfnbError as error:
        from kpfnb.runs.classification import OUTCOME_BY_ERROR

        print(f"kpfnb: {error}", file=sys.stderr)
        sys.exit(OUTCOME_BY_ERROR.get(type(error).__name__, Outcome.FAILED).exit_code)
    except OSError as error:
        if error.errno not in USER_FIXABLE_ERRNOS:
            raise
        what = f"{error.filename or 'a file'}: {error.strerror}"
        message = KpfnbError(what, "get permission to use it, or free space on its disk")
        print(f"kpfnb: {message}", file=sys.stderr)
        sys.exit(Outcome.FAILED.exit_code)


def _escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    """Characters missing in the terminal's encoding, escaped as in JSON."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
