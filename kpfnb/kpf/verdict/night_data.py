"""What is on disk of a night, as the rules ask for it: each file's header is read once.

What was read is remembered in an index of its own, so that a look at a night that goes on reads
only what came since.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from kpfnb.core.fits import headers as fitsheader
from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import obsid as listing
from kpfnb.kpf.files import obsid_list
from kpfnb.kpf.files.obsid import KPF, ObsID, file_name, level_dir
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.header_index import HeaderIndex, IndexedFile
from kpfnb.kpf.quicklook import record
from kpfnb.kpf.quicklook.targets import MASTERS_DIR
from kpfnb.kpf.verdict.rules import VerdictCriteria

INDEX_NAME = "kpf-verdict.sqlite"

Header = dict[str, HeaderValue] | str
"""The keywords asked for, or why there are none."""


@dataclass(frozen=True)
class NightFrame:
    """One observation that is not junk; `problem` says why its L0 tells nothing."""

    obsid: str
    kinds: tuple[str, ...] = ()
    problem: str = ""

    @property
    def time(self) -> datetime:
        """Of its start, UTC."""
        return ObsID(self.obsid).time


class NightData:
    """One night; files are looked at when a rule asks for them."""

    def __init__(
        self, name: str, criteria: VerdictCriteria, settings: Settings, index: HeaderIndex
    ) -> None:
        self.name = name
        self._criteria = criteria
        self._settings = settings
        self._index = index
        self._headers: dict[str, dict[str, Header]] = {}
        self._listed: dict[str, dict[str, os.stat_result]] = {}
        self._junk = obsid_list.read_junk_list(settings.junk_path).for_night(name)

    @cached_property
    def observations(self) -> list[str]:
        """All ObsIDs, junk among them, by time."""
        return sorted(self._list_files(KPF.raw))

    @cached_property
    def frames(self) -> list[NightFrame]:
        """What is not junk, by time."""
        headers = self.headers(KPF.raw)
        return [
            NightFrame(obsid, problem=header)
            if isinstance(header, str)
            else NightFrame(obsid, self._criteria.frame_kinds(header))
            for obsid in self.observations
            if obsid not in self._junk
            for header in [headers.get(obsid, "vanished")]
        ]

    @property
    def junk_count(self) -> int:
        """How many observations are junk."""
        return len(self._junk & set(self.observations))

    def frames_of(self, kinds: tuple[str, ...]) -> list[NightFrame]:
        """The frames of some kinds, by time."""
        return [one for one in self.frames if set(kinds) & set(one.kinds)]

    def headers(self, level: str) -> dict[str, Header]:
        """ObsID to its header: of all L0s, and of the products that some rule asks for."""
        if level not in self._headers:
            files = self._list_files(level)
            if level != KPF.raw:
                wanted = self._criteria.kinds_with_header(level)
                used = {one.obsid for one in self.frames if wanted & set(one.kinds)}
                files = {obsid: status for obsid, status in files.items() if obsid in used}
            self._headers[level] = self._read_headers(level, files)
        return self._headers[level]

    @cached_property
    def incomplete(self) -> dict[str, dict[str, str]]:
        """ObsID to the product levels that are expected and not done, with the reason."""
        asked = evaluation.CompletenessRules(self._settings.kpf_root, KPF.products, junk=self._junk)
        with HeaderIndex(evaluation.index_path(self._settings)) as index:
            found = asked.check_observations(map(ObsID, self.observations), index)
        return {obsid.text: one.defects for obsid, one in found.items()}

    def masters(self, pattern: str) -> dict[str, str]:
        """The night's masters of that name, each with its defect, '' where it is whole."""
        folder = self._settings.kpf_root / MASTERS_DIR / self.name
        return {path.name: fitsheader.find_defect(path) for path in sorted(folder.glob(pattern))}

    def quicklook_record(self, obsid: str, level: str) -> record.QuicklookRecord | None:
        """What quicklook found in a file, if it has looked."""
        folder = self._settings.qlp_path / self.name / obsid
        return record.read_record(record.record_path(folder, obsid, level))

    def newest_l0(self) -> datetime | None:
        """When the last L0 was written, UTC; None where there is none."""
        times = [status.st_mtime for status in self._list_files(KPF.raw).values()]
        return datetime.fromtimestamp(max(times), UTC) if times else None

    def _list_files(self, level: str) -> dict[str, os.stat_result]:
        """ObsID to the status of its file."""
        if level not in self._listed:
            self._listed[level] = dict(
                listing.list_night_files(self._settings.kpf_root, level, self.name)
            )
        return self._listed[level]

    def _read_headers(self, level: str, files: Mapping[str, os.stat_result]) -> dict[str, Header]:
        keywords = self._criteria.keywords[level]
        asked = f"{zlib.crc32(' '.join(keywords).encode()):08x}"
        folder = level_dir(self._settings.kpf_root, level, self.name)
        known = self._index.known_files(folder)
        found: dict[str, Header] = {}
        learned = {}
        for obsid, status in files.items():
            name = file_name(obsid, level)
            old, stamp = known.get(name), (status.st_size, status.st_mtime_ns)
            if old and (old.size, old.modified_ns) == stamp and old.facts.startswith(asked):
                found[obsid] = json.loads(old.facts[len(asked) :])
                continue
            try:
                found[obsid] = fitsheader.read_header(folder / name, keywords)
            except fitsheader.InvalidHeaderError as error:
                found[obsid] = str(error.reason)
                continue
            learned[name] = IndexedFile(*stamp, asked + json.dumps(found[obsid]))
        self._index.update_files(folder, learned, gone=())
        return found
