// The live home page: asks the server for the state, and shows it. All text is set as text.
"use strict";

const home = document.getElementById("home");
const base = home.dataset.base;
const QUICK = 1000, SLOW = 3000, CALENDAR = 30000, LONGEST = 15000;
const shown = {};
let etag = "", state = null, failures = 0, timer = 0, busy = false, nights = [], month = "";

const find = (id) => document.getElementById(id);
const content = (id) => find(id).querySelector(".content");

// An element: make("a", {href: url, class: "x"}, "text", child, ...)
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

function link(item, label) {
  // Only addresses of this server
  if (!item || !item.url || !item.url.startsWith("/")) return item && item.url === "" ? make("span", {}, item.text) : null;
  return make("a", { href: item.url, "aria-label": label }, item.text);
}

const badge = (item) => make("span", { class: item.style }, make("span", { class: "badge" }, `${item.sign} ${item.word}`));

function fold(key, title, ...children) {
  return make("details", { "data-key": key, class: "fold" }, make("summary", {}, title), ...children);
}

const log = (text, label) => make("pre", { tabindex: "0", role: "group", "aria-label": label }, text);

// Show a part anew if its values changed; open folds stay open, and the focus where it was.
function show(id, values, build) {
  const text = JSON.stringify(values);
  if (shown[id] === text) return;
  shown[id] = text;
  const place = content(id);
  const open = new Set([...place.querySelectorAll("details[open]")].map((item) => item.dataset.key));
  const focus = place.contains(document.activeElement) ? document.activeElement.dataset.key : "";
  const scrolled = new Map([...place.querySelectorAll("pre")].map((item) => [item.ariaLabel, item.scrollTop]));
  place.replaceChildren(...[build(values)].flat(Infinity).filter(Boolean));
  for (const item of place.querySelectorAll("details")) item.open = item.open || open.has(item.dataset.key);
  for (const item of place.querySelectorAll("pre")) item.scrollTop = scrolled.get(item.ariaLabel) || 0;
  if (focus) [...place.querySelectorAll("[data-key]")].find((item) => item.dataset.key === focus)?.focus();
}

const problem = (part) => make("p", { class: "notice bad-notice" }, part.error);

async function act(name, values, button) {
  button.disabled = true;
  let text;
  try {
    const answer = await fetch(`${base}api/${name}`, {
      method: "POST", credentials: "same-origin", body: JSON.stringify(values),
      headers: { "Content-Type": "application/json", "X-XSRFToken": home.dataset.token },
    });
    const result = await answer.json();
    text = result.message || result.error;
  } catch (error) {
    text = "The server does not answer.";
  }
  find("message").textContent = text;
  find("message").hidden = false;
  button.disabled = false;
  poll(true);
}

function confirmStop(text, then) {
  const dialog = find("confirm");
  find("confirm-text").textContent = text;
  dialog.returnValue = "no";
  dialog.onclose = () => { if (dialog.returnValue === "yes") then(); };
  dialog.showModal();
}

// The last night

function buildNight(part) {
  if (part.error) return problem(part);
  const night = part.value;
  if (!night) return make("p", { class: "soft" }, "There is no night with raw files.");
  const verdict = night.verdict;
  const assess = make("button", {
    type: "button", "data-key": "assess", title: `runs: kpfnb run tonight -p night=${night.night}`,
    onclick: (event) => act("start", { notebook: "tonight", parameters: { night: night.night } }, event.target),
  }, night.assess.text);
  const head = make("div", { class: "line" }, make("h3", {}, `Night ${night.night}`),
    verdict ? badge(verdict.badge) : make("span", { class: "soft" }, "no verdict yet"),
    make("span", { class: "soft" }, count(night.observations, "observation")),
    night.last_l0 ? make("span", { class: "soft" }, `last L0 written ${night.last_l0}`) : null);
  const about = verdict ? make("p", {}, verdict.line) : null;
  const stale = verdict && verdict.stale ? make("span", { class: "stale" }, `Stale: ${verdict.stale}.`) : null;
  const again = stale || !verdict ? make("p", { class: "line" }, stale, assess) : null;
  const bars = make("div", { class: "levels-bars" }, night.levels.map((level) => [
    make("span", {}, level.level),
    level.expected ? make("progress", { max: level.expected, value: level.done, "aria-label": `${level.level} done` })
      : make("span", { class: "soft" }, "nothing expected"),
    make("span", {}, level.expected ? `${level.done} of ${level.expected} · ${Math.floor(100 * level.done / level.expected)} %` : ""),
  ]));
  const links = make("nav", { "aria-label": "pages of the night" }, night.pages.map((item) => link(item)), link(night.progress));
  return [head, about, again, bars, night.missing_count ? buildMissing(night) : make("p", { class: "succeeded" }, "No products are missing."),
    night.remarks.length ? fold("remarks", count(night.remarks.length, "note"), make("ul", {}, night.remarks.map((text) => make("li", {}, text)))) : null,
    links];
}

