"""YAML files that people write, read strictly: an error names the file, the line and the key.

document = read_yaml(path, hint="correct the file; nothing was run")
pipeline = document.parse(Pipeline, document.require_mapping("a pipeline"))
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from kpfnb.core.errors import InvalidInputError
from kpfnb.core.text import suggest_name

Model = TypeVar("Model", bound=BaseModel)
NodePath = tuple[str | int, ...]
"""The keys and item numbers that lead to a node."""

_UNKNOWN_KEY = "unknown_key"
"""The type of the error; its context has the `key`."""


class StrictModel(BaseModel):
    """A mapping in a file; an unknown key is an error that suggests the most similar known one."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in data if isinstance(data, dict) else ():
            if key not in known:
                what = f"unknown key {key!r}; {suggest_name(key, known)}"
                raise PydanticCustomError(_UNKNOWN_KEY, "{what}", {"what": what, "key": key})
        return data


@dataclass(frozen=True)
class YamlDocument:
    """The content of a file, with the line of each part.

    Attributes
    ----------
    hint : what to do about an error in the file
    """

    path: Path
    data: Any
    hint: str
    _node: yaml.Node

    def require_mapping(self, what: str) -> dict[Any, Any]:
        """The data, which must be a mapping; `what` names the content that the file should have."""
        if not isinstance(self.data, dict):
            raise self.error_at(f"{what} is a mapping")
        return self.data

    def parse(self, model: type[Model], data: Any, place: NodePath = ()) -> Model:
        """Some of the data as a model; `InvalidInputError` if they do not fit.

        Parameters
        ----------
        place : where in the file the data are
        """
        try:
            return model.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            location: NodePath = (*place, *first["loc"])
            if first["type"] == _UNKNOWN_KEY:
                location = (*location, first["ctx"]["key"])
            raise self.error_at(first["msg"].removeprefix("Value error, "), *location) from None

    def error_at(self, what: str, *place: str | int) -> InvalidInputError:
        """The error about a place in the file: it names the file, the line and the key."""
        node, path = _locate_node(self._node, place)
        key = f"{'.'.join(map(str, path))}: " if path else ""
        return InvalidInputError(f"{self.path}, line {_line_number(node)}: {key}{what}", self.hint)


def read_yaml(path: Path, *, hint: str) -> YamlDocument:
    """Read a file; `InvalidInputError` if it is empty, not YAML, or has a key twice."""
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
    """A repeated key is an error; PyYAML itself drops the first."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    what = f"{document.path}, line {_line_number(key)}: {key.value!r} is repeated"
                    raise InvalidInputError(what, document.hint)
                seen.add(key.value)
            _check_unique(document, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_unique(document, item)


def _locate_node(node: yaml.Node, place: NodePath) -> tuple[yaml.Node, NodePath]:
    """The node at a place (for the value of a key, the key), and the place as the file has it.

    pydantic's places also name the branches of a union, which are in no file: they are left out.
    """
    nearest, path = node, list[str | int]()
    for number, part in enumerate(place):
        child = _child_node(node, part)
        if child:
            nearest, node = child
        if child or number == len(place) - 1:
            path.append(part)
    return nearest, tuple(path)


def _child_node(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The node with the line of a part, and the node of its value."""
    if isinstance(node, yaml.MappingNode):
        return next((pair for pair in node.value if pair[0].value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _line_number(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
