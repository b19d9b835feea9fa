"""`kpfnb --help` shows each command, in its section, with a whole sentence."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.cli.commands import SECTIONS, SectionedGroup

ROOT: Any = typer.main.get_command(app)
GROUPS = [name for name, one in ROOT.commands.items() if hasattr(one, "commands")]


def shown_by(*words: str) -> str:
    return " ".join(CliRunner().invoke(app, words).output.split())


def test_each_command_is_in_one_section() -> None:
    assert isinstance(ROOT, SectionedGroup)
    listed = Counter(name for names in SECTIONS.values() for name in names)
    assert listed == Counter(ROOT.commands.keys())


def test_the_sections_have_titles() -> None:
    shown = shown_by("--help")
    for title in SECTIONS:
        assert f" {title}: " in shown
    assert "nothing is ever made." in shown


@pytest.mark.parametrize("words", [[], *([one] for one in GROUPS)], ids=" ".join)
def test_sentences_are_whole(words: list[str]) -> None:
    assert "..." not in shown_by(*words, "--help").replace("[ARGS]...", "")