function buildMissing(night) {
  return make("div", { class: "line top-line" }, make("div", { class: "grow" }, fold("missing", `${count(night.missing_count, "product")} missing, and why`,
    night.missing.map((group, index) => make("div", { class: "row" },
      make("p", {}, make("strong", {}, group.cause), " ", night.missing.length > 1 ? link(group.action) : null),
      make("ul", { class: "small" }, group.products.map((product) => make("li", {},
        link({ url: product.url, text: product.obsid }), ` ${product.level}: ${product.sentence} (L0: ${product.raw}) `,
        product.log ? link({ url: product.log, text: "log" }, `log of ${product.obsid} ${product.level}`) : null,
        product.excerpt ? fold(`excerpt ${index} ${product.obsid} ${product.level}`, "lines of the log", log(product.excerpt, `log of ${product.obsid} ${product.level}`)) : null)),
        group.more ? make("li", {}, `and ${group.more} more: see the notebook progress`) : null))))),
    link(night.reprocess));
}

// The calendar

function buildCalendar(part) {
  if (part.error) return problem(part);
  const known = new Map(nights.map((night) => [night.night, night]));
  if (!nights.length) return make("p", { class: "soft" }, "No night has files or a verdict.");
  const months = [...new Set(nights.map((night) => night.night.slice(0, 6)))];
  if (!months.includes(month)) month = months[0];
  const place = months.indexOf(month), year = Number(month.slice(0, 4)), number = Number(month.slice(4));
  const days = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const first = (new Date(Date.UTC(year, number - 1, 1)).getUTCDay() + 6) % 7;
  const move = (step, label, text) => make("button", {
    type: "button", "data-key": label, "aria-label": label, disabled: !months[place + step],
    onclick: () => { month = months[place + step]; showCalendar(); },
  }, text);
  const cells = Array.from({ length: first }, () => make("li", { role: "presentation" }));
  for (let day = 1; day <= days; day++) {
    const name = month + String(day).padStart(2, "0"), night = known.get(name);
    if (!night) { cells.push(make("li", {}, String(day))); continue; }
    const word = night.badge ? night.badge.word : "no verdict";
    const text = `${name}: ${word}, ${count(night.files, "raw file")}`;
    cells.push(make("li", { class: `has ${night.badge ? `judged ${night.badge.style}` : ""}` },
      make("a", { href: night.url, title: text, "aria-label": text }, String(day), make("br"),
        make("b", {}, night.badge ? night.badge.sign : ""), ` ${night.files}`)));
  }
  return [make("div", { class: "month-head" }, move(1, "earlier month", "‹"),
    make("h3", { "aria-live": "polite" }, `${month.slice(0, 4)}-${month.slice(4)}`), move(-1, "later month", "›")),
    make("div", { class: "month weekdays", "aria-hidden": "true" }, ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"].map((day) => make("span", {}, day))),
    make("ol", { class: "month" }, cells),
    make("p", { class: "soft small" }, "number of raw files; mark and colour of the verdict")];
}

function showCalendar() {
  show("calendar", { month, nights, error: "" }, () => buildCalendar({ error: "" }));
}

// Runs

function elapsed(since) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor(seconds % 3600 / 60)).padStart(2, "0")} min`;
}

function runHead(run) {
  return [make("strong", {}, run.notebook), run.kind === "notebook" ? null : make("span", { class: "soft" }, run.kind),
    make("span", { class: "mono soft" }, run.id), make("span", { class: "soft" }, run.started)];
}

function buildRun(run) {
  const stop = run.can_stop ? make("button", {
    type: "button", class: "danger", "data-key": `stop ${run.id}`, "aria-label": `Stop ${run.notebook} ${run.id}`,
    onclick: (event) => confirmStop(`Stop ${run.notebook}, started ${run.started} ${run.parameters ? `(${run.parameters})` : ""}? It ends as with Ctrl-C; what is done stays.`,
      () => act("stop", { run: run.id }, event.target)),
  }, "Stop") : null;
  return make("div", { class: "row", "data-run": run.id },
    make("div", { class: "line" }, ...runHead(run), make("span", { class: "soft elapsed", "data-since": run.started_at }),
      make("span", { class: "soft" }, run.where), make("span", { class: "grow" }), run.files.map((item) => link(item, `${item.text} of ${run.notebook} ${run.id}`)), stop),
    run.parameters ? make("p", { class: "small soft" }, run.parameters) : null,
    make("div", { class: "bar" }));
}

function showRunning(part) {
  const runs = part.error ? [] : part.value.running;
  // The bars move without that the rest is made anew
  show("running", part.error || runs.map((run) => ({ ...run, progress: null })), () => {
    if (part.error) return problem(part);
    return runs.length ? runs.map(buildRun) : make("p", { class: "soft" }, "Nothing is running.");
  });
  for (const run of runs) {
    const bar = content("running").querySelector(`[data-run="${CSS.escape(run.id)}"] .bar`);
    if (!bar) continue;
    const progress = run.progress;
    if (!progress) { bar.replaceChildren(); continue; }
    if (!bar.firstChild) bar.append(make("progress", { "aria-label": `progress of ${run.notebook} ${run.id}` }), make("div", { class: "small soft" }));
    const [line, text] = bar.children;
    if (progress.total) { line.max = progress.total; line.value = progress.done; } else line.removeAttribute("value");
    const percent = progress.total ? ` of ${progress.total} (${Math.floor(100 * progress.done / progress.total)} %)` : "";
    text.textContent = [`${progress.title}: ${progress.done}${percent}`, progress.failed ? `${progress.failed} failed` : "", progress.note].filter(Boolean).join(", ");
  }
  showTimes();
}

function showTimes() {
  for (const item of document.querySelectorAll("[data-since]")) item.textContent = `for ${elapsed(item.dataset.since)}`;
}

function buildFailures(part) {
  if (part.error) return problem(part);
  const { failed, failed_count: total, days } = part.value;
  if (!total) return make("p", { class: "soft" }, `None in the last ${days} days.`);
  const rows = failed.map((run) => make("div", { class: "row" },
    make("div", { class: "line" }, badge(run.badge), ...runHead(run), make("span", { class: "grow" }),
      run.files.map((item) => link(item, `${item.text} of ${run.notebook} ${run.id}`))),
    make("p", {}, run.reason),
    run.parameters ? make("p", { class: "small soft" }, run.parameters) : null,
    make("div", { class: "line" }, make("button", {
      type: "button", "data-key": `retry ${run.id}`, "aria-label": `Retry ${run.notebook} ${run.id}`, title: `runs: ${run.command}`,
      onclick: (event) => act("retry", { run: run.id }, event.target),
    }, "Retry"), link(run.open, `Open notebook ${run.notebook} filled in as in ${run.id}`)),
    fold(`log ${run.id}`, "end of the log, and what Retry runs", make("p", { class: "mono small" }, run.command),
      log([run.error, run.log_end].filter(Boolean).join("\n\n") || "There is no log.", `log of ${run.notebook} ${run.id}`))));
  const more = total - failed.length;
  return more > 0 ? [...rows, make("p", { class: "soft" }, `and ${more} more: see Runs`)] : rows;
}

// Queues and watchers

function buildQueues(part) {
  if (part.error) return problem(part);
  if (!part.value.running) return make("p", { class: "soft" }, "No queue server runs here; loading a queue starts it.");
  if (!part.value.queues.length) return make("p", { class: "soft" }, "There are no queues.");
  return part.value.queues.map((queue) => {
    const counts = Object.entries(queue.counts).filter(([, number]) => number).map(([name, number]) => `${number} ${name}`).join(", ");
    return make("div", { class: "row" },
      make("div", { class: "line" }, make("strong", {}, queue.name), make("span", { class: "queue-counts grow" }, counts || "empty", queue.draining ? " (draining)" : ""),
        link(queue.open, `Open the notebook of queue ${queue.name}`)),
      queue.problems.map((item) => make("div", { class: "row failed" },
        make("div", { class: "line" }, make("span", { class: "grow" }, make("strong", {}, item.item), ` ${item.state} since ${item.since}, ${count(item.attempts, "attempt")}`),
          item.log ? link({ url: item.log, text: "whole log" }, `whole log of ${item.item}`) : null,
          make("button", {
            type: "button", "data-key": `requeue ${queue.name} ${item.item}`, "aria-label": `Retry ${item.item}`, title: "lets it wait for a worker again, as if new",
            onclick: (event) => act("requeue", { queue: queue.name, item: item.item }, event.target),
          }, "Retry")),
        make("p", { class: "small" }, item.error),
        item.log_end ? fold(`queue ${queue.name} ${item.item}`, "end of the log", log(item.log_end, `log of ${item.item}`)) : null)),
      queue.more > 0 ? make("p", { class: "soft" }, `and ${queue.more} more`) : null);
  });
}

function buildWatchers(part) {
  if (part.error) return problem(part);
  if (!part.value.length) return make("p", { class: "soft" }, "No watcher has been started. Start one with ", make("code", {}, "kpfnb watch process"), ".");
  return part.value.map((watcher) => make("div", { class: `row ${watcher.style}` },
    make("div", { class: "line" }, make("span", { class: "badge" }, watcher.state), make("strong", {}, watcher.name), make("span", { class: "soft" }, `since ${watcher.since}`)),
    make("p", { class: "small" }, `${watcher.done} done, ${watcher.failed} failed, ${watcher.waiting} waiting, ${watcher.in_work} in work, ${watcher.given_up} given up`),
    watcher.warnings.length ? fold(`watcher ${watcher.name}`, count(watcher.warnings.length, "warning"), make("ul", { class: "small" }, watcher.warnings.map((text) => make("li", {}, text)))) : null));
}

const buildTasks = (part) => part.error ? problem(part) : part.value.map((group) => [make("h3", {}, group.group),
  make("ul", { class: "tiles" }, group.tasks.map((task) => make("li", {}, make("a", { href: `${home.dataset.lab}${encodeURIComponent(task.name)}.ipynb` },
    make("b", {}, task.title), make("span", { class: "purpose" }, task.purpose)))))]).flat();

// Everything

function showState() {
  const root = state.data_root.error || state.data_root.value;
  find("data-root").textContent = root || "";
  find("data-root").hidden = !root;
  if (!root) show("night", state.night, buildNight);
  find("night").hidden = Boolean(root);
  showRunning(state.runs);
  show("failed", { error: state.runs.error, value: state.runs.value && { ...state.runs.value, running: null } }, buildFailures);
  show("queues", state.queues, buildQueues);
  show("watchers", state.watchers, buildWatchers);
  show("tasks", state.tasks, buildTasks);
  const pages = JSON.stringify(state.pages);
  if (shown.pages !== pages) find("pages").replaceChildren(...(state.pages.value || []).map((item) => link(item)));
  shown.pages = pages;
  if (state.runs.value) find("zone").textContent = `Times: ${state.runs.value.zone}; nights: UT.`;
  find("loading").hidden = true;
  find("columns").hidden = find("tasks").hidden = false;
}

async function load(name, version) {
  const answer = await fetch(`${base}api/${name}`, { credentials: "same-origin", cache: "no-store", headers: version ? { "If-None-Match": version } : {} });
  if (answer.status === 304) return null;
  if (answer.status === 403) throw new Error("You are logged out. Reload this page to log in.");
  if (!answer.ok) throw new Error(`The server answers with error ${answer.status}.`);
  return { values: await answer.json(), etag: answer.headers.get("ETag") };
}

function connected(error) {
  failures = error ? failures + 1 : 0;
  const gone = error instanceof TypeError ? "The server does not answer. Trying again; what is shown may be old." : error && error.message;
  find("connection").hidden = !error;
  // Said once, not at every attempt
  if (error && find("connection").textContent !== gone) find("connection").textContent = gone;
  if (!error) find("updated").textContent = `Updated ${new Date().toTimeString().slice(0, 5)} (this browser's time).`;
}

