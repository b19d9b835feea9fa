"""The specification of a pipeline: steps, each a notebook with parameters, and what each needs.

title: A night
parameters:
  night: {default: "20240115", help: "the night, YYYYMMDD (UT)"}
steps:
  check:
    notebook: progress
    parameters: {start: {parameter: night}}
  process:
    notebook: reprocess
    parameters: {observations: {step: check, value: missing}}
    when: {step: check, value: missing}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, PrivateAttr, Tag, model_validator

from kpfnb.core import project, strict_yaml
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.strict_yaml import StrictModel
from kpfnb.core.text import suggest_name

SUFFIX = ".yml"
FOLDER = "pipelines"

# A name becomes part of a directory's and a lock's name
SpecName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)]


class FromParameter(StrictModel):
    """The value of one of the pipeline's own parameters."""

    parameter: str


class FromStep(StrictModel):
    """A value in an earlier step's result, by its path in `values`: `missing` or `counts.L1`."""

    step: str
    value: str


def _value_tag(value: Any) -> str:
    # No parameter of a notebook is a mapping, so a mapping is always a reference
    if isinstance(value, FromParameter) or (isinstance(value, dict) and "parameter" in value):
        return "from parameter"
    return "from step" if isinstance(value, (dict, FromStep)) else "literal"


ParameterValue = Annotated[
    Annotated[FromParameter, Tag("from parameter")]
    | Annotated[FromStep, Tag("from step")]
    | Annotated[Any, Tag("literal")],
    Discriminator(_value_tag),
]


class DeclaredParameter(StrictModel):
    """One parameter of the pipeline; it has the type of the notebook parameter that it sets."""

    default: Any
    help: str = ""


class PipelineStep(StrictModel):
    """One notebook with its parameters, and how it is run."""

    notebook: str
    title: str = ""
    parameters: dict[str, ParameterValue] = {}
    needs: list[str] = []
    after: list[str] = []
    """Steps that must end first, with any outcome; those in `needs` must have succeeded."""
    when: FromStep | None = None
    """The step is skipped if this value is empty, zero or false; its dependents still run."""
    retries: int = Field(0, ge=0, le=20)
    """Number of further attempts after a failed or crashed one."""
    backoff_seconds: float = Field(10.0, ge=0)
    """The delay before the second attempt; it doubles with each further one."""
    timeout_seconds: float | None = Field(None, gt=0)

    def references(self) -> Iterator[FromStep]:
        """The values that the step takes from other steps."""
        yield from (value for value in self.parameters.values() if isinstance(value, FromStep))
        if self.when:
            yield self.when

    def required_steps(self) -> list[str]:
        """The steps that must succeed first: those in `needs`, and those it takes values from."""
        return list(dict.fromkeys([*self.needs, *(value.step for value in self.references())]))

    def preceding_steps(self) -> list[str]:
        """The steps that must end first: the required ones, and those in `after`."""
        return list(dict.fromkeys([*self.required_steps(), *self.after]))


class Pipeline(StrictModel):
    """A pipeline that is valid by itself; `make_plan` checks it against the notebooks."""

    name: SpecName = "pipeline"
    title: str = ""
    lock: SpecName | None = None
    """Pipelines with the same lock never run at the same time; by default the lock is the name."""
    parameters: dict[SpecName, DeclaredParameter] = {}
    steps: dict[SpecName, PipelineStep] = Field(min_length=1)
    _source: str = PrivateAttr("")

    @property
    def source(self) -> str:
        """The argument of `load_pipeline`: its name, or the path of its file."""
        return self._source

    @model_validator(mode="after")
    def _check_steps(self) -> Pipeline:
        for name, step in self.steps.items():
            for need in step.preceding_steps():
                if need not in self.steps:
                    hint = suggest_name(need, self.steps)
                    raise ValueError(f"step {name}: needs the unknown step {need!r}; {hint}")
            self._check_parameters(name, step)
        self.order()
        return self

    def _check_parameters(self, name: str, step: PipelineStep) -> None:
        for value in step.parameters.values():
            if isinstance(value, FromParameter) and value.parameter not in self.parameters:
                raise ValueError(
                    f"step {name}: the pipeline has no parameter {value.parameter!r}; "
                    + suggest_name(value.parameter, self.parameters)
                )

    def order(self) -> list[str]:
        """The names of the steps, each after the steps that it needs."""
        graph = {name: step.preceding_steps() for name, step in self.steps.items()}
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            path = " → ".join(error.args[1])
            raise ValueError(f"the steps depend on each other in a circle: {path}") from None

    def complete_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters of the pipeline: the given values, and defaults for the others."""
        for name in parameters:
            if name not in self.parameters:
                raise InvalidInputError(
                    f"pipeline {self.name} has no parameter {name!r}",
                    suggest_name(name, self.parameters),
                )
        return {
            name: parameters.get(name, declared.default)
            for name, declared in self.parameters.items()
        }


def load_pipeline(name: str) -> Pipeline:
    """Load a pipeline by its name in the project's `pipelines`, or by the path of its file.

    `InvalidInputError` names the file, the position and the error.
    """
    path = find_pipeline(name)
    document = strict_yaml.read_yaml(path, hint="correct the file; nothing was run")
    data = document.require_mapping("a pipeline")
    pipeline = document.parse(Pipeline, {"name": path.stem, **data})
    pipeline._source = name
    return pipeline


def find_pipeline(name: str) -> Path:
    """The file of a pipeline, by its name or its path."""
    if name.endswith((SUFFIX, ".yaml")):
        if Path(name).is_file():
            return Path(name)
        raise InvalidInputError(f"no pipeline file {name}", f"known pipelines: {_known_names()}")
    known = project.project_files(FOLDER, SUFFIX)
    if name in known:
        return known[name]
    raise InvalidInputError(f"no pipeline {name!r}", f"known pipelines: {_known_names()}")


def _known_names() -> str:
    return ", ".join(project.project_files(FOLDER, SUFFIX)) or "none"
