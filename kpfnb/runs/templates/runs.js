"use strict";
// Search and filter of the runs. The search index (data/*.js) is loaded at the first search.
// Text of runs is inserted as text, never as HTML.
(function () {
  const MAX_ROWS = 200;
  const form = document.getElementById("find");
  if (!form) return;
  const body = document.querySelector("#runs tbody");
  const statusLine = document.getElementById("status");
  const signs = JSON.parse(form.dataset.signs);
  const problems = form.dataset.problems.split(" ");
  const zone = form.dataset.zone;
  const months = form.dataset.months ? form.dataset.months.split(" ") : [];
  const top = form.dataset.top;
  const initialRows = Array.from(body.rows);
  const initialStatus = statusLine.textContent;
  const files = { r: ["report.html", "report"], n: ["notebook.ipynb", "notebook"], j: ["result.json", "result"], l: ["log.txt", "log"] };
  const names = ["id", "notebook", "kind", "word", "started", "seconds", "reason", "figures", "parameters", "directory", "links"];
  const loaded = new Map();
  let rows = null;
  let pending = null;

  window.kpfnbRuns = function (month, monthRows) {
    loaded.set(month, monthRows.map((values) => Object.fromEntries(names.map((name, index) => [name, values[index]]))));
  };

  function load(month) {
    return new Promise((done) => {
      const script = document.createElement("script");
      script.src = top + "data/" + encodeURIComponent(month) + ".js";
      script.onload = done;
      script.onerror = done;
      document.head.append(script);
    });
  }

  async function loadRows() {
    if (rows) return rows;
    pending = pending || Promise.all(months.map(load));
    await pending;
    rows = months.flatMap((month) => loaded.get(month) || []);
    for (const row of rows) {
      row.local = clock.format(new Date(row.started + "Z"));
      row.text = [row.id, row.notebook, row.kind, row.word, row.reason, row.figures, row.parameters, row.local].join(" ").toLowerCase();
    }
    return rows;
  }

  function element(name, text, style) {
    const node = document.createElement(name);
    if (text) node.textContent = text;
    if (style) node.className = style;
    return node;
  }

  function duration(seconds) {
    if (seconds < 0) return "–";
    if (seconds < 60) return seconds.toFixed(1) + " s";
    const minutes = Math.floor(Math.round(seconds) / 60);
    if (minutes < 60) return minutes + " min " + String(Math.round(seconds) % 60).padStart(2, "0") + " s";
    return Math.floor(minutes / 60) + " h " + String(minutes % 60).padStart(2, "0") + " min";
  }

  // A day and a minute in the zone of the page
  const clock = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" });

  function tableRow(row) {
    const tr = element("tr", "", row.word);
    const outcome = element("td");
    outcome.append(element("span", (signs[row.word] || "") + " " + row.word, "badge"));
    const name = element("td", "", "name");
    name.append(element("strong", row.notebook));
    const line = element("td", "", "line");
    const details = element("details");
    const summary = element("summary", row.reason || row.id);
    summary.title = row.reason;
    const pairs = element("dl", "", "pairs small");
    const kind = row.kind === "notebook" ? "" : " (" + row.kind + ")";
    for (const [title, text] of [["run", row.id + kind], ["key figures", row.figures], ["parameters", row.parameters]]) {
      if (text) pairs.append(element("dt", title), element("dd", text));
    }
    details.append(summary, pairs);
    line.append(details);
    const links = element("td", "", "links");
    for (const letter of row.links) {
      const link = element("a", files[letter][1]);
      link.href = top + encodeURIComponent(row.notebook) + "/" + encodeURIComponent(row.directory) + "/" + files[letter][0];
      link.setAttribute("aria-label", files[letter][1] + " of " + row.notebook + " " + row.id);
      links.append(link);
    }
    tr.append(outcome, name, element("td", row.local, "time"), element("td", duration(row.seconds), "number"), line, links);
    return tr;
  }

  function readQuery() {
    return {
      words: form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean),
      outcome: form.elements.outcome.value,
      notebook: form.elements.notebook.value,
      since: form.elements.since.value,
      until: form.elements.until.value,
      order: form.elements.order.value,
    };
  }

  function matches(row, query) {
    return (!query.outcome || row.word === query.outcome || (query.outcome === "problems" && problems.includes(row.word)))
      && (!query.notebook || row.notebook === query.notebook)
      && (!query.since || row.local.slice(0, 10) >= query.since)
      && (!query.until || row.local.slice(0, 10) <= query.until)
      && query.words.every((word) => row.text.includes(word));
  }

  async function search() {
    const query = readQuery();
    const isEmpty = !query.words.length && !query.outcome && !query.notebook && !query.since && !query.until && !query.order;
    storeQuery();
    if (isEmpty) {
      body.replaceChildren(...initialRows);
      statusLine.textContent = initialStatus;
      return;
    }
    const allRows = await loadRows();
    if (JSON.stringify(query) !== JSON.stringify(readQuery())) return;
    const hits = allRows.filter((row) => matches(row, query));
    if (query.order) hits.sort((first, second) => problems.includes(second.word) - problems.includes(first.word));
    body.replaceChildren(...hits.slice(0, MAX_ROWS).map(tableRow));
    const more = hits.length > MAX_ROWS ? ", the first " + MAX_ROWS + " shown" : "";
    statusLine.textContent = hits.length + " of " + allRows.length + (allRows.length === 1 ? " run" : " runs") + more;
  }

  function storeQuery() {
    const parts = new URLSearchParams();
    for (const field of form.elements) if (field.name && field.value) parts.set(field.name, field.value);
    history.replaceState(null, "", parts.size ? "#" + parts : location.pathname + location.search);
  }

  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const field = form.elements[name];
    if (field) field.value = value;
  }
  // The numbers by outcome choose the runs with that outcome
  for (const badge of document.querySelectorAll(".counts .badge")) {
    const button = element("button", badge.textContent, "badge");
    button.type = "button";
    button.title = "show only these runs";
    button.addEventListener("click", () => { form.elements.outcome.value = badge.dataset.outcome; search(); });
    badge.replaceWith(button);
  }
  let timer = 0;
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 120); });
  form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
  form.addEventListener("reset", () => setTimeout(search));
  form.hidden = false;
  if (location.hash) search();
})();
