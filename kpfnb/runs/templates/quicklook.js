"use strict";
// Keys on the pages of observations, filter and order of the page of a night, refresh that keeps the place.
// Texts of pages are only compared, never inserted.
(function () {
  const store = {
    get(key) { try { return sessionStorage.getItem(key); } catch { return null; } },
    set(key, value) { try { sessionStorage.setItem(key, value); } catch { /* not remembered */ } },
  };

  // Left, k: previous; right, j: next; at the level that is shown
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const element = event.target;
    if (element.closest("input:not([type=checkbox]), select, textarea")) return;
    const arrow = event.key.startsWith("Arrow");
    const box = arrow && element.closest("[tabindex]");
    if (box && box.scrollWidth > box.clientWidth) return;
    const rel = { ArrowLeft: "prev", k: "prev", ArrowRight: "next", j: "next" }[event.key];
    const link = rel && document.querySelector(`a[rel="${rel}"]`);
    if (!link) return;
    const target = new URL(link.href);
    target.hash = location.hash;
    location.href = target.href;
  });

  // Comparison stays switched on from page to page
  const boxes = Array.from(document.querySelectorAll("input.compare"));
  for (const box of boxes) {
    box.checked = store.get("kpfnb-compare") === "on";
    box.addEventListener("change", () => {
      store.set("kpfnb-compare", box.checked ? "on" : "off");
      for (const other of boxes) other.checked = box.checked;
    });
  }

  const form = document.getElementById("find");
  if (form) {
    const body = document.querySelector(".night tbody");
    const rows = Array.from(body.rows);
    const key = "kpfnb-filter " + location.pathname;
    const fields = Array.from(form.querySelectorAll("input, select"));
    const count = document.getElementById("shown");
    const apply = () => {
      const { verdict, kind, target, order } = Object.fromEntries(fields.map((field) => [field.name, field.value]));
      const words = target.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        const bad = row.dataset.verdict === "WARN" || row.dataset.verdict === "FAIL";
        const good = (!verdict || (verdict === "problems" ? bad : row.dataset.verdict === verdict))
          && (!kind || row.dataset.kind === kind) && words.every((word) => text.includes(word));
        row.hidden = !good;
        shown += good;
      }
      const sorted = order === "time" ? rows.slice().sort((a, b) => (a.id < b.id ? -1 : 1)) : rows;
      body.append(...sorted);
      count.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
    };
    const saved = JSON.parse(store.get(key) || "{}");
    for (const field of fields) if (saved[field.name]) field.value = saved[field.name];
    form.addEventListener("input", () => {
      store.set(key, JSON.stringify(Object.fromEntries(fields.map((field) => [field.name, field.value]))));
      apply();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    apply();
  }

  // The place is kept; nothing is reloaded while somebody types or looks elsewhere
  const seconds = Number(document.querySelector("main [data-reload]")?.dataset.reload || 0);
  if (seconds) {
    const key = "kpfnb-place " + location.pathname;
    const place = Number(store.get(key) || 0);
    store.set(key, "0");
    if (place) scrollTo(0, place);
    setInterval(() => {
      if (document.hidden || document.activeElement?.closest("input, select")) return;
      store.set(key, String(scrollY));
      location.reload();
    }, 1000 * seconds);
  }
})();
