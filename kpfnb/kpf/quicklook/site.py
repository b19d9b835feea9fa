"""The quicklook pages: one per observation, per night's masters and per night, and one of nights.

Pages are rendered from the records beside the products, so any process can write them at any time.
They need no script; all text in them is escaped. One process at a time writes the pages of a night.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kpfnb.core import locks, settings
from kpfnb.core.errors import AlreadyRunningError
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.quicklook import pages
from kpfnb.kpf.quicklook.page_files import (
    PAGE,
    STATE_DIR,
    file_age,
    is_outdated,
    list_observations,
    modified_time,
    newest_record,
    observation_page,
)
from kpfnb.kpf.quicklook.targets import MASTER, MASTERS_PRODUCTS, QuicklookTarget

LOCK_SECONDS = 60.0
NIGHT_INTERVAL_SECONDS = 5.0
"""While products appear, the page of a night is not written more often than this."""

logger = logging.getLogger(__name__)


def find_observation_page(obsid: str) -> Path | None:
    """The page of an observation, below the products' directory of the settings; None without one.

    A name that is not an ObsID is an `InvalidInputError`.
    """
    page = observation_page(settings.load_settings().qlp_path, str(ObsID.parse(obsid)))
    return page if page.is_file() else None


def update_pages(products: Path, target: QuicklookTarget) -> None:
    """Write the pages that show a target, once its record is written."""
    night = products / target.night
    with _page_lock(night) as is_locked:
        if not is_locked:
            # `update_all_pages` finds pages that are older than their records
            return
        pages.write_script(products)
        if target.level == MASTER:
            pages.write_masters(night)
        else:
            pages.write_observation(night, target.name)
        if file_age(night / PAGE) > NIGHT_INTERVAL_SECONDS:
            pages.write_night(night)


def update_all_pages(products: Path, nights: Iterable[str]) -> list[str]:
    """Update the outdated pages of some nights, and the page of all nights.

    This includes pages that a killed process did not write. Returns the nights whose pages are
    still outdated because another process keeps them locked.
    """
    locked = []
    for name in sorted(set(nights)):
        night = products / name
        if not is_outdated(night):
            continue
        with _page_lock(night) as is_locked:
            if is_locked:
                _update_night(night)
            elif is_outdated(night):
                locked.append(name)
    # A night of one file has its page from `update_pages`, and may still be new here
    pages.write_script(products)
    pages.write_nights(products)
    return locked


def link_report(night: str) -> None:
    """Write the pages of a night again, with the link to its report, once there is one.

    To be called after a report was written; it does nothing if the pages have the link already.
    """
    directory = settings.load_settings().qlp_path / night
    page = directory / PAGE
    if not page.exists() or pages.REPORT_TEXT in page.read_text(encoding="utf-8"):
        return
    with _page_lock(directory) as is_locked:
        if is_locked:
            for obsid in list_observations(directory):
                pages.write_observation(directory, obsid)
            pages.write_night(directory)


def _update_night(night: Path) -> None:
    for obsid in list_observations(night):
        product_dir = night / obsid
        if newest_record(product_dir) >= modified_time(product_dir / PAGE):
            pages.write_observation(night, obsid)
    if (night / MASTERS_PRODUCTS).is_dir():
        pages.write_masters(night)
    pages.write_night(night)


@contextmanager
def _page_lock(night: Path) -> Iterator[bool]:
    """Lock the pages of a night; False if another process keeps them locked for too long."""
    try:
        with locks.acquire_lock("pages", folder=night / STATE_DIR, wait_seconds=LOCK_SECONDS):
            yield True
    except AlreadyRunningError as error:
        logger.warning("the pages of %s are not up to date: %s", night.name, error)
        yield False
