"""The command that starts JupyterLab."""

from __future__ import annotations

from typing import Annotated

import typer

from kpfnb.cli.app import app


@app.command()
def lab(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Further arguments of JupyterLab, after `--`.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=0, help="Port; the next free one from 8888 if not given.")
    ] = None,
    ip: Annotated[str, typer.Option(help="Address to listen on; only this machine if empty.")] = "",
) -> None:
    """Open JupyterLab at kpfnb's home page, with your own working copies of the notebooks.

    The copies are in <work_dir>/lab/<user>. A copy that you have not changed follows the package; a
    changed one is kept, and the new version is put beside it.

    Example: kpfnb lab --no-browser --port 8890
    """
    from kpfnb.lab.launch import start_lab

    start_lab(port=port, ip=ip, browser=not no_browser, arguments=arguments or ())
