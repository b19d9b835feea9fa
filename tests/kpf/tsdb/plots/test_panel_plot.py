from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from kpfnb.kpf.tsdb import database
from kpfnb.kpf.tsdb.plots import data, panel_plot, time_axis
from kpfnb.kpf.tsdb.plots.data import PanelView
from kpfnb.kpf.tsdb.plots.panel import TimeSeriesPanel
from kpfnb.kpf.tsdb.plots.panel_plot import PanelPlot
from kpfnb.kpf.tsdb.plots.time_axis import Era, TimeSpan
from tests.kpf.tsdb.plots.sample_observations import NIGHT, fill

DAY = TimeSpan(*(datetime(2024, 1, day, tzinfo=UTC) for day in (15, 16, 16)))
ERA = Era("9.9", datetime(2024, 1, 15, 6, tzinfo=UTC))
SIZE = 40


@pytest.fixture(autouse=True)
def night() -> Iterator[None]:
    """Forty observations, six hours and more; two of the fifty fail a check."""
    wave = np.sin(np.arange(SIZE) / 5)
    passed = np.ones(SIZE)
    passed[[3, 4]] = 0
    columns: dict[str, Any] = {
        "WAVE": wave,
        "ERR": np.full(SIZE, 0.1),
        "GOODONE": passed,
        "WORD": ["<b>&" if number % 2 else "v2.10" for number in range(SIZE)],
        "L1:DRPTAG": ["v2.9"] * SIZE,
        "SECONDS": np.full(SIZE, 36.0),
    }
    fill(NIGHT, columns, ["Star"] * 30 + ["Sun"] * 10)
    yield
    database.close_connections()


def draw(**fields: Any) -> tuple[PanelView, PanelPlot]:
    panel = TimeSeriesPanel.model_validate(
        {"name": "a", "group": "A", "title": "A title", **fields}
    )
    view = PanelView(data.fetch_table([panel], NIGHT, NIGHT), panel)
    return view, panel_plot.draw_panel(view, DAY, [ERA])


def legend(axes: Axes) -> str:
    legend_box = axes.get_legend()
    assert legend_box is not None
    return "\n".join(text.get_text() for text in legend_box.get_texts())


def row(**fields: Any) -> dict[str, Any]:
    return {"rows": [{"label": "wave", "unit": "m", "lines": {"w": "WAVE"}, **fields}]}


def test_the_legend_has_median_scatter_and_number() -> None:
    _, drawn = draw(**row())
    assert legend(drawn.axes[0]) == "w\n   0.26 ± 0.91  (40)"
    assert drawn.axes[0].get_ylabel() == "wave [m]"
    assert "UT" in drawn.axes[0].get_xlabel()


def test_a_condition_on_an_unknown_keyword_selects_nothing() -> None:
    panel = TimeSeriesPanel.model_validate(
        {"name": "a", "group": "A", "title": "A", **row(), "select": {"where": [["NEVER", ">", 1]]}}
    )
    view = PanelView(data.fetch_table([panel], NIGHT, NIGHT), panel)
    assert (view.times.size, view.is_empty, view.missing) == (0, True, ["NEVER"])


def test_a_threshold_is_drawn_and_what_is_beyond_is_counted() -> None:
    _, drawn = draw(**row(upper=0.9))
    beyond = int((np.sin(np.arange(SIZE) / 5) > 0.9).sum())
    assert drawn.beyond == beyond > 0
    assert f"limit 0.9: {beyond} beyond" in legend(drawn.axes[0])


def test_failures_are_marked() -> None:
    _, drawn = draw(**row(), qc=["GOODONE"])
    assert "QC failed (2)" in legend(drawn.axes[0])
    marked = [line for line in drawn.axes[0].lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in marked] == [2]


def test_eras_and_gaps_are_drawn() -> None:
    _, drawn = draw(**row())
    assert [text.get_text() for text in drawn.axes[0].texts] == ["era 9.9"]
    # After the last observation, at 7.5 h; the hour before the first is too short
    assert len(drawn.axes[0].patches) == 1


def test_only_the_selected_are_drawn() -> None:
    view, drawn = draw(**row(), select={"source": ["Sun"], "where": [["WAVE", "<", 0.9]]})
    assert view.times.size == int((np.sin(np.arange(30, 40) / 5) < 0.9).sum())
    assert f"({view.times.size})" in legend(drawn.axes[0])


