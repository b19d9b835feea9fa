"""`kpfnb pipeline`: run pipelines of notebooks, list them and show them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from kpfnb.cli.app import CommandGroup, DryRun, Json, app, print_json
from kpfnb.cli.runs import ParameterFiles, Parameters, parse_parameters
from kpfnb.core.result import Outcome

if TYPE_CHECKING:
    from kpfnb.pipelines.plan import PipelinePlan
    from kpfnb.pipelines.run_record import PipelineRun
    from kpfnb.pipelines.spec import PipelineStep
    from kpfnb.pipelines.step_state import StepState

pipeline_app = typer.Typer(
    cls=CommandGroup,
    help="Run, list and show pipelines of notebooks.\n\n"
    "Example: kpfnb pipeline run nightly -p start=20240115",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(pipeline_app, name="pipeline")

Jobs = Annotated[int, typer.Option(min=1, help="Number of steps at once.")]
Wait = Annotated[
    float,
    typer.Option(
        "--lock-timeout",
        "--wait",
        min=0,
        help="Wait up to this time [s] for another run of it to end.",
    ),
]
Name = Annotated[str, typer.Argument(help="Name of a pipeline, or the path of its YAML file.")]


@pipeline_app.command()
def run(
    name: Name,
    parameter: Parameters = None,
    file: ParameterFiles = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the last run: finished steps are not repeated."),
    ] = False,
    dry_run: DryRun = False,
    jobs: Jobs = 2,
    wait: Wait = 0,
    as_json: Json = False,
) -> None:
    """Run a pipeline; the exit code is that of its outcome.

    With --resume the last run with the same parameters is continued: steps that succeeded are not
    run again, unless their notebook, parameters or settings, or a step that they need, has changed.

    Example: kpfnb pipeline run nightly -p start=20240101 -p end=20240131 --resume
    """
    values = parse_parameters(file, parameter)
    run_and_exit(
        name, values, resume=resume, dry_run=dry_run, jobs=jobs, wait=wait, as_json=as_json
    )


@pipeline_app.command("list")
def list_pipelines(as_json: Json = False) -> None:
    """List the pipelines of this project.

    Example: kpfnb pipeline list
    """
    from kpfnb.core.project import project_files
    from kpfnb.pipelines import spec

    files = project_files(spec.FOLDER, spec.SUFFIX)
    pipelines = [spec.load_pipeline(str(path)) for path in files.values()]
    if as_json:
        print_json([pipeline.model_dump(mode="json") for pipeline in pipelines])
        return
    for pipeline in pipelines:
        print(f"{pipeline.name}: {pipeline.title}".rstrip(": "))
        print(f"    {' → '.join(pipeline.order())}")


@pipeline_app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show a pipeline: its parameters, its steps in order, and what each needs.

    Example: kpfnb pipeline show nightly
    """
    from kpfnb.pipelines import spec
    from kpfnb.runs import formatting

    pipeline = spec.load_pipeline(name)
    if as_json:
        print_json(pipeline.model_dump(mode="json"))
        return
    print(f"{pipeline.name}: {pipeline.title}".rstrip(": "))
    for parameter, declared in pipeline.parameters.items():
        print(f"  -p {parameter}={formatting.format_value(declared.default)}  {declared.help}")
    for number, step in enumerate(pipeline.order(), 1):
        _print_step(number, step, pipeline.steps[step])


def run_and_exit(
    name: str,
    given: Mapping[str, Any],
    *,
    resume: bool,
    dry_run: bool,
    jobs: int,
    wait: float,
    as_json: bool,
) -> NoReturn:
    """Run a pipeline, print its progress, and exit with the exit code of its outcome."""
    from kpfnb.core import logs
    from kpfnb.pipelines import runner
    from kpfnb.pipelines.plan import make_plan
    from kpfnb.pipelines.spec import load_pipeline

    logs.log_to_console()
    plan = make_plan(load_pipeline(name), given)
    if dry_run:
        _print_plan(plan, resume=resume, as_json=as_json)
        raise typer.Exit
    result = runner.run_pipeline(
        plan,
        jobs=jobs,
        resume=resume,
        wait_seconds=wait,
        notify=_print_nothing if as_json else _print_progress,
    )
    _print_end(result, as_json=as_json)
    raise typer.Exit((result.outcome or Outcome.CRASHED).exit_code)


def _print_plan(plan: PipelinePlan, *, resume: bool, as_json: bool) -> None:
    """Print what a run would do; nothing is run or written."""
    from kpfnb.pipelines import runner

    earlier = runner.find_resumable(plan) if resume else None
    states = runner.preview_steps(plan, earlier)
    if as_json:
        steps = [state.to_dict() for state in states.values()]
        print_json({"pipeline": plan.pipeline.name, "parameters": plan.parameters, "steps": steps})
        return
    print(f"{plan.pipeline.name}, dry run: nothing is run")
    if earlier:
        print(f"  continues run {earlier.record.id} of {earlier.record.started}")
    for number, (name, state) in enumerate(states.items(), 1):
        word = state.word if state.is_settled else "to run"
        _print_step(number, name, plan.step(name), word=word, values=plan.parameters)


def _print_step(
    number: int,
    name: str,
    step: PipelineStep,
    *,
    word: str = "",
    values: dict[str, Any] | None = None,
) -> None:
    from kpfnb.pipelines.spec import FromParameter, FromStep
    from kpfnb.runs.formatting import format_value

    title = f": {step.title}" if step.title else ""
    print(f"{number}. {name}{title}" + (f" ({word})" if word else ""))
    print(f"     notebook: {step.notebook}")
    for parameter, value in step.parameters.items():
        if isinstance(value, FromStep):
            text = f"{value.value} of {value.step}"
        elif isinstance(value, FromParameter):
            text = format_value(values[value.parameter]) if values else f"-p {value.parameter}"
        else:
            text = format_value(value)
        print(f"     {parameter} = {text}")
    conditions = {
        "after": ", ".join(step.preceding_steps()),
        "only if not empty": f"{step.when.value} of {step.when.step}" if step.when else "",
        "more attempts": f"{step.retries}, the first after {step.backoff_seconds:g} s"
        if step.retries
        else "",
        "stopped after": f"{step.timeout_seconds:g} s" if step.timeout_seconds else "",
    }
    for condition, text in conditions.items():
        if text:
            print(f"     {condition}: {text}")


def _print_end(run: PipelineRun, *, as_json: bool) -> None:
    from kpfnb.core import settings
    from kpfnb.pipelines import page
    from kpfnb.runs import formatting

    if as_json:
        print_json(run.to_dict())
        return
    record, word = run.record, formatting.outcome_word(run.record)
    if run.nothing_to_do:
        for state in run.states.values():
            print(page.step_line(state))
        started = formatting.run_context(record, settings.load_settings().zone)["started"]
        print(f"nothing to do: run {record.id} of {started} is complete")
    else:
        print(f"{formatting.OUTCOME_SIGNS[word]} {record.notebook} {word}: {record.reason}")
    for step, values in run.load_results().items():
        if step_page := values.get("page"):
            print(f"{step}: {step_page}")
    print(f"report: {run.page}")


def _print_progress(state: StepState) -> None:
    from kpfnb.pipelines import page

    if state.is_settled or state.reason:
        print(page.step_line(state), flush=True)
    elif sys.stderr.isatty():
        print(f"{page.step_line(state)} …", file=sys.stderr, flush=True)


def _print_nothing(state: StepState) -> None:
    """With --json only the end is printed."""
