"""A pipeline as a picture: its steps from left to right, each after what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 216, 74  # of a step's box, pixels
GAP_X, GAP_Y = 64, 22
MARGIN = 6

Needs = Mapping[str, Sequence[str]]
"""The names of the steps that each step needs, steps in the order that they run."""


@dataclass(frozen=True)
class Box:
    """A step's place: its upper left corner, in pixels."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Layout:
    """Where everything is; `edges` are SVG paths."""

    width: float
    height: float
    boxes: list[Box]
    edges: list[str]


def layout(needs: Needs) -> Layout:
    """Places for the steps and curves for what they need.

    Arrows that others imply are left out. A longer arrow gets a free lane past the steps between.
    """
    chains = [_chain(start, end, depths(needs)) for end, start in direct(needs)]
    columns = _columns(needs, chains)
    tallest = max(len(column) for column in columns)
    corners = {
        name: (
            MARGIN + x * (WIDTH + GAP_X),
            MARGIN + (y + (tallest - len(column)) / 2) * (HEIGHT + GAP_Y),
        )
        for x, column in enumerate(columns)
        for y, name in enumerate(column)
    }
    return Layout(
        width=2 * MARGIN + len(columns) * (WIDTH + GAP_X) - GAP_X,
        height=2 * MARGIN + tallest * (HEIGHT + GAP_Y) - GAP_Y,
        boxes=[Box(name, *corners[name]) for name in needs],
        edges=[_curve([corners[stop] for stop in chain]) for chain in chains],
    )


def depths(needs: Needs) -> dict[str, int]:
    """The column of each step: one after the last step that it needs."""
    found: dict[str, int] = {}
    for name, needed in needs.items():
        found[name] = 1 + max((found[need] for need in needed), default=-1)
    return found


def direct(needs: Needs) -> Iterator[tuple[str, str]]:
    """(step, needed step) without the pairs that others imply."""
    behind: dict[str, set[str]] = {}
    for name, needed in needs.items():
        behind[name] = set(needed).union(*(behind[need] for need in needed))
        for need in needed:
            if not any(need in behind[other] for other in needed if other != need):
                yield name, need


def _chain(start: str, end: str, depth: Mapping[str, int]) -> list[str]:
    """The stops of an arrow: a free lane, named by both ends, in each column between them."""
    lanes = [f"{start} → {end} {column}" for column in range(depth[start] + 1, depth[end])]
    return [start, *lanes, end]


def _columns(needs: Needs, chains: Sequence[Sequence[str]]) -> list[list[str]]:
    """The names in each column, near to what they come from so that few arrows cross."""
    depth = depths(needs)
    columns: list[list[str]] = [[] for _ in range(1 + max(depth.values()))]
    for name in needs:
        columns[depth[name]].append(name)
    before: dict[str, list[str]] = {}
    for chain in chains:
        for offset, (left, right) in enumerate(pairwise(chain)):
            before.setdefault(right, []).append(left)
            if right not in needs:
                columns[depth[chain[0]] + 1 + offset].append(right)
    for previous, column in pairwise(columns):
        rows = {name: row for row, name in enumerate(previous)}
        column.sort(key=lambda name: _mean([rows[left] for left in before[name] if left in rows]))
    return columns


def _curve(corners: Sequence[tuple[float, float]]) -> str:
    """From the right side of the first box through the lanes to the left side of the last."""
    middles = [(x, y + HEIGHT / 2) for x, y in corners]
    parts = [f"M{middles[0][0] + WIDTH:g},{middles[0][1]:g}"]
    for (_, y_before), (x, y) in pairwise(middles):
        bend = x - GAP_X / 2
        parts += [f"C{bend:g},{y_before:g} {bend:g},{y:g} {x:g},{y:g}", f"H{x + WIDTH:g}"]
    # the last stop is a box: the arrow ends at its left side
    return " ".join(parts[:-1])


def _mean(rows: Sequence[int]) -> float:
    return sum(rows) / len(rows)
