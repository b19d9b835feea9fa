"""What the nights of a run that makes masters have in common: commands, and what they write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kpfnb.compute.programs import ProductSnapshot
from kpfnb.core.command_lines import join_steps
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import drp, masters
from kpfnb.kpf.files.masters import MASTERS_DIR, POOL_DIR
from kpfnb.kpf.files.obsid import KPF, level_dir
from kpfnb.kpf.progress.evaluation import CompletenessRules
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess.new_products import ProductSignature, product_signature
from kpfnb.kpf.reprocess.plan import ReprocessOptions


@dataclass(frozen=True)
class MastersJob:
    """What all nights of a run have in common; logs are in `folder`."""

    settings: Settings
    rules: CompletenessRules
    options: ReprocessOptions
    index: HeaderIndex
    folder: Path
    started: float

    def masters_dir(self, night: str) -> Path:
        """The directory of a night's masters."""
        return self.rules.root / MASTERS_DIR / night

    def drp_steps(self, night: str) -> list[list[str]]:
        """The DRP's commands for a night, in order."""
        return drp.build_steps(
            self.settings,
            self.settings.masters_command,
            level_dir(self.rules.root, KPF.raw, night),
            self.options.ncpus,
            setting="masters_command",
            night=night,
        )

    def drp_command(self, night: str) -> list[str]:
        """The steps as one command of a terminal."""
        return join_steps(self.drp_steps(night))

    def master_signatures(self, night: str) -> dict[Path, ProductSignature]:
        """The state of a night's FITS files, and of the CSV files that are masters."""
        return {
            path: product_signature(path)
            for path in sorted(self.masters_dir(night).glob("*"))
            if path.suffix == ".fits" or masters.parse_master_name(path.name)
        }

    def take_snapshot(self, night: str, before: dict[Path, ProductSignature]) -> ProductSnapshot:
        """The number of new masters; any file that a step writes shows that it is alive."""
        after = self.master_signatures(night)
        count = sum(before.get(path) != state for path, state in after.items())
        written = [
            product_signature(path)
            for directory, pattern in self._written_dirs(night)
            for path in sorted(directory.glob(pattern))
        ]
        return ProductSnapshot(count, hash(tuple(written)))

    def _written_dirs(self, night: str) -> list[tuple[Path, str]]:
        """The directories that the steps write to, each with a pattern of a night's files."""
        root = self.rules.root
        return [
            (self.masters_dir(night), "*"),
            (root / MASTERS_DIR / POOL_DIR, f"kpf_{night}*"),
            (level_dir(root, KPF.products[0], night), "*"),
        ]
