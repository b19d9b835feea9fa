"""The data of a night on disk, read as far as the rules need them: each header is read once.

Headers are stored in an index of their own, so that the next assessment of a night in progress
reads only new files.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.fits.headers import InvalidHeaderError, read_header
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import exposure
from kpfnb.kpf.files.keywords import TELEMETRY
from kpfnb.kpf.files.masters import (
    MasterName,
    MasterSelection,
    find_master_defect,
    list_masters,
)
from kpfnb.kpf.files.obsid import KPF, ObsID, file_name, level_dir, list_night_files
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.header_index import HeaderIndex, IndexedFile
from kpfnb.kpf.quicklook.record import QuicklookRecord, read_record, record_path
from kpfnb.kpf.verdict.rules import VerdictCriteria
from kpfnb.kpf.verdict.telemetry import read_sensors

INDEX_NAME = "kpf-verdict.sqlite"

Header = dict[str, HeaderValue] | str
"""The requested keywords, or why the header can't be read."""


@dataclass(frozen=True)
class NightFrame:
    """One observation that is not junk.

    Attributes
    ----------
    problem : why its L0 can't be read
    has_raw : False if there are only products; their header tells the kinds
    """

    obsid: str
    kinds: tuple[str, ...] = ()
    problem: str = ""
    has_raw: bool = True

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
        self._indexed: dict[Path, dict[str, IndexedFile]] = {}
        self._junk = exposure.read_junk_list(settings.junk_path).for_night(name)

    @cached_property
    def observations(self) -> list[str]:
        """All ObsIDs with an L0, junk included, by time."""
        return sorted(self._list_files(KPF.raw))

    @cached_property
    def without_raw(self) -> list[str]:
        """The ObsIDs with a product and without an L0, without junk, by time."""
        products = {obsid for level in KPF.products for obsid in self._list_files(level)}
        return sorted(products - set(self.observations) - self._junk)

    @cached_property
    def frames(self) -> list[NightFrame]:
        """The observations that are not junk, by time."""
        headers = self.headers(KPF.raw)
        frames = [
            self._make_frame(obsid, headers.get(obsid, "vanished"))
            for obsid in self.observations
            if obsid not in self._junk
        ]
        return sorted([*frames, *self._frames_without_raw()], key=lambda frame: frame.obsid)

    def _frames_without_raw(self) -> Iterator[NightFrame]:
        remaining = set(self.without_raw)
        for level in KPF.products:
            files = self._list_files(level)
            present = {obsid: files[obsid] for obsid in remaining if obsid in files}
            for obsid, header in self._read_headers(level, present).items():
                if not isinstance(header, str):
                    remaining.discard(obsid)
                    yield replace(self._make_frame(obsid, header), has_raw=False)

    def _make_frame(self, obsid: str, header: Header) -> NightFrame:
        if isinstance(header, str):
            return NightFrame(obsid, problem=header)
        return NightFrame(obsid, self._criteria.frame_kinds(header))

    @property
    def junk_count(self) -> int:
        """Number of observations that are junk."""
        return len(self._junk & set(self.observations))

    def frames_of(self, kinds: tuple[str, ...]) -> list[NightFrame]:
        """The frames of some kinds, by time; also those without an L0."""
        return [frame for frame in self.frames if set(kinds) & set(frame.kinds)]

    def raw_frames_of(self, kinds: tuple[str, ...]) -> list[NightFrame]:
        """The frames of some kinds that have an L0, by time."""
        return [frame for frame in self.frames_of(kinds) if frame.has_raw]

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

    def sensors(self, obsid: str) -> Header:
        """The readings of the sensors that any rule needs, or why the L0 can't be read."""
        names = self._criteria.sensors
        path = ObsID(obsid).path(self._settings.kpf_root, KPF.raw)
        status = self._list_files(KPF.raw)[obsid]
        # Beside the header of the same file, which has an entry of its own
        key = f"{path.name}#{TELEMETRY}"
        readings = self._read_cached(
            path.parent, {key: status}, names, lambda _: read_sensors(path, names)
        )
        return readings[key]

    def master_defects(self, selections: Sequence[MasterSelection]) -> dict[str, str]:
        """The night's masters of these selections, each with its defect; '' if it is good."""
        return {
            path.name: find_master_defect(path)
            for path, name in self._masters.items()
            if any(selection.matches(name) for selection in selections)
        }

    @cached_property
    def _masters(self) -> dict[Path, MasterName]:
        return list_masters(self._settings.kpf_root, self.name)

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
        night_dir = level_dir(self._settings.kpf_root, level, self.name)
        statuses = {file_name(obsid, level): status for obsid, status in files.items()}
        headers = self._read_cached(
            night_dir, statuses, keywords, lambda name: read_header(night_dir / name, keywords)
        )
        return {obsid: headers[file_name(obsid, level)] for obsid in files}

    def _read_cached(
        self,
        night_dir: Path,
        statuses: Mapping[str, os.stat_result],
        names: Sequence[str],
        read: Callable[[str], Mapping[str, HeaderValue]],
    ) -> dict[str, Header]:
        """The values of files by name, from the index or from the file."""
        digest = f"{zlib.crc32(' '.join(names).encode()):08x}"
        indexed = self._known_files(night_dir)
        values: dict[str, Header] = {}
        updates = {}
        for name, status in statuses.items():
            old, stamp = indexed.get(name), (status.st_size, status.st_mtime_ns)
            if old and (old.size, old.modified_ns) == stamp and old.facts.startswith(digest):
                values[name] = json.loads(old.facts[len(digest) :])
                continue
            try:
                values[name] = dict(read(name))
            except InvalidHeaderError as error:
                values[name] = str(error.reason)
                continue
            updates[name] = IndexedFile(*stamp, digest + json.dumps(values[name]))
        self._index.update_files(night_dir, updates, gone=())
        indexed.update(updates)
        return values

    def _known_files(self, night_dir: Path) -> dict[str, IndexedFile]:
        """The indexed files of a directory, read once."""
        if night_dir not in self._indexed:
            self._indexed[night_dir] = self._index.known_files(night_dir)
        return self._indexed[night_dir]
