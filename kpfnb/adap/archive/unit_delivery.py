"""One unit on its way: looked at, copied, verified, marked, and only then deleted at its source."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from kpfnb import storage
from kpfnb.adap.archive import index_files, manifest
from kpfnb.adap.archive import manifest as digests
from kpfnb.adap.archive import unit as content
from kpfnb.adap.archive.manifest import Manifest
from kpfnb.adap.archive.quota import QuotaReservation, UploadQuota
from kpfnb.adap.archive.result import UnitResult, UnitStatus
from kpfnb.adap.archive.unit import ArchiveRules, ArchiveUnit
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.storage import FileOutcome as Carriage
from kpfnb.storage import FileTransfer, Location, StorageErrorKind, TransferResult

# A folder of links: files as they are to be in the delivery, wherever they are here.


@contextmanager
def link_tree(
    desk: Path, unit: ArchiveUnit, links: Mapping[str, Path] | None = None
) -> Iterator[Path]:
    """A folder of the unit's own with links by their path in it; it is gone after the block."""
    path = desk / "staging" / unit.name.replace("/", "+")
    # What a killed run has left
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        for place, target in (links or {}).items():
            link = path / place
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


_log = logging.getLogger(__name__)


class StagedUnit(NamedTuple):
    """A unit, its manifest, and where its files are here, by their place in the delivery."""

    unit: ArchiveUnit
    manifest: Manifest
    sources: dict[str, Path]


