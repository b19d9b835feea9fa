"""The data of a night on disk, read as far as the rules need them: each header is read once.

Headers are stored in an index of their own, so that the next assessment of a night in progress
reads only new files.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.fits.headers import InvalidHeaderError, find_defect, read_header
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import exposure
from kpfnb.kpf.files.obsid import KPF, ObsID, file_name, level_dir, list_night_files
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.header_index import HeaderIndex, IndexedFile
from kpfnb.kpf.quicklook.record import QuicklookRecord, read_record, record_path
from kpfnb.kpf.quicklook.targets import MASTERS_DIR
from kpfnb.kpf.verdict.rules import VerdictCriteria

INDEX_NAME = "kpf-verdict.sqlite"

Header = dict[str, HeaderValue] | str
"""The requested keywords, or why the header can't be read."""


@dataclass(frozen=True)
class NightFrame:
    """One observation that is not junk; `problem` says why its L0 can't be read."""

    obsid: str
    kinds: tuple[str, ...] = ()
    problem: str = ""

    @property
    def time(self) -> datetime:
        """When it started, UTC."""
        return ObsID(self.obsid).time


class NightData:
    """One night; files are read when a rule needs them."""

    def __init__(
        self, name: str, criteria: VerdictCriteria, settings: Settings, index: HeaderIndex
    ) -> None:
        self.name = name
        self._criteria = criteria
        self._settings = settings
        self._index = index
        self._headers: dict[str, dict[str, Header]] = {}
        self._listed: dict[str, dict[str, os.stat_result]] = {}
        self._junk = exposure.read_junk_list(settings.junk_path).for_night(name)

    @cached_property
    def observations(self) -> list[str]:
        """All ObsIDs, junk included, by time."""
        return sorted(self._list_files(KPF.raw))

    @cached_property
    def frames(self) -> list[NightFrame]:
        """The observations that are not junk, by time."""
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
        """Number of observations that are junk."""
        return len(self._junk & set(self.observations))

    def frames_of(self, kinds: tuple[str, ...]) -> list[NightFrame]:
        """The frames of some kinds, by time."""
        return [frame for frame in self.frames if set(kinds) & set(frame.kinds)]

    def headers(self, level: str) -> dict[str, Header]:
        """ObsID to its header: of all L0s, or of the products that any rule needs."""
        if level not in self._headers:
            files = self._list_files(level)
            if level != KPF.raw:
                kinds = tuple(self._criteria.kinds_with_header(level))
                needed = {frame.obsid for frame in self.frames_of(kinds)}
                files = {obsid: status for obsid, status in files.items() if obsid in needed}
            self._headers[level] = self._read_headers(level, files)
        return self._headers[level]

    @cached_property
    def incomplete(self) -> dict[str, dict[str, str]]:
        """ObsID to the product levels that are expected and incomplete, with the reason."""
        rules = evaluation.CompletenessRules(self._settings.kpf_root, KPF.products, junk=self._junk)
        with HeaderIndex(evaluation.index_path(self._settings)) as index:
            checks = rules.check_observations(map(ObsID, self.observations), index)
        return {obsid.text: check.defects for obsid, check in checks.items()}

    def masters(self, pattern: str) -> dict[str, str]:
        """The night's masters of that name, each with its defect; '' if it is complete."""
        masters_dir = self._settings.kpf_root / MASTERS_DIR / self.name
        return {path.name: find_defect(path) for path in sorted(masters_dir.glob(pattern))}

    def quicklook_record(self, obsid: str, level: str) -> QuicklookRecord | None:
        """The quicklook record of a file; None if there is none."""
        product_dir = self._settings.qlp_path / self.name / obsid
        return read_record(record_path(product_dir, obsid, level))

    def newest_l0(self) -> datetime | None:
        """When the last L0 was written, UTC; None if there is none."""
        times = [status.st_mtime for status in self._list_files(KPF.raw).values()]
        return datetime.fromtimestamp(max(times), UTC) if times else None

    def _list_files(self, level: str) -> dict[str, os.stat_result]:
        """ObsID to the status of its file."""
        if level not in self._listed:
            self._listed[level] = dict(list_night_files(self._settings.kpf_root, level, self.name))
        return self._listed[level]

    def _read_headers(self, level: str, files: Mapping[str, os.stat_result]) -> dict[str, Header]:
        keywords = self._criteria.keywords[level]
        digest = f"{zlib.crc32(' '.join(keywords).encode()):08x}"
        night_dir = level_dir(self._settings.kpf_root, level, self.name)
        indexed = self._index.known_files(night_dir)
        headers: dict[str, Header] = {}
        updates = {}
        for obsid, status in files.items():
            name = file_name(obsid, level)
            old, stamp = indexed.get(name), (status.st_size, status.st_mtime_ns)
            if old and (old.size, old.modified_ns) == stamp and old.facts.startswith(digest):
                headers[obsid] = json.loads(old.facts[len(digest) :])
                continue
            try:
                headers[obsid] = read_header(night_dir / name, keywords)
            except InvalidHeaderError as error:
                headers[obsid] = str(error.reason)
                continue
            updates[name] = IndexedFile(*stamp, digest + json.dumps(headers[obsid]))
        self._index.update_files(night_dir, updates, gone=())
        return headers
