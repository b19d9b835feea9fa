"""A pipeline as it is written: steps, each a notebook with parameters, and what each step needs.

title: A night
parameters:
  night: {default: "20240115", help: "the night, YYYYMMDD (UT)"}
steps:
  look:
    notebook: progress
    parameters: {start: {parameter: night}}
  work:
    notebook: reprocess
    parameters: {observations: {step: look, value: missing}}
    when: {step: look, value: missing}
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    model_validator,
)

from kpfnb import project
from kpfnb.errors import BadInput

SUFFIX = ".yml"
FOLDER = "pipelines"

# A name becomes part of a directory's and a lock's name
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)]


class _Strict(BaseModel):
    """A mapping of the file; a key it does not know is named, with the nearest that it does."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _know_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"unknown key {key!r}; {nearest(key, cls.model_fields)}")
        return data


class FromParameter(_Strict):
    """The value of one of the pipeline's own parameters."""

    parameter: str


class FromStep(_Strict):
    """A value in an earlier step's result, by its path in `values`: `missing` or `counts.L1`."""

    step: str
    value: str


def _value_tag(value: Any) -> str:
    # No parameter of a notebook is a mapping, so a mapping is always a reference
    if isinstance(value, FromParameter) or (isinstance(value, dict) and "parameter" in value):
        return "from parameter"
    return "from step" if isinstance(value, (dict, FromStep)) else "literal"


Value = Annotated[
    Annotated[FromParameter, Tag("from parameter")]
    | Annotated[FromStep, Tag("from step")]
    | Annotated[Any, Tag("literal")],
    Discriminator(_value_tag),
]


class Declared(_Strict):
    """One parameter of the pipeline; its type is that of the notebook's parameter it goes to."""

    default: Any
    help: str = ""


class Step(_Strict):
    """One notebook with its parameters, and how it is run."""

    notebook: str
    title: str = ""
    parameters: dict[str, Value] = {}
    needs: list[str] = []
    when: FromStep | None = None
    """The step is not needed where this value is empty, zero or false; what needs it goes on."""
    retries: int = Field(0, ge=0, le=20)
    """More attempts after a failed or crashed one."""
    backoff_seconds: float = Field(10.0, ge=0)
    """The wait before the second attempt; it doubles with each further one."""
    timeout_seconds: float | None = Field(None, gt=0)

    def references(self) -> Iterator[FromStep]:
        """The values that it takes from other steps."""
        yield from (value for value in self.parameters.values() if isinstance(value, FromStep))
        if self.when:
            yield self.when

    def all_needs(self) -> list[str]:
        """The steps that must be done before: those in `needs`, and those it takes values from."""
        return list(dict.fromkeys([*self.needs, *(value.step for value in self.references())]))


class Pipeline(_Strict):
    """A pipeline that is sound by itself; `plan` checks it against the notebooks."""

    name: Name = "pipeline"
    title: str = ""
    lock: Name | None = None
    """Pipelines with the same lock never run at the same time; the lock is the name if empty."""
    parameters: dict[Name, Declared] = {}
    steps: dict[Name, Step] = Field(min_length=1)
    _source: str = PrivateAttr("")

    @property
    def source(self) -> str:
        """What `load` was given: its name, or the path of its file."""
        return self._source

    @model_validator(mode="after")
    def _is_sound(self) -> Pipeline:
        for name, step in self.steps.items():
            for need in step.all_needs():
                if need not in self.steps:
                    raise ValueError(
                        f"step {name}: needs the unknown step {need!r}; {nearest(need, self.steps)}"
                    )
            self._check_parameters(name, step)
        self.order()
        return self

    def _check_parameters(self, name: str, step: Step) -> None:
        for value in step.parameters.values():
            if isinstance(value, FromParameter) and value.parameter not in self.parameters:
                raise ValueError(
                    f"step {name}: the pipeline has no parameter {value.parameter!r}; "
                    + nearest(value.parameter, self.parameters)
                )

    def order(self) -> list[str]:
        """The steps' names, each after what it needs."""
        graph = {name: step.all_needs() for name, step in self.steps.items()}
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            path = " → ".join(error.args[1])
            raise ValueError(f"the steps need each other in a circle: {path}") from None

    def given(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters of the pipeline: those given, the others at their defaults."""
        for name in parameters:
            if name not in self.parameters:
                raise BadInput(
                    f"pipeline {self.name} has no parameter {name!r}",
                    nearest(name, self.parameters),
                )
        return {
            name: parameters.get(name, declared.default)
            for name, declared in self.parameters.items()
        }


def load(name: str) -> Pipeline:
    """The pipeline of that name in the project's `pipelines`, or in the YAML file of that path.

    `BadInput` names the file, the place in it and what is wrong there.
    """
    path = find(name)
    data = _read(path)
    if not isinstance(data, dict):
        raise BadInput(f"{path}: a pipeline is a mapping with title, parameters and steps")
    try:
        pipeline = Pipeline.model_validate({"name": path.stem, **data})
    except ValidationError as error:
        raise BadInput(f"{path}: {_first(error)}", "mend the file; nothing was run") from None
    pipeline._source = name
    return pipeline


def find(name: str) -> Path:
    """The file of a pipeline, from its name or its path."""
    if name.endswith((SUFFIX, ".yaml")):
        if Path(name).is_file():
            return Path(name)
        raise BadInput(f"no pipeline file {name}", f"known pipelines: {_known()}")
    known = project.files(FOLDER, SUFFIX)
    if name in known:
        return known[name]
    raise BadInput(f"no pipeline {name!r}", f"known pipelines: {_known()}")


def nearest(name: object, known: Iterable[str]) -> str:
    """A hint for a misspelt name: the nearest that is known, else all that are known."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}"


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key that stands twice is a mistake; plain PyYAML drops the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, once its keys are known to differ."""
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise BadInput(f"{path}: {line}{error.problem}", "mend the file; nothing was run") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadInput(f"{path} can't be read: {error}") from None


def _first(error: ValidationError) -> str:
    """The first problem with its place: `step look: parameters.start: what`."""
    problem = error.errors(include_url=False)[0]
    place = [str(part) for part in problem["loc"] if part not in ("from parameter", "from step")]
    if place[:1] == ["steps"] and len(place) > 1:
        place[:2] = [f"step {place[1]}"]
    head, rest = place[:1], ".".join(place[1:])
    return ": ".join(filter(None, [*head, rest, problem["msg"].removeprefix("Value error, ")]))


def _known() -> str:
    return ", ".join(project.files(FOLDER, SUFFIX)) or "none"
