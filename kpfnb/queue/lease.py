"""What a task is told of its claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kpfnb.errors import KpfnbError


class LeaseLost(KpfnbError):
    """Another worker has the item by now; what was made must not be published."""


@dataclass(frozen=True)
class Lease:
    """The right to work on one item.

    Attributes
    ----------
    token : larger than that of any claim before; to be written beside products, if they can be told
    attempt : 1 for the first
    """

    queue: str
    item: str
    token: int
    attempt: int
    _ask: Callable[[], bool] = field(repr=False)
    _say: Callable[[str], None] = field(default=lambda text: None, repr=False)

    def note(self, text: str) -> None:
        """Tell how far the item is, in a few words; `kpfnb queue show` shows them."""
        self._say(text)

    def confirm(self) -> None:
        """Renew the lease, to be called just before products are published; `LeaseLost` if gone."""
        if not self._ask():
            raise LeaseLost(f"{self.item}: the lease was lost", "its new worker publishes it")
