from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Discriminator, Field, Tag

from kpfnb.core import strict_yaml
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.strict_yaml import StrictModel


class Round(StrictModel):
    shape: Literal["round"] = Field(alias="is")
    radius: float = Field(gt=0)


class Flat(StrictModel):
    width: float = 1.0


Piece = Annotated[
    Annotated[Round, Tag("a round one")] | Annotated[Flat, Tag("a flat one")],
    Discriminator(lambda data: "a round one" if "is" in data else "a flat one"),
]


class Box(StrictModel):
    title: str
    pieces: tuple[Piece, ...] = ()


GOOD = """title: A box
pieces:
  - {is: round, radius: 2}
  - width: 3
"""


def read(text: str, tmp_path: Path) -> Box:
    path = tmp_path / "box.yml"
    path.write_text(text)
    document = strict_yaml.read_yaml(path, hint="correct it")
    return document.parse(Box, document.require_mapping("a box"))


def test_a_good_file(tmp_path: Path) -> None:
    box = read(GOOD, tmp_path)
    assert box.title == "A box"
    assert box.pieces == (Round(**{"is": "round"}, radius=2), Flat(width=3))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title", "titel", "line 1: titel: unknown key 'titel'; did you mean title?"),
        ("title: A box\n", "", "line 1: title: Field required"),
        ("radius: 2", "radius: 0", "line 3: pieces.0.radius: Input should be greater than 0"),
        ("radius: 2", "radius: .nan", "line 3: pieces.0.radius: Input should be"),
        (", radius: 2", "", "line 3: pieces.0.radius: Field required"),
        ("{is: round", "{si: round", "line 3: pieces.0.si: unknown key 'si'; known: width"),
        ("width", "depth", "line 4: pieces.1.depth: unknown key 'depth'; did you mean width?"),
        ("  - width: 3", "    width: 3", "line 4: did not find expected"),
        ("pieces", "title", "line 2: 'title' is repeated"),
        (GOOD, "- A box", "line 1: a box is a mapping"),
        (GOOD, "", " is empty"),
        (GOOD, "title: \x00", "can't be read"),
    ],
)
def test_an_error_names_its_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(GOOD.replace(old, new, 1), tmp_path)
    assert caught.value.what.startswith(str(tmp_path / "box.yml"))
    assert message in caught.value.what
    assert "correct it" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="can't be read"):
        strict_yaml.read_yaml(tmp_path / "none.yml", hint="write it")