def test_a_line_may_be_a_difference_with_errors() -> None:
    lines = {"d": {"column": "WAVE", "minus": "ERR", "error": "ERR", "scale": 10, "style": "line"}}
    _, drawn = draw(rows=[{"label": "x", "lines": lines, "relative": True}])
    [values] = [y for line in drawn.axes[0].lines if len(y := np.asarray(line.get_ydata())) == SIZE]
    expected = (np.sin(np.arange(SIZE) / 5) - 0.1) * 10
    assert values == pytest.approx(expected - np.median(expected))


def test_many_values_become_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kpfnb.kpf.tsdb.plots.robust_statistics.MAX_POINTS", 10)
    _, drawn = draw(**row())
    assert len(drawn.axes[0].collections) == 1


def test_a_log_row_of_nothing_positive_is_drawn() -> None:
    draw(
        rows=[
            {"label": "x", "log": True, "lines": {"a": "WAVE", "b": {"column": "WAVE", "scale": 0}}}
        ]
    )


def test_counts_by_category_with_their_table() -> None:
    _, drawn = draw(count={"by": "SOURCE"})
    assert drawn.table is not None
    assert drawn.table.columns.tolist() == ["Star", "Sun", "all"]
    assert drawn.table.loc["total"].tolist() == [30, 10, 40]
    assert drawn.table.index[0] == "01:00"
    assert "Star  (30)" in legend(drawn.axes[0])


def test_rare_categories_are_combined() -> None:
    _, drawn = draw(count={"by": "WAVE", "most": 3})
    assert drawn.table is not None
    assert drawn.table.columns[-2] == "others"
    assert drawn.table.loc["total", "all"] == SIZE


def test_a_sum_is_in_its_unit() -> None:
    _, drawn = draw(count={"by": "SOURCE", "sum": "SECONDS", "scale": 1 / 3600, "unit": "h"})
    assert drawn.table is not None
    assert drawn.table.loc["total", "Star"] == pytest.approx(0.3)


def test_known_keywords_are_counted() -> None:
    _, drawn = draw(count={"known": {"L1": "L1:DRPTAG", "L2": "L2:DRPTAG"}})
    assert drawn.table is not None
    assert drawn.table.loc["total"].tolist() == [SIZE, 0]


def test_flags_name_the_failed_observations() -> None:
    view, drawn = draw(flags={"good": "GOODONE", "never": "NEVER"})
    assert drawn.beyond == 2
    assert drawn.table is not None
    assert drawn.table.loc["good", ["checked", "failed"]].tolist() == [SIZE, 2]
    assert drawn.table.loc["good", "latest failures"] == f"{view.obsids[4]}, {view.obsids[3]}"
    assert view.missing == ["NEVER"]
    words = [text.get_text() for text in drawn.axes[0].texts]
    assert {"2 of 40 failed", "not checked"} <= set(words)


def test_states_are_in_natural_order() -> None:
    _, drawn = draw(states={"word": "WORD", "tag": "L1:DRPTAG"})
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == ["<b>&", "v2.10"]
    assert drawn.table is not None
    assert drawn.table["observations"].tolist() == [20, 20, 40]


def test_a_panel_without_values_is_empty() -> None:
    view, _ = draw(rows=[{"label": "x", "lines": {"a": "NEVER"}}])
    assert view.is_empty
    view, _ = draw(**row(), select={"source": ["Dark"]})
    assert view.is_empty


def test_the_same_data_give_the_same_picture() -> None:
    pictures = {panel_plot.render_png(draw(**row())[1]) for _ in range(2)}
    assert len(pictures) == 1
    assert pictures.pop().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("last", "name", "number"),
    [(16, "hour (UT)", 24), (25, "night (UT)", 10)],
)
def test_units_of_short_spans(last: int, name: str, number: int) -> None:
    end = datetime(2024, 1, last, tzinfo=UTC)
    span = TimeSpan(DAY.start, end, end)
    assert time_axis.choose_unit(span).name == name
    assert len(time_axis.bin_edges(span)) == number + 1


@pytest.mark.parametrize(
    ("year", "name", "number"), [(2025, "week from", 53), (2030, "month", 72), (2044, "year", 20)]
)
def test_units_of_long_spans(year: int, name: str, number: int) -> None:
    end = datetime(year, 1, 1, tzinfo=UTC)
    span = TimeSpan(datetime(2024, 1, 1, tzinfo=UTC), end, end)
    assert time_axis.choose_unit(span).name == name
    assert len(time_axis.bin_edges(span)) == number + 1
