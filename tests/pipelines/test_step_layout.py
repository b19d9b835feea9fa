from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kpfnb.pipelines import page


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    names = [f"s{n}" for n in range(draw(st.integers(1, 9)))]
    return {
        name: draw(st.lists(st.sampled_from(names[:n]), unique=True)) if n else []
        for n, name in enumerate(names)
    }


@given(graphs())
def test_boxes_never_overlap_and_are_right_of_the_boxes_they_need(
    needs: dict[str, list[str]],
) -> None:
    layout = page.layout_steps(needs)
    boxes = {box.name: box for box in layout.boxes}
    assert list(boxes) == list(needs)
    for name, box in boxes.items():
        assert 0 <= box.x <= layout.width - page.BOX_WIDTH
        assert 0 <= box.y <= layout.height - page.BOX_HEIGHT
        assert all(boxes[need].x + page.BOX_WIDTH < box.x for need in needs[name])
    corners = [(box.x, box.y) for box in layout.boxes]
    for x, y in corners:
        assert sum(x == x2 and abs(y - y2) < page.BOX_HEIGHT for x2, y2 in corners) == 1


@given(graphs())
def test_only_implied_arrows_are_left_out(needs: dict[str, list[str]]) -> None:
    drawn = list(page.transitive_reduction(needs))
    assert set(drawn) <= {(name, need) for name in needs for need in needs[name]}
    assert closure(needs, drawn) == closure(
        needs, [(name, need) for name in needs for need in needs[name]]
    )
    assert len(page.layout_steps(needs).edges) == len(drawn)


def closure(needs: dict[str, list[str]], pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    behind: dict[str, set[str]] = {}
    for name in needs:
        direct = {need for step, need in pairs if step == name}
        behind[name] = direct.union(*(behind[need] for need in direct))
    return {(name, need) for name in needs for need in behind[name]}


def test_a_long_arrow_gets_a_lane_past_the_step_between() -> None:
    # a → b → c and a → d, d → c is level; b2 makes the long arrow from a to e necessary
    needs = {"a": [], "b": [], "c": ["b"], "d": ["c", "a"]}
    long = next(edge for edge in page.layout_steps(needs).edges if "H" in edge)
    lane_y = float(long.split("H")[0].rsplit(",", 1)[1])
    c = next(box for box in page.layout_steps(needs).boxes if box.name == "c")
    assert not c.y <= lane_y <= c.y + page.BOX_HEIGHT
