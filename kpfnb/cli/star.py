"""The command for the pages of stars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kpfnb.cli.app import Json, app, print_json
from kpfnb.core.text import format_count

if TYPE_CHECKING:
    from kpfnb.kpf.timeseries.star_names import Star


@app.command()
def star(
    name: Annotated[
        str, typer.Argument(help="OBJECT or TARGNAME; case, spaces and HD do not count.")
    ] = "",
    list_only: Annotated[
        bool, typer.Option("--list", help="List the stars; write nothing.")
    ] = False,
    all_stars: Annotated[
        bool, typer.Option("--all", help="Write the pages of all stars, and their index.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the page of a star: its radial velocities over all nights.

    Example: kpfnb star "HD 10700"
    """
    from kpfnb.core.errors import InvalidParameterError
    from kpfnb.kpf.timeseries import star, star_names, star_velocities

    if [bool(name), list_only, all_stars].count(True) != 1:
        raise InvalidParameterError("give one of NAME, --list and --all", "list: kpfnb star --list")
    if all_stars:
        pages = list(map(str, star.write_all_star_pages()))
        print_json({"pages": pages}) if as_json else print(format_count(len(pages), "page"))
        return
    stars = star_names.list_stars()
    if list_only:
        _list_stars(stars, as_json=as_json)
        return
    result = star_velocities.read_star(name, stars)
    page = star.write_velocities_page(result)
    star.write_star_index(stars)
    if as_json:
        print_json({**result.to_dict(), "page": str(page)})
    else:
        print(f"{result}\n  see {page}")
    raise typer.Exit(result.outcome.exit_code)


def _list_stars(stars: list[Star], *, as_json: bool) -> None:
    if as_json:
        names = ("name", "observations", "nights", "first", "last")
        print_json([{name: getattr(one, name) for name in names} for one in stars])
        return
    for one in stars:
        observations = format_count(one.observations, "observation")
        nights = format_count(one.nights, "night")
        print(f"{one.name:<24} {observations:>18} {nights:>12}  {one.first} to {one.last}")
    print(format_count(len(stars), "star"))
