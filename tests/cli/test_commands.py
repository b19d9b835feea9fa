"""`kpfnb --help` shows each command, in its section, with a complete sentence."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from kpfnb.cli.app import MAX_HELP_LENGTH, SectionedGroup, app
from kpfnb.cli.commands import SECTIONS

ROOT: Any = typer.main.get_command(app)
HELP_LINES = {name: line for part in SECTIONS.values() for name, (_, line) in part.items()}
LOADED: dict[str, Any] = {name: ROOT.get_command(None, name) for name in HELP_LINES}
GROUPS = [name for name, command in LOADED.items() if hasattr(command, "commands")]


def help_text(*words: str) -> str:
    return " ".join(CliRunner().invoke(app, [*words, "--help"]).output.split())


def test_the_table_has_every_command_once() -> None:
    assert isinstance(ROOT, SectionedGroup)
    assert set(ROOT.commands) == set(HELP_LINES)
    assert len(HELP_LINES) == sum(map(len, SECTIONS.values()))


@pytest.mark.parametrize("name", HELP_LINES)
def test_the_help_line_is_the_first_sentence_of_the_command(name: str) -> None:
    assert HELP_LINES[name] == LOADED[name].get_short_help_str(MAX_HELP_LENGTH)


def test_a_command_imports_only_its_own_module() -> None:
    code = (
        "import sys\n"
        "from kpfnb.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *[name for name in sys.modules if name.startswith('kpfnb.cli.')])"
    )
    command = [sys.executable, "-c", code, "services", "--help"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    loaded = output.splitlines()[-1].split()[1:]
    assert set(loaded) == {"kpfnb.cli.app", "kpfnb.cli.commands", "kpfnb.cli.services"}


def test_the_sections_have_titles() -> None:
    shown = help_text()
    for title in SECTIONS:
        assert f" {title}: " in shown


@pytest.mark.parametrize("words", [[], *([name] for name in GROUPS)], ids=" ".join)
def test_help_sentences_are_complete(words: list[str]) -> None:
    assert "..." not in help_text(*words).replace("[ARGS]...", "")
