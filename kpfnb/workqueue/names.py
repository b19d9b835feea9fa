"""What names queues and items may have."""

from __future__ import annotations

import re

from kpfnb.errors import BadInput, BadParameter

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LONGEST_ITEM = 1000


def check_name(name: str) -> str:
    """The name of a queue; `BadParameter` for an impossible one."""
    if not NAME.fullmatch(name):
        raise BadParameter(
            f"queue {name!r} is no name", "use letters, digits, dots, dashes and underscores"
        )
    return name


def check_item(name: str) -> str:
    """The name of an item, without space around it; `BadInput` for an impossible one."""
    name = name.strip()
    if not name or len(name) > LONGEST_ITEM or not name.isprintable():
        raise BadInput(
            f"{name[:80]!r} can't be an item",
            f"an item is one line of at most {LONGEST_ITEM} characters",
        )
    return name
