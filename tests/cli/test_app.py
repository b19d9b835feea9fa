"""The command line: examples that work, quick answers, errors without tracebacks."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import kpfnb.cli.app
from kpfnb.cli.app import app
from kpfnb.core.errors import (
    AlreadyRunningError,
    InvalidInputError,
    KpfnbError,
    ServiceUnavailableError,
)
from kpfnb.core.result import Outcome

HEAVY = ["pandas", "numpy", "astropy", "dask", "distributed", "matplotlib", "papermill", "pypeit"]

root: Any = typer.main.get_command(app)
for name in root.list_commands(None):
    root.get_command(None, name)
runner = CliRunner()


def walk(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command and sub-command with the words that call it."""
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from walk(below, (*words, name))


EVERY = dict(walk(root))
WORKING = {
    words: command
    for words, command in EVERY.items()
    if words and (not hasattr(command, "commands") or command.invoke_without_command)
}


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help(words: tuple[str, ...]) -> None:
    done = runner.invoke(app, [*words, "--help"])
    assert done.exit_code == 0, done.output
    assert EVERY[words].help, "no word about what it does"


@pytest.mark.parametrize("words", WORKING, ids=" ".join)
def test_help_has_an_example_that_the_command_understands(words: tuple[str, ...]) -> None:
    done = runner.invoke(app, [*words, "--help"])
    command = WORKING[words]
    match = re.search(r"^Example: (.+)$", command.help, re.MULTILINE)
    assert match, f"{' '.join(words)} has no example"
    assert "Example: kpfnb" in done.output
    example = shlex.split(match[1])
    assert example[: len(words) + 1] == ["kpfnb", *words]
    parent = root.make_context("kpfnb", [*words], resilient_parsing=True)
    command.make_context(words[-1], example[len(words) + 1 :], parent=parent).close()


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_option_is_explained(words: tuple[str, ...]) -> None:
    silent = [option.name for option in EVERY[words].params if not getattr(option, "help", "")]
    assert silent == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["progress", "20240115", "--print_files_2D"],
        ["progress", "20240115", "--print_files"],
        ["progress", "20240115", "--Print-Files-L1"],
    ],
)
def test_the_spelling_of_the_old_scripts(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "data/L0/20240115").mkdir(parents=True)
    done = runner.invoke(app, arguments)
    assert "No such option" not in done.output
    # The night has no files
    assert done.exit_code == 5, done.output


def _imported(arguments: list[str], folder: Path) -> set[str]:
    """The heavy libraries that the command has loaded when it is done."""
    code = (
        "import sys\n"
        "from kpfnb.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('LOADED', *[name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "arguments", [["--help"], ["doctor", "--help"], ["progress", "--help"], ["run", "--help"]]
)
def test_the_command_answers_without_heavy_libraries(tmp_path: Path, arguments: list[str]) -> None:
    assert _imported(arguments, tmp_path) == set()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInputError("no such night", "give another"), 2),
        (AlreadyRunningError("somebody is at it"), 5),
        (ServiceUnavailableError("redis does not answer"), 1),
    ],
)
def test_a_mistake_is_one_message_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: KpfnbError,
    code: int,
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(kpfnb.cli.app, "app", fails)
    with pytest.raises(SystemExit) as caught:
        kpfnb.cli.app.main()
    assert caught.value.code == code
    output = capsys.readouterr()
    assert output.err == f"kpfnb: {error}\n"
    assert output.out == ""


def test_a_terminal_of_few_letters_gets_the_numbers_of_the_others(tmp_path: Path) -> None:
    place = tmp_path / "Kea é ✔ 🔭"
    script = "from kpfnb.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--work-dir", str(place), "doctor", "--json"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    report = json.loads(done.stdout.decode("ascii"))
    assert str(place) in [setting["value"] for setting in report["settings"]], done.stderr


class Measured:
    """A result with values that are not numbers."""

    outcome = Outcome.PARTIAL

    def to_dict(self) -> dict[str, Any]:
        return {"rv": float("nan"), "snr": [1.5, float("inf")], "file": Path("/a"), "é": Outcome}


def test_what_other_programs_get_is_json_by_its_rules(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        kpfnb.cli.app.print_and_exit(Measured(), as_json=True)
    assert ended.value.exit_code == 3
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert report == {"rv": None, "snr": [1.5, None], "file": "/a", "é": list(Outcome)}


def test_an_os_error_is_one_message_with_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/data/nights")

    monkeypatch.setattr(kpfnb.cli.app, "app", fails)
    with pytest.raises(SystemExit) as caught:
        kpfnb.cli.app.main()
    assert caught.value.code == 1
    message = capsys.readouterr().err
    assert message.startswith("kpfnb: /data/nights: Permission denied\n") and "→" in message


def test_a_file_that_kpfnb_itself_misses_is_a_defect_to_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "template.html")

    monkeypatch.setattr(kpfnb.cli.app, "app", fails)
    with pytest.raises(FileNotFoundError):
        kpfnb.cli.app.main()


def test_root_options_win_over_the_environment(tmp_path: Path) -> None:
    done = runner.invoke(app, ["--work-dir", "elsewhere", "doctor"])
    assert f"{tmp_path / 'elsewhere'}" in done.output


@pytest.mark.parametrize("arguments", [["dcotor"], ["doctor", "--jsn"]])
def test_a_misspelt_word_is_refused(arguments: list[str]) -> None:
    done = runner.invoke(app, arguments)
    assert done.exit_code == 2
    assert arguments[-1] in done.output