async function poll(now) {
  if (busy) { if (now) setTimeout(() => poll(true), 200); return; }
  clearTimeout(timer);
  if (document.hidden) return;
  busy = true;
  try {
    const answer = await load("state", etag);
    if (answer) { state = answer.values; etag = answer.etag; showState(); }
    connected(null);
  } catch (error) {
    connected(error);
  }
  busy = false;
  const active = state && state.runs.value && state.runs.value.running.length;
  timer = setTimeout(poll, failures ? Math.min(LONGEST, QUICK * 2 ** failures) : active ? QUICK : SLOW);
}

let calendarTag = "";
async function pollCalendar() {
  if (document.hidden) return;
  try {
    const answer = await load("calendar", calendarTag);
    if (!answer) return;
    calendarTag = answer.etag;
    nights = answer.values.value || [];
    if (answer.values.error) show("calendar", answer.values, buildCalendar);
    else showCalendar();
  } catch (error) {
    // The state says that the server is gone
  }
}

let starsAsked = false;
async function loadStars() {
  if (starsAsked) return;
  starsAsked = true;
  try {
    const answer = await load("stars", "");
    find("stars").replaceChildren(...answer.values.map((name) => make("option", { value: name })));
  } catch (error) {
    starsAsked = false;
  }
}

function go(event, address) {
  event.preventDefault();
  const text = new FormData(event.target).values().next().value.trim();
  if (text) location.assign(base + address + encodeURIComponent(text));
}

find("find-observation").addEventListener("submit", (event) => go(event, "observation/"));
find("find-star").addEventListener("submit", (event) => go(event, "star?name="));
find("find-star").addEventListener("focusin", loadStars);
document.addEventListener("visibilitychange", () => { if (!document.hidden) { poll(true); pollCalendar(); } });
setInterval(showTimes, 1000);
setInterval(pollCalendar, CALENDAR);
poll();
pollCalendar();
