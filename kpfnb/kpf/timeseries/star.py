"""The pages of stars in the site of the time series: radial velocities over all nights.

They need no scripts. An observation leads to its quicklook page, if that exists.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from kpfnb.core import atomic, settings
from kpfnb.core.clock import format_utc, utc_now
from kpfnb.core.text import format_count
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.quicklook.page_files import observation_page
from kpfnb.kpf.timeseries import site, star_plot
from kpfnb.kpf.timeseries.star_names import Star, list_stars, name_key
from kpfnb.kpf.timeseries.star_velocities import (
    StarVelocities,
    VelocityGroup,
    read_star,
    read_stars,
)
from kpfnb.runs import formatting

PAGE = "index.html"
MAX_FOLDER_NAME = 80

_PLAIN_NAME = re.compile(r"[a-z0-9+.]+")


def write_star_page(name: str) -> Path:
    """Write the page of a star and the index of all stars; returns the page.

    name : as people type it; OBJECT or TARGNAME

    Raises
    ------
    InvalidParameterError : there is no such star; the message suggests names
    InvalidInputError : there is no database, or no star in it
    """
    stars = list_stars()
    page = write_velocities_page(read_star(name, stars))
    write_star_index(stars)
    return page


def write_all_star_pages() -> list[Path]:
    """Write the pages of all stars, and their index; returns the pages."""
    stars = list_stars()
    pages = [write_velocities_page(result) for result in read_stars(stars)]
    write_star_index(stars)
    return pages


def star_page(star: Star) -> Path:
    """Where the page of a star is."""
    return stars_folder() / _folder_name(star.key) / PAGE


def find_star_page(name: str) -> Path | None:
    """The existing page of a star by the OBJECT or TARGNAME of a header; None without one.

    It only looks at the disk, so that other pages can ask for every observation.
    """
    page = stars_folder() / _folder_name(name_key(name)) / PAGE
    return page if page.is_file() else None


def stars_folder() -> Path:
    """The directory of the pages of stars."""
    return site.site_folder() / site.STARS_FOLDER


def write_velocities_page(result: StarVelocities) -> Path:
    """Write the page of a star from its velocities."""
    page = star_page(result.star)
    link = observation_links(page.parent)
    site.write_style_sheets(site.site_folder())
    atomic.write_text_if_changed(page, render_star(result, link))
    return page


def write_star_index(stars: Sequence[Star]) -> Path:
    """Write the page of all stars."""
    path = stars_folder() / PAGE
    template = formatting.template_environment().get_template("stars.html")
    observations = format_count(sum(star.observations for star in stars), "observation")
    rows = [
        {
            **star._asdict(),
            "link": f"{_folder_name(star.key)}/{PAGE}" if star_page(star).is_file() else "",
        }
        for star in stars
    ]
    text = template.render(
        stars=rows,
        summary=f"{format_count(len(stars), 'star')}, {observations}",
        written=site.local_time(format_utc(utc_now())),
    )
    atomic.write_text_if_changed(path, text)
    # Its index leads to the stars
    site.update_site(site.site_folder(), [])
    return path


def observation_links(folder: Path) -> Callable[[str], str]:
    """The links from a directory to the quicklook pages of observations; '' without a page."""
    products = settings.load_settings().qlp_path

    def link(obsid: str) -> str:
        page = observation_page(products, str(ObsID.parse(obsid)))
        return os.path.relpath(page, folder) if page.is_file() else ""

    return link


def render_star(result: StarVelocities, link: Callable[[str], str]) -> str:
    """The page of a star as HTML."""
    template = formatting.template_environment().get_template("star.html")
    rows = [_row_cells(row, link) for row in result.table[::-1].itertuples()]
    # matplotlib escapes the texts in it
    svg = Markup(star_plot.velocity_svg(result, link)) if result.measured else ""  # noqa: S704
    return str(
        template.render(
            star=result.star,
            reason=result.reason,
            svg=svg,
            mixed=result.has_mixed_versions,
            groups=[_group_cells(group, result) for group in result.groups],
            rows=rows,
            has_links=any(row["link"] for row in rows),
            written=site.local_time(format_utc(utc_now())),
        )
    )


def _group_cells(group: VelocityGroup, result: StarVelocities) -> dict[str, Any]:
    comments = {f"era {era.name}": era.comment for era in result.eras}
    return {
        "era": group.era,
        "version": group.version,
        "comment": comments.get(group.era, ""),
        "velocities": f"{group.rows.size:,}",
        "nights": group.nights,
        "median": f"{group.median:.5f}",
        "scatter": f"{group.scatter:.2f}" if group.rows.size > 1 else "",
        "error": _format(group.error, 2),
    }


def _row_cells(row: Any, link: Callable[[str], str]) -> dict[str, Any]:
    numbers = (
        (row.relative, 2), (row.error, 2), (row.velocity, 5), (row.signal, 1), (row.exposure, 0),
    )  # fmt: skip
    return {
        "obsid": row.Index,
        "link": link(row.Index),
        "start": f"{row.start:%Y-%m-%d %H:%M:%S}",
        "numbers": [_format(*number) for number in numbers],
        "era": row.era.removeprefix("era "),
        "version": row.version,
    }


def _format(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def _folder_name(key: str) -> str:
    """A directory's name for the key of a star; of a name with other characters it has a digest."""
    if _PLAIN_NAME.fullmatch(key) and len(key) <= MAX_FOLDER_NAME and key.strip("."):
        return key
    plain = "".join(_PLAIN_NAME.findall(key)).strip(".")[:MAX_FOLDER_NAME]
    return f"{plain}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
