"""`kpfnb services`: the embedded servers for one machine."""

from __future__ import annotations

from typing import Annotated

import typer

from kpfnb.cli.app import CommandGroup, Json, app, print_json
from kpfnb.compute.services import SERVICE_NAMES, ServiceStatus, get_service

services_app = typer.Typer(
    cls=CommandGroup,
    help="Start, stop and show the services of this work directory.\n\n"
    "Example: kpfnb services status",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(services_app, name="services")

Names = Annotated[list[str] | None, typer.Argument(help=f"Services: {', '.join(SERVICE_NAMES)}.")]


@services_app.command()
def start(names: Names = None, as_json: Json = False) -> None:
    """Start services, by default all; commands that need one start it themselves.

    Example: kpfnb services start valkey
    """
    _print_services(
        [get_service(name).start_server() for name in names or SERVICE_NAMES], as_json=as_json
    )


@services_app.command()
def stop(names: Names = None, as_json: Json = False) -> None:
    """Stop services, by default all; their data stay on disk.

    Example: kpfnb services stop
    """
    _print_services(
        [get_service(name).stop_server() for name in names or SERVICE_NAMES], as_json=as_json
    )


@services_app.command()
def status(names: Names = None, as_json: Json = False) -> None:
    """Show which services run, and their addresses; nothing is started.

    Example: kpfnb services status --json
    """
    _print_services(
        [get_service(name).server_status() for name in names or SERVICE_NAMES], as_json=as_json
    )


def _print_services(services: list[ServiceStatus], *, as_json: bool) -> None:
    if as_json:
        print_json([service.to_dict() for service in services])
        return
    for service in services:
        print(service)
