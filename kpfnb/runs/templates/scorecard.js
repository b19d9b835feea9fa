"use strict";
// Sorts the table of frames by the column whose head is clicked; again: the other way round.
(function () {
  const table = document.getElementById("frames");
  if (!table) return;
  const body = table.tBodies[0];
  function value(row, column) {
    const cell = row.cells[column];
    return "value" in cell.dataset ? cell.dataset.value : cell.textContent.trim().toLowerCase();
  }
  function compare(first, second, isNumber) {
    // Cells without a value come last in both directions
    if (first === "" || second === "") return null;
    return isNumber ? Number(first) - Number(second) : first.localeCompare(second);
  }
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isNumber = head.classList.contains("number");
      const before = head.getAttribute("aria-sort");
      const ascending = before ? before === "descending" : !isNumber;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const rows = Array.from(body.rows).map((row) => [value(row, column), row]);
      rows.sort(([first], [second]) => {
        const order = compare(first, second, isNumber);
        if (order === null) return (first === "") - (second === "");
        return ascending ? order : -order;
      });
      body.replaceChildren(...rows.map(([, row]) => row));
    });
  });
})();
