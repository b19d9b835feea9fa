"""YAML files that people write, read strictly: each mistake is told with its file, line and place.

document = yamlfile.read(path, hint="mend the file; nothing was run")
pipeline = document.parse(Pipeline, document.mapping("a pipeline"))
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from kpfnb.core.errors import InvalidInputError

Model = TypeVar("Model", bound=BaseModel)
NodePath = tuple[str | int, ...]
"""Keys and numbers of items that lead to a node."""

_UNKNOWN_KEY = "unknown_key"
"""The type of the error; its context has the `key`."""


class StrictModel(BaseModel):
    """A mapping of a file; a key it does not know is named, with the nearest that it does."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _know_keys(cls, data: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in data if isinstance(data, dict) else ():
            if key not in known:
                what = f"unknown key {key!r}; {suggest_name(key, known)}"
                raise PydanticCustomError(_UNKNOWN_KEY, "{what}", {"what": what, "key": key})
        return data


def suggest_name(name: object, known: Iterable[str]) -> str:
    """A hint for a misspelt name: the nearest that is known, else all that are known."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}"


@dataclass(frozen=True)
class YamlDocument:
    """What a file says, and where it says it.

    Attributes
    ----------
    hint : what to do about a mistake, for the error
    """

    path: Path
    data: Any
    hint: str
    _node: yaml.Node

    def require_mapping(self, what: str) -> dict[Any, Any]:
        """The data, which must be a mapping; `what` says in the error what the file should be."""
        if not isinstance(self.data, dict):
            raise self.error_at(f"{what} is a mapping")
        return self.data

    def parse(self, model: type[Model], data: Any, place: NodePath = ()) -> Model:
        """The model of some of the data, those at `place`; `InvalidInputError` where they are wrong."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where: NodePath = (*place, *first["loc"])
            if first["type"] == _UNKNOWN_KEY:
                where = (*where, first["ctx"]["key"])
            raise self.error_at(first["msg"].removeprefix("Value error, "), *where) from None

    def error_at(self, what: str, *place: str | int) -> InvalidInputError:
        """The error about what stands at a place."""
        node, shown = _locate_node(self._node, place)
        where = f"{'.'.join(map(str, shown))}: " if shown else ""
        return InvalidInputError(
            f"{self.path}, line {_line_number(node)}: {where}{what}", self.hint
        )


def read_yaml(path: Path, *, hint: str) -> YamlDocument:
    """Read a file. `InvalidInputError` where it is empty, no YAML, or a key stands twice in it."""
    try:
        loader = yaml.CSafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is None:
            raise InvalidInputError(f"{path} is empty", hint)
        document = YamlDocument(path, loader.construct_document(node), hint, node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise InvalidInputError(f"{path}{line}: {error.problem}", hint) from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InvalidInputError(f"{path} can't be read: {error}", hint) from None
    _check_unique(document, node)
    return document


def _check_unique(document: YamlDocument, node: yaml.Node) -> None:
    """A key that stands twice is a mistake; plain PyYAML drops the first."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    what = f"{document.path}, line {_line_number(key)}: {key.value!r} stands twice"
                    raise InvalidInputError(what, document.hint)
                seen.add(key.value)
            _check_unique(document, value)
    elif isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _check_unique(document, one)


def _locate_node(node: yaml.Node, place: NodePath) -> tuple[yaml.Node, NodePath]:
    """The node nearest to a place (of a key's value, the key), and the place as it is written.

    A place may hold names that are in no file, those of the branches of a union: they are left out.
    """
    found, shown = node, list[str | int]()
    for number, part in enumerate(place):
        below = _child_node(node, part)
        if below:
            found, node = below
        if below or number == len(place) - 1:
            shown.append(part)
    return found, tuple(shown)


def _child_node(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The node that tells the place of a part, and its value."""
    if isinstance(node, yaml.MappingNode):
        return next((pair for pair in node.value if pair[0].value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _line_number(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
