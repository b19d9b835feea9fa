"""The delivery of one unit: scan, copy, verify, mark, and only then delete at the source."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from kpfnb import storage
from kpfnb.adap.archive.index_files import read_text_file, write_text_files
from kpfnb.adap.archive.locations import DeliveryConfig
from kpfnb.adap.archive.manifest import (
    Manifest,
    digest_file,
    find_mismatches,
    make_manifest,
    parse_manifest,
)
from kpfnb.adap.archive.quota import QuotaReservation, UploadQuota
from kpfnb.adap.archive.result import UnitResult, UnitStatus
from kpfnb.adap.archive.unit import ArchiveRules, ArchiveUnit, scan_unit
from kpfnb.core import clock
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.storage import FileOutcome, FileTransfer, Location, StorageErrorKind, TransferResult

logger = logging.getLogger(__name__)

NOTHING_TO_DELIVER = "it has nothing to deliver"


class StagedUnit(NamedTuple):
    """A unit, its manifest, and its local files by their place in the delivery."""

    unit: ArchiveUnit
    manifest: Manifest
    sources: dict[str, Path]


@dataclass(frozen=True)
class UnitDelivery:
    """Delivers units.

    Attributes
    ----------
    root : the local folder of the units
    place : the delivery
    state_dir : the local folder for the state of this delivery
    confirm : called before a unit is marked: raises if another worker has it by now
    """

    root: Path
    place: Location
    state_dir: Path
    rules: ArchiveRules
    quota: UploadQuota
    config: DeliveryConfig
    confirm: Callable[[], None] = lambda: None

    def plan_unit(self, unit: ArchiveUnit) -> UnitResult:
        """What would be delivered."""
        staged = self._stage_unit(unit, self._earlier_manifest(unit))
        if not staged.manifest.files:
            return _unit_result(staged.manifest, UnitStatus.FAILED, reason=NOTHING_TO_DELIVER)
        sizes = self._missing_files(staged)
        is_delivered = staged.manifest.delivered and not sizes
        status = UnitStatus.ALREADY_DELIVERED if is_delivered else UnitStatus.WOULD_DELIVER
        return _unit_result(staged.manifest, status, uploaded=sum(sizes.values()))

    def send_unit(self, unit: ArchiveUnit) -> UnitResult:
        """Deliver a unit, or as much of it as today's quota allows."""
        earlier = self._earlier_manifest(unit)
        staged = self._stage_unit(unit, earlier)
        manifest = staged.manifest
        if not manifest.files:
            return _unit_result(manifest, UnitStatus.FAILED, reason=NOTHING_TO_DELIVER)
        if manifest != earlier:
            self._write_manifest(unit, manifest)
        result = self._upload(staged)
        if result.state is not UnitStatus.DELIVERED:
            return result
        if wrong := self._find_mismatches(unit, manifest):
            self._write_manifest(unit, replace(manifest, delivered=""))
            path, reason = next(iter(wrong.items()))
            reason = f"{len(wrong)} files are wrong at the destination: {path}: {reason}"
            return replace(result, state=UnitStatus.FAILED, reason=reason)
        is_unchanged = bool(manifest.delivered) and not result.uploaded
        marked = self._mark_delivered(unit, manifest)
        deleted = self._delete_source(staged) if self.config.move else 0
        status = UnitStatus.ALREADY_DELIVERED if is_unchanged else UnitStatus.DELIVERED
        return replace(result, state=status, leftover=marked.leftover, deleted=deleted)

    def _stage_unit(self, unit: ArchiveUnit, earlier: Manifest | None) -> StagedUnit:
        content = scan_unit(self.root, unit, self.rules)
        manifest = make_manifest(self.root, unit, content, self.rules)
        sources = {place: self.root / unit.name / path for place, path in content.files.items()}
        return StagedUnit(unit, manifest.continue_from(earlier), sources)

    def _earlier_manifest(self, unit: ArchiveUnit) -> Manifest | None:
        """The manifest at the destination, if there is one."""
        text = read_text_file(self.place / unit.manifest)
        return parse_manifest(text, unit.manifest) if text is not None else None

    def _write_manifest(self, unit: ArchiveUnit, manifest: Manifest) -> None:
        write_text_files(self.place, {unit.manifest: manifest.to_json()})

    def _mark_delivered(self, unit: ArchiveUnit, manifest: Manifest) -> Manifest:
        """Record in the manifest that the unit is delivered."""
        self.confirm()
        marked = manifest
        if self.config.prune:
            for path in manifest.leftover:
                (self.place / unit.name / path).delete()
            marked = replace(marked, leftover=())
        if not manifest.delivered:
            marked = replace(marked, delivered=clock.format_utc())
        if self.config.move:
            marked = replace(marked, moved=True)
        if marked != manifest:
            self._write_manifest(unit, marked)
        return marked

    def _find_mismatches(self, unit: ArchiveUnit, manifest: Manifest) -> dict[str, str]:
        place = self.place / unit.name
        return find_mismatches(place, manifest.files, read_back=self.config.read_back)

    def _missing_files(self, staged: StagedUnit) -> dict[str, int]:
        """The files that are not at the destination yet, with their sizes (bytes)."""
        if not staged.sources:
            return {}
        plan = self._transfer(staged, staged.sources, dry_run=True)
        paths = [item.path for item in plan.items if item.state is FileOutcome.WOULD_COPY]
        return {path: staged.manifest.files[path].size for path in paths}

    def _upload(self, staged: StagedUnit) -> UnitResult:
        """Copy the missing files that fit into today's quota."""
        unit, manifest = staged.unit, staged.manifest
        # Without a quota, the missing files need not be known in advance
        sizes = self._missing_files(staged) if self.quota.daily else None
        reserved = self.quota.reserve(unit.name, sizes) if sizes is not None else None
        selected = reserved.names if reserved else tuple(staged.sources)
        waiting = len(sizes) - len(selected) if sizes else 0
        if not selected:
            return _transfer_result(manifest, [], 0, waiting)
        transfer = self._transfer(staged, selected)
        copied = [item for item in transfer.items if item.state is FileOutcome.COPIED]
        uploaded = sum(item.size for item in copied)
        self._commit_quota(reserved or QuotaReservation(unit.name, ""), uploaded, len(copied))
        if transfer.interrupted:
            raise KeyboardInterrupt
        return _transfer_result(manifest, transfer.failed, uploaded, waiting)

    def _commit_quota(self, reserved: QuotaReservation, uploaded: int, count: int) -> None:
        try:
            self.quota.commit(reserved, uploaded, count)
        except ServiceUnavailableError as error:
            # The upload itself is complete; the reservation counts in full
            logger.warning("%s: uploaded, but not counted: %s", reserved.unit, error.what)

    def _transfer(
        self, staged: StagedUnit, paths: Iterable[str], *, dry_run: bool = False
    ) -> TransferResult:
        links = {path: staged.sources[path] for path in paths}
        with link_tree(self.state_dir, staged.unit, links) as folder:
            return storage.transfer_files(
                folder,
                self.place / staged.unit.name,
                read_back=self.config.read_back,
                dry_run=dry_run,
                progress=False,
            )

    def _delete_source(self, staged: StagedUnit) -> int:
        """Delete at the source what is delivered, if it is still what was delivered."""
        files = staged.manifest.files
        paths = [p for place, p in staged.sources.items() if digest_file(p) == files[place]]
        for path in paths:
            path.unlink()
        return len(paths)


