"""Parameters that are rarely changed are folded away, and come back when something is wrong."""

from __future__ import annotations

from typing import Any

from kpfnb.notebook.form import fields, layout
from kpfnb.notebook.parameters import parse_declarations

SOURCE = 'raw: "path" = ""\n# More\nsilence: "int[0, 60]" = 30\nforce: "bool" = False'


def arranged(source: str = SOURCE) -> tuple[list[fields.FormField], list[Any]]:
    made = [fields.make_field(each, each.default) for each in parse_declarations(source)]
    return made, layout.arrange_fields(made)


def test_a_button_shows_those_that_are_rarely_changed() -> None:
    (raw, silence, force), [row, button, box] = arranged()
    assert row is raw.row and box.children == (silence.row, force.row)
    assert box.layout.display == "none"
    assert button.description == "More parameters: silence, force"
    button.click()
    assert box.layout.display == "" and button.description == "Fewer parameters"
    button.click()
    assert box.layout.display == "none"


def test_the_button_says_what_is_changed() -> None:
    (_, _, force), [_, button, _] = arranged()
    force.write(True)
    assert button.description.endswith(" · changed: force")


def test_an_invalid_value_is_not_hidden() -> None:
    (_, silence, _), [_, button, box] = arranged()
    silence.write(61)
    assert box.layout.display == "" and button.description == "Fewer parameters"


def test_without_such_parameters_there_is_no_button() -> None:
    made, rows = arranged('raw: "path" = ""')
    assert rows == [made[0].row]
