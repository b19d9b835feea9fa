"use strict";
// Search and filter of the runs. The catalogue (data/*.js) is loaded when it is first asked for.
// Text of runs is put into the page as text, never as HTML.
(function () {
  const MOST = 200;
  const form = document.getElementById("find");
  if (!form) return;
  const body = document.querySelector("#runs tbody");
  const told = document.getElementById("told");
  const signs = JSON.parse(form.dataset.signs);
  const zone = form.dataset.zone;
  const months = form.dataset.months ? form.dataset.months.split(" ") : [];
  const top = form.dataset.top;
  const shown = Array.from(body.rows);
  const first = told.textContent;
  const files = { r: ["report.html", "report"], n: ["notebook.ipynb", "notebook"], j: ["result.json", "result"], l: ["log.txt", "log"] };
  const names = ["id", "notebook", "kind", "word", "started", "seconds", "reason", "figures", "parameters", "directory", "links"];
  const loaded = new Map();
  let rows = null;
  let waiting = null;

  window.kpfnbRuns = function (month, found) {
    loaded.set(month, found.map((values) => Object.fromEntries(names.map((name, at) => [name, values[at]]))));
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

  async function all() {
    if (rows) return rows;
    waiting = waiting || Promise.all(months.map(load));
    await waiting;
    rows = months.flatMap((month) => loaded.get(month) || []);
    for (const row of rows) {
      row.text = [row.id, row.notebook, row.kind, row.word, row.reason, row.figures, row.parameters, row.started].join(" ").toLowerCase();
    }
    return rows;
  }

  function element(name, text, style) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (style) made.className = style;
    return made;
  }

  function took(seconds) {
    if (seconds < 0) return "–";
    if (seconds < 60) return seconds.toFixed(1) + " s";
    const minutes = Math.floor(Math.round(seconds) / 60);
    if (minutes < 60) return minutes + " min " + String(Math.round(seconds) % 60).padStart(2, "0") + " s";
    return Math.floor(minutes / 60) + " h " + String(minutes % 60).padStart(2, "0") + " min";
  }

  const clock = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" });

  function line(row) {
    const tr = element("tr", "", row.word);
    const outcome = element("td");
    outcome.append(element("span", (signs[row.word] || "") + " " + row.word, "badge"));
    const about = element("td", "", "about");
    about.append(element("strong", row.notebook), " ");
    if (row.kind !== "notebook") about.append(element("span", row.kind, "soft"), " ");
    about.append(element("span", row.id, "mono soft"));
    if (row.reason) about.append(element("br"), element("span", row.reason, "small"));
    if (row.parameters) about.append(element("br"), element("span", row.parameters, "small soft"));
    const links = element("td", "", "links");
    for (const letter of row.links) {
      const link = element("a", files[letter][1]);
      link.href = top + encodeURIComponent(row.notebook) + "/" + encodeURIComponent(row.directory) + "/" + files[letter][0];
      link.setAttribute("aria-label", files[letter][1] + " of " + row.notebook + " " + row.id);
      links.append(link, " ");
    }
    const time = element("td", clock.format(new Date(row.started + "Z")), "time");
    tr.append(outcome, about, time, element("td", took(row.seconds), "number"), element("td", row.figures, "keys small"), links);
    return tr;
  }

  function asked() {
    return {
      words: form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean),
      outcome: form.elements.outcome.value,
      notebook: form.elements.notebook.value,
      since: form.elements.since.value,
      until: form.elements.until.value,
    };
  }

  function fits(row, query) {
    return (!query.outcome || row.word === query.outcome)
      && (!query.notebook || row.notebook === query.notebook)
      && (!query.since || row.started.slice(0, 10) >= query.since)
      && (!query.until || row.started.slice(0, 10) <= query.until)
      && query.words.every((word) => row.text.includes(word));
  }

  async function find() {
    const query = asked();
    const plain = !query.words.length && !query.outcome && !query.notebook && !query.since && !query.until;
    keep();
    if (plain) {
      body.replaceChildren(...shown);
      told.textContent = first;
      return;
    }
    const every = await all();
    if (JSON.stringify(query) !== JSON.stringify(asked())) return;
    const found = every.filter((row) => fits(row, query));
    body.replaceChildren(...found.slice(0, MOST).map(line));
    const more = found.length > MOST ? ", the latest " + MOST + " shown" : "";
    told.textContent = found.length + " of " + every.length + " runs" + more;
  }

  function keep() {
    const parts = new URLSearchParams();
    for (const field of form.elements) if (field.name && field.value) parts.set(field.name, field.value);
    history.replaceState(null, "", parts.size ? "#" + parts : location.pathname + location.search);
  }

  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const field = form.elements[name];
    if (field) field.value = value;
  }
  let pause = 0;
  form.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(find, 120); });
  form.addEventListener("submit", (event) => { event.preventDefault(); find(); });
  form.addEventListener("reset", () => setTimeout(find));
  form.hidden = false;
  if (location.hash) find();
})();