@contextmanager
def link_tree(state_dir: Path, unit: ArchiveUnit, links: Mapping[str, Path]) -> Iterator[Path]:
    """A folder of links to files, by their paths in it; it is removed after the block."""
    folder = state_dir / "staging" / unit.name.replace("/", "+")
    # A killed run may have left it
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for path, target in links.items():
            link = folder / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _transfer_result(
    manifest: Manifest, failed: Sequence[FileTransfer], uploaded: int, waiting: int
) -> UnitResult:
    broken = [item for item in failed if item.error_kind is not StorageErrorKind.DAILY]
    waiting += len(failed) - len(broken)
    result = _unit_result(manifest, UnitStatus.DELIVERED, uploaded=uploaded)
    result = replace(result, waiting=waiting)
    if broken:
        reason = f"{len(broken)} files failed: {broken[0].path}: {broken[0].detail}"
        return replace(result, state=UnitStatus.FAILED, reason=reason)
    if waiting:
        reason = f"{waiting} of {len(manifest.files)} files wait for the quota of the next day"
        return replace(result, state=UnitStatus.WAITING, reason=reason)
    return result


def _unit_result(
    manifest: Manifest, status: UnitStatus, *, uploaded: int = 0, reason: str = ""
) -> UnitResult:
    return UnitResult(
        manifest.unit,
        status,
        files=len(manifest.files),
        size=manifest.size,
        uploaded=uploaded,
        reason=reason,
        problems=manifest.problems,
        missing=manifest.missing,
        unrecognised=manifest.unrecognised,
        leftover=manifest.leftover,
    )
