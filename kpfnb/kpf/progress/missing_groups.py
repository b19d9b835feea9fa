"""Missing products by cause, and what to do about them: a table, a list with actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from kpfnb.core.text import format_count
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.completeness import IncompleteReason, MissingLevel
from kpfnb.kpf.progress.missing import MissingProduct
from kpfnb.notebook.links import action_html
from kpfnb.runs.actions import PageAction

if TYPE_CHECKING:
    import pandas as pd

MAX_TARGETS = 40
"""An action names this many observations; for more it names their nights."""

MAX_GROUPS = 12
"""Causes that a page lists."""


@dataclass(frozen=True)
class MissingGroup:
    """Products that are missing for the same cause."""

    cause: str
    products: tuple[MissingProduct, ...]

    @property
    def obsids(self) -> list[str]:
        """Their observations."""
        return list(dict.fromkeys(product.obsid for product in self.products))

    @property
    def count(self) -> str:
        """The number of products by level, such as `17 L1, 14 L2`."""
        levels = Counter(product.level for product in self.products)
        return ", ".join(f"{number} {level}" for level, number in levels.items())

    @property
    def action(self) -> PageAction | None:
        """Reprocess them; None if processing can't help."""
        return reprocess_action(self.products)


def group_missing(products: Iterable[MissingProduct]) -> list[MissingGroup]:
    """Products with the same cause together, the largest group first."""
    groups: dict[str, list[MissingProduct]] = {}
    for product in products:
        groups.setdefault(product.cause, []).append(product)
    made = [MissingGroup(cause, tuple(members)) for cause, members in groups.items()]
    return sorted(made, key=lambda group: -len(group.products))


def reprocess_action(
    missing: Iterable[MissingLevel | MissingProduct], version: str = ""
) -> PageAction | None:
    """The action that reprocesses these; None if processing can't help any of them."""
    obsids = _processable(missing)
    # A night as a target: what is done is left out, and the address stays short
    nights = list(dict.fromkeys(ObsID(obsid).night for obsid in obsids))
    return _action(obsids, obsids if len(obsids) <= MAX_TARGETS else nights, version)


def night_action(
    missing: Iterable[MissingLevel | MissingProduct], version: str = ""
) -> PageAction | None:
    """The action that reprocesses all that is missing in these nights, which are its targets."""
    obsids = _processable(missing)
    return _action(obsids, list(dict.fromkeys(ObsID(obsid).night for obsid in obsids)), version)


def _processable(missing: Iterable[MissingLevel | MissingProduct]) -> list[str]:
    useful = [item for item in missing if item.reason is not IncompleteReason.L0_UNREADABLE]
    return list(dict.fromkeys(item.obsid for item in useful))


def _action(obsids: Sequence[str], targets: Sequence[str], version: str) -> PageAction | None:
    if not obsids:
        return None
    label = "Reprocess this one" if len(obsids) == 1 else f"Reprocess these {len(obsids)}"
    values = {"targets": targets, **({"version": version} if version else {})}
    return PageAction(label, "reprocess", values)


def make_frame(products: Iterable[MissingProduct]) -> pd.DataFrame:
    """One row a missing level: night, obsid, level, reason in words, state of the L0."""
    import pandas as pd

    rows = [(item.night, item.obsid, item.level, item.sentence, item.raw) for item in products]
    return pd.DataFrame(rows, columns=["night", "obsid", "level", "reason", "L0"])


def groups_html(products: Sequence[MissingProduct], version: str = "") -> str:
    """What is missing by cause, each with what to do, as HTML; all text escaped."""
    groups = group_missing(products)
    single = len(groups) == 1
    items = Markup().join(
        Markup("<li>{}: {}{}</li>").format(
            group.count,
            group.cause,
            "" if single else _action_html(reprocess_action(group.products, version)),
        )
        for group in groups[:MAX_GROUPS]
    )
    more = len(groups) - MAX_GROUPS
    rest = Markup("<li>and {} more causes</li>").format(more) if more > 0 else ""
    heading = format_count(len(products), "product")
    action = _action_html(night_action(products, version))
    return str(
        Markup("<p><strong>{} missing</strong>{}</p><ul>{}{}</ul>").format(
            heading, action, items, rest
        )
    )


def _action_html(action: PageAction | None) -> Markup:
    return Markup(" · {}").format(action_html(action)) if action else Markup()