@dataclass(frozen=True)
class UnitDelivery:
    """How units are delivered.

    Attributes
    ----------
    root : the folder here below which the units are
    place : the delivery
    desk : a folder here that is kept for this delivery
    read_back : verify by reading every byte at the destination
    prune : delete at the destination what an earlier delivery of a unit had and this one has not
    move : delete at the source what is delivered
    confirm : called before a unit is marked: raises where somebody else has it by now
    """

    root: Path
    place: Location
    state_dir: Path
    rules: ArchiveRules
    quota: UploadQuota
    read_back: bool = False
    prune: bool = False
    move: bool = False
    confirm: Callable[[], None] = lambda: None

    def plan_unit(self, unit: ArchiveUnit) -> UnitResult:
        """What would be delivered."""
        load = self._stage_unit(unit, self._earlier_manifest(unit))
        todo = self._missing_files(load)
        state = (
            UnitStatus.WOULD_DELIVER
            if todo or not load.manifest.delivered
            else UnitStatus.ALREADY_DELIVERED
        )
        return _unit_result(load.manifest, state, uploaded=sum(todo.values()))

    def send_unit(self, unit: ArchiveUnit) -> UnitResult:
        """Deliver a unit, or as much of it as today's quota allows."""
        old = self._earlier_manifest(unit)
        load = self._stage_unit(unit, old)
        made = load.manifest
        if not made.files:
            return _unit_result(made, UnitStatus.FAILED, reason="it has nothing to deliver")
        if made != old:
            self._write_manifest(unit, made)
        sent = self._upload(load)
        if sent.state is not UnitStatus.DELIVERED:
            return sent
        if wrong := self._find_mismatches(unit, made):
            self._write_manifest(unit, replace(made, delivered=""))
            path, why = next(iter(wrong.items()))
            reason = f"{len(wrong)} files are not well at the destination: {path}: {why}"
            return replace(sent, state=UnitStatus.FAILED, reason=reason)
        there = bool(made.delivered) and not sent.uploaded
        marked = self._mark_delivered(unit, made)
        deleted = self._delete_source(load) if self.move else 0
        state = UnitStatus.ALREADY_DELIVERED if there else UnitStatus.DELIVERED
        return replace(sent, state=state, leftover=marked.leftover, deleted=deleted)

    def _stage_unit(self, unit: ArchiveUnit, old: Manifest | None) -> StagedUnit:
        found = content.scan_unit(self.root, unit, self.rules)
        made = manifest.make_manifest(self.root, unit, found, self.rules)
        sources = {place: self.root / unit.name / path for place, path in found.files.items()}
        return StagedUnit(unit, made.continue_from(old), sources)

    def _earlier_manifest(self, unit: ArchiveUnit) -> Manifest | None:
        """The manifest at the destination, if there is one."""
        text = index_files.read_text_file(self.place / unit.manifest)
        return manifest.parse_manifest(text, unit.manifest) if text is not None else None

    def _write_manifest(self, unit: ArchiveUnit, made: Manifest) -> None:
        index_files.write_text_files(self.place, {unit.manifest: made.to_json()})

    def _mark_delivered(self, unit: ArchiveUnit, made: Manifest) -> Manifest:
        """Say in the manifest that the unit is delivered."""
        self.confirm()
        marked = made
        if self.prune:
            for path in made.leftover:
                (self.place / unit.name / path).delete()
            marked = replace(marked, leftover=())
        if not made.delivered:
            marked = replace(marked, delivered=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if self.move:
            marked = replace(marked, moved=True)
        if marked != made:
            self._write_manifest(unit, marked)
        return marked

    def _find_mismatches(self, unit: ArchiveUnit, made: Manifest) -> dict[str, str]:
        place = self.place / unit.name
        return digests.find_mismatches(place, dict(made.files), read_back=self.read_back)

    def _missing_files(self, load: StagedUnit) -> dict[str, int]:
        """The files that are not at the destination yet, with their sizes (bytes)."""
        if not load.sources:
            return {}
        planned = self._transfer(load, load.sources, dry_run=True)
        todo = [item.path for item in planned.items if item.state is Carriage.WOULD_COPY]
        return {path: load.manifest.files[path].size for path in todo}

    def _upload(self, load: StagedUnit) -> UnitResult:
        """Copy what is not there yet and fits into today's quota."""
        unit, made = load.unit, load.manifest
        # Without a quota nothing has to be known beforehand
        todo = self._missing_files(load) if self.quota.daily else None
        reserved = self.quota.reserve(unit.name, todo) if todo is not None else None
        chosen = reserved.names if reserved else tuple(load.sources)
        if not chosen:
            return _transfer_result(made, [], 0, len(todo or ()))
        carried = self._transfer(load, chosen)
        copied = [item for item in carried.items if item.state is Carriage.COPIED]
        uploaded = sum(item.size for item in copied)
        self._commit_quota(reserved or QuotaReservation(unit.name, ""), uploaded, len(copied))
        if carried.interrupted:
            raise KeyboardInterrupt
        return _transfer_result(
            made, carried.failed, uploaded, len(todo) - len(chosen) if todo else 0
        )

    def _commit_quota(self, reserved: QuotaReservation, uploaded: int, count: int) -> None:
        try:
            self.quota.commit(reserved, uploaded, count)
        except ServiceUnavailableError as error:
            # What is uploaded is well; uncorrected, the reservation counts in full
            _log.warning("%s: uploaded, but not counted: %s", reserved.unit, error.what)

    def _transfer(
        self, load: StagedUnit, paths: Iterable[str], *, dry_run: bool = False
    ) -> TransferResult:
        links = {path: load.sources[path] for path in paths}
        with link_tree(self.state_dir, load.unit, links) as folder:
            return storage.transfer_files(
                folder,
                self.place / load.unit.name,
                read_back=self.read_back,
                dry_run=dry_run,
                progress=False,
            )

    def _delete_source(self, load: StagedUnit) -> int:
        """Delete at the source what is delivered, if it is still what was delivered."""
        unchanged = [
            path
            for place, path in load.sources.items()
            if digests.digest_file(path) == load.manifest.files[place]
        ]
        for path in unchanged:
            path.unlink()
        return len(unchanged)


def _transfer_result(
    made: Manifest, failed: list[FileTransfer], uploaded: int, waiting: int
) -> UnitResult:
    late = [item for item in failed if item.error_kind is StorageErrorKind.DAILY]
    broken = [item for item in failed if item.error_kind is not StorageErrorKind.DAILY]
    waiting += len(late)
    sent = replace(_unit_result(made, UnitStatus.DELIVERED, uploaded=uploaded), waiting=waiting)
    if broken:
        reason = f"{len(broken)} files failed: {broken[0].path}: {broken[0].detail}"
        return replace(sent, state=UnitStatus.FAILED, reason=reason)
    if waiting:
        reason = f"{waiting} of {len(made.files)} files wait for the quota of the next day"
        return replace(sent, state=UnitStatus.WAITING, reason=reason)
    return sent


def _unit_result(
    made: Manifest, state: UnitStatus, *, uploaded: int = 0, reason: str = ""
) -> UnitResult:
    return UnitResult(
        made.unit,
        state,
        files=len(made.files),
        size=made.size,
        uploaded=uploaded,
        reason=reason,
        problems=made.problems,
        missing=made.missing,
        unrecognised=made.unrecognised,
        leftover=made.leftover,
    )
