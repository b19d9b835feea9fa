"""A notebook in JupyterLab, used as a person uses it, with checks for the tests."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import nbformat
from axe_playwright_python.base import AXE_FILE_PATH
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell

from tests.browser.conftest import WAIT, Lab

PROJECT = Path(__file__).parents[2]
SCREENSHOTS = PROJECT / "work/screenshots"
WIDTH, HEIGHT = 1366, 768
TALL = 2600

FIND = """const find = name => [...(window.jupyterapp?.shell.widgets('main') ?? [])]
  .find(widget => widget.title.label === name);"""
READY = f"""name => {{
  {FIND}
  const panel = find(name);
  return panel?.content.widgets?.length > 0
    && panel.sessionContext?.session?.kernel?.status === 'idle';
}}"""
SHOWN = f"""name => {{
  {FIND}
  return find(name).content.widgets.some(
    cell => cell.model.sharedModel.source.startsWith('run.form(')
      && cell.model.executionCount && cell.model.outputs.length);
}}"""
ALL_DONE = f"""name => {{
  {FIND}
  return find(name).sessionContext.session.kernel.requestExecute({{code: '', silent: true}}).done;
}}"""
COUNT = f"""name => {{
  {FIND}
  const cells = find(name).content.widgets.filter(cell => cell.model.type === 'code');
  return cells.at(-2).model.executionCount;
}}"""
TO_FRONT = f"""name => {{
  {FIND}
  window.jupyterapp.shell.activateById(find(name).id);
}}"""
RUN_ALL = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
THEME = "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
THEMED = "name => document.body.dataset.jpThemeName === name"
NAMELESS = """() => [...document.querySelectorAll(
    '.jp-OutputArea :is(input, select, textarea, button, canvas[tabindex])')]
  .filter(element => element.checkVisibility())
  .filter(element => !(element.ariaLabel || element.title || element.textContent.trim()
    || [...(element.labels ?? [])].some(label => label.textContent.trim())))
  .map(element => element.outerHTML.slice(0, 200))"""
AXE = """async () => {
  const rules = {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']};
  const outputs = {include: ['.jp-OutputArea-output'], exclude: ['.jp-RenderedImage img']};
  const result = await axe.run(outputs, rules);
  return result.violations.map(rule => `${rule.id}: ${rule.nodes.slice(0, 3).map(
    node => node.html.slice(0, 200) + ' ' + node.failureSummary).join(' | ')}`);
}"""
"""JupyterLab gives stored pictures no text; a run in JupyterLab shows none (`STORED_PICTURE`)."""
STORED_PICTURE = ".jp-RenderedImage"
TOO_WIDE = """() => [...document.querySelectorAll('.jp-OutputArea-output')]
  .filter(element => element.scrollWidth > element.clientWidth + 1)
  .filter(element => !element.querySelector('table'))
  .map(element => element.scrollWidth + ' ' + element.textContent.slice(0, 100))"""

HELD = """
import time
from pathlib import Path
from kpfnb.core.progress import show_progress
with show_progress(None, "held", shown=Path({flag!r}).exists()) as bar:
    while Path({flag!r}).exists():
        bar.update(done=bar.state.done + 1, note="by a test")
        time.sleep(0.1)
"""
"""A cell that waits while a file is there: time to press Stop, or to reload the browser."""


MORE = re.compile("^More parameters")
"""The button that shows what is rarely changed."""
HELD_COUNT = re.compile(r"held: (\d+)")


class Notebook:
    """One notebook, opened in a page. It is a copy with one more cell, which can be held."""

    def __init__(self, page: Any, lab: Lab, name: str) -> None:
        self.page = page
        self.name = name
        self.home = lab.project
        self.flag = self.home / f"hold-{name}"
        self._lab = lab
        source = PROJECT / "notebooks" / f"{name}.ipynb"
        _copy(source, lab, HELD.format(flag=str(self.flag)))

    def open(self, address: str = "") -> None:
        """Open it; it runs to its form by itself, and further if it only looks.

        address : what to open, if not the notebook itself
        """
        self.page.goto(address or self._lab.address(f"{self.name}.ipynb"))
        self.wait_for_form()

    def wait_for_form(self) -> None:
        """Wait until the form can be used."""
        self.button("Run").wait_for()
        self.page.wait_for_function(SHOWN, arg=f"{self.name}.ipynb")
        self.wait_until_all_is_done()
        self.wait_until_idle()

    def run_all(self) -> dict[str, Any]:
        """Run all cells from the menu, and wait for the result."""
        before = self.runs()
        self.page.evaluate(RUN_ALL)
        return self.ended(before)

    def fill(self, values: dict[str, Any]) -> None:
        """Type values, each by the label of its field; `levels: L0` is a check box of several."""
        for label, value in values.items():
            group, _, option = label.partition(": ")
            field = self.page.get_by_label(option or group, exact=True).first
            if not field.is_visible():
                self.page.get_by_role("button", name="More parameters").click()
            if isinstance(value, bool):
                field.set_checked(value)
            elif field.evaluate("element => element.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(str(value))

    def value(self, label: str) -> Any:
        """The text of a field."""
        field = self.page.get_by_label(label.partition(": ")[2] or label, exact=True).first
        if field.get_attribute("type") == "checkbox":
            return field.is_checked()
        return field.input_value()

    def button(self, name: str) -> Any:
        """A button by what it says."""
        return self.page.get_by_role("button", name=name, exact=True)

    def run(self, button: str = "Run") -> dict[str, Any]:
        """Press Run, and wait for the result."""
        before = self.runs()
        self.button(button).click()
        return self.ended(before)

    def ended(self, before: list[Path]) -> dict[str, Any]:
        """Wait for the end of a run that was not there before, and take its result."""
        result = self.wait_for_result(before)
        self.wait_until_idle()
        return result

    def wait_for_result(self, before: list[Path]) -> dict[str, Any]:
        """The result of a run that was not there before, also if no page shows the notebook."""
        deadline = time.monotonic() + WAIT / 1000
        while time.monotonic() < deadline:
            new = [run for run in self.runs() if run not in before]
            if new and self.record(new[-1]).get("outcome"):
                result: dict[str, Any] = json.loads((new[-1] / "result.json").read_text())
                return result
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{self.name} has not ended: {before}, {self.runs()}")

    def record(self, run: Path | None = None) -> dict[str, Any]:
        """The record of a run, the last by default; {} if it is gone (no result)."""
        try:
            record: dict[str, Any] = json.loads(((run or self.runs()[-1]) / "run.json").read_text())
        except FileNotFoundError:
            return {}
        return record

    def runs(self) -> list[Path]:
        """The directories of its runs, oldest first."""
        return sorted((self.home / "work/runs" / self.name).glob("2*"))

    def status(self, *words: str) -> Any:
        """Wait until the form shows one of the states."""
        element = self.page.get_by_role("status").filter(has_text=re.compile("|".join(words))).first
        element.wait_for()
        return element

    def held(self) -> Any:
        """The output of the cell that is held."""
        return self.page.get_by_text(HELD_COUNT)

    def counted(self) -> int:
        """How far the cell that is held has counted."""
        match = HELD_COUNT.search(self.held().inner_text())
        assert match
        return int(match[1])

    def bring_to_front(self) -> None:
        """Make its tab the active one."""
        self.page.evaluate(TO_FRONT, f"{self.name}.ipynb")

    def wait_until_idle(self) -> None:
        """Wait until the kernel has nothing to do."""
        self.page.wait_for_function(READY, arg=f"{self.name}.ipynb")

    def wait_until_all_is_done(self) -> None:
        """Wait until the kernel has finished all requests so far."""
        self.page.evaluate(ALL_DONE, f"{self.name}.ipynb")

    def wait_until_saved(self) -> None:
        """Wait until what the last run showed is in the file; it is saved in the last cell."""
        file = self._lab.folder / f"{self.name}.ipynb"
        shown = self.page.evaluate(COUNT, file.name)
        deadline = time.monotonic() + WAIT / 1000
        while _counts(file)[-2:-1] != [shown]:
            assert time.monotonic() < deadline, f"{file} is not saved"
            self.page.wait_for_timeout(50)

    def reload(self) -> None:
        """Reload the browser's page."""
        self.page.reload()
        self.page.wait_for_selector(".jp-Notebook")

    def check_page(self, picture: str = "") -> None:
        """Nothing failed, it is accessible, and it fits; keep screenshots of it for people."""
        assert (
            self.page.locator('[data-mime-type*="error"], [data-mime-type*="stderr"]').count() == 0
        )
        assert self.page.evaluate(NAMELESS) == []
        assert self.page.evaluate(TOO_WIDE) == []
        assert self.page.problems == []
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.set_viewport_size({"width": WIDTH, "height": TALL})
        self.page.evaluate(Path(AXE_FILE_PATH).read_text(encoding="utf-8"))
        for theme in ("Dark", "Light"):
            self.page.evaluate(THEME, f"JupyterLab {theme}")
            self.page.wait_for_function(THEMED, arg=f"JupyterLab {theme}")
            self.page.wait_for_selector("#jupyterlab-splash", state="detached")
            violations = self.page.evaluate(AXE)
            assert violations == [], violations
            self.button("Run").scroll_into_view_if_needed()
            self.page.screenshot(
                path=str(SCREENSHOTS / f"{picture or self.name}-{theme.lower()}.png")
            )
        self.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


def _copy(source: Path, lab: Lab, held: str) -> None:
    """Put a working copy with one more cell in place of the person's, and trust it as they would"""
    document = nbformat.read(source, as_version=4)
    cells = document.cells
    form = next(n for n, cell in enumerate(cells) if cell.source.startswith("run.form("))
    cells.insert(form + 1, new_code_cell(held.strip()))
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    copy = lab.folder / source.name
    document.metadata |= {"kpfnb": nbformat.read(copy, as_version=4).metadata["kpfnb"]}
    nbformat.write(document, copy)
    NotebookNotary(data_dir=str(lab.project / "data")).sign(document)


def _counts(file: Path) -> list[int | None]:
    """The numbers of the code cells; an empty list while JupyterLab writes the file."""
    try:
        cells = nbformat.read(file, as_version=4).cells
    except nbformat.reader.NotJSONError:
        return []
    return [cell.execution_count for cell in cells if cell.cell_type == "code"]
