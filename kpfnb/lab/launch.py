"""The start of JupyterLab with kpfnb's pages and a person's working copies of the notebooks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tornado.ioloop import IOLoop

from kpfnb.core import project, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.project import PROJECT_VARIABLE
from kpfnb.lab import PREFIX, working_copies

CONFIG_PATH_VARIABLE = "JUPYTER_CONFIG_PATH"
NOTEBOOKS_FOLDER = "notebooks"
PACKAGE = Path(__file__).parent
REQUEST_SECONDS = 2
"""How long a request may still take when the server has stopped, before it is cancelled."""


def start_lab(
    *, port: int | None = None, ip: str = "", browser: bool = True, arguments: Sequence[str] = ()
) -> None:
    """Run JupyterLab until it is stopped; the browser opens at kpfnb's home page.

    arguments : further arguments of JupyterLab
    """
    directory, lines = prepare_copies()
    print(f"Your working copies of the notebooks: {directory}")
    for line in lines:
        print(line)
    export_project()
    from jupyterlab.labapp import LabApp

    command = lab_arguments(directory, port=port, ip=ip, browser=browser)
    try:
        LabApp.launch_instance([*command, *arguments])
    finally:
        end_requests()


def end_requests() -> None:
    """End what the server was still answering when it stopped, such as the saving of a file.

    Jupyter reads files in threads that end with the request that began them: Python would wait for
    them for ever.
    """
    current: Any = IOLoop.current(instance=False)
    if current is None:
        return
    loop: asyncio.AbstractEventLoop = current.asyncio_loop
    _wait_for_tasks(loop)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    _wait_for_tasks(loop)


def _wait_for_tasks(loop: asyncio.AbstractEventLoop) -> None:
    if tasks := asyncio.all_tasks(loop):
        loop.run_until_complete(asyncio.wait(tasks, timeout=REQUEST_SECONDS))


def prepare_copies() -> tuple[Path, list[str]]:
    """The directory of the user's working copies, up to date, and what the user should know."""
    notebooks = project.project_files(NOTEBOOKS_FOLDER, ".ipynb")
    if not notebooks:
        searched = ", ".join(map(str, project.project_dirs(NOTEBOOKS_FOLDER)))
        raise InvalidInputError(f"no notebooks in {searched}", "reinstall kpfnb")
    directory = working_copies.prepare_directory(settings.load_settings().work_dir)
    return directory, working_copies.update_copies(directory, notebooks.values())


def export_project() -> None:
    """Set the environment that kernels inherit: they start in another directory than this one."""
    current = settings.load_settings()
    os.environ[PROJECT_VARIABLE] = str(project.project_dir().absolute())
    settings.export_to_environment(work_dir=current.work_dir)
    settings.export_relative_paths(current)
    paths = [str(PACKAGE / "config"), os.environ.get(CONFIG_PATH_VARIABLE, "")]
    os.environ[CONFIG_PATH_VARIABLE] = os.pathsep.join(filter(None, paths))


def lab_arguments(
    directory: Path, *, port: int | None = None, ip: str = "", browser: bool = True
) -> list[str]:
    """The arguments of JupyterLab."""
    command = [
        f"--ServerApp.root_dir={directory}",
        f"--LabApp.default_url=/{PREFIX}",
        # The extension of this package, also if an older one is installed
        f"--LabApp.extra_labextensions_path={PACKAGE / 'labextensions'}",
    ]
    command += [f"--port={port}"] if port is not None else []
    command += [f"--ip={ip}"] if ip else []
    command += [] if browser else ["--no-browser"]
    command += ["--allow-root"] if os.getuid() == 0 else []
    return command
