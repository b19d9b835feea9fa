// The buttons beside a field of nights: the last night, and a calendar of the nights with files.
// The text field is a widget of its own; its value is set here, in the browser, so that a day can
// be chosen while the kernel works. Only the numbers of files come from the kernel.
const DAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
const MONTHS = [
  "January", "February", "March", "April", "May", "June", "July",
  "August", "September", "October", "November", "December",
];
const NIGHT = /(20\d\d)(\d\d)(\d\d)/;
const DAY_MILLISECONDS = 86_400_000;
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };
const GAP = 4;

const toDate = (night) =>
  new Date(Date.UTC(night.slice(0, 4), night.slice(4, 6) - 1, night.slice(6)));
const toNight = (date) => date.toISOString().slice(0, 10).replaceAll("-", "");
const addDays = (night, days) => toNight(new Date(toDate(night).getTime() + days * DAY_MILLISECONDS));

function addMonths(night, months) {
  const date = toDate(night);
  const first = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1));
  const last = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0));
  return toNight(first).slice(0, 6) + String(Math.min(date.getUTCDate(), last.getUTCDate())).padStart(2, "0");
}

function create(tag, properties = {}, attributes = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const filesText = (count) => `${count} file${count === 1 ? "" : "s"}`;

// A list gets the night as one more item; `last` is replaced.
function joinNight(text, night, isList) {
  const items = text.split(",").map((item) => item.trim()).filter(Boolean);
  if (!isList || items.length === 0 || (items.length === 1 && items[0] === "last")) return night;
  return items.includes(night) ? text : [...items, night].join(", ");
}

export default {
  async render({ model, el }) {
    const name = model.get("name");
    // Without it the page shows what an earlier kernel left
    const field = await model.widget_manager.get_model(model.get("field")).catch(() => null);
    if (!field) return;
    let shown = "";
    let counts = {};

    const lastButton = create("button", { type: "button", textContent: "last night" });
    lastButton.title = `${name}: the newest night with files`;
    const opener = create("button", { type: "button", textContent: "calendar" });
    opener.title = `${name}: choose a night from a calendar of the nights with files`;
    opener.setAttribute("aria-haspopup", "dialog");
    for (const button of [lastButton, opener]) button.className = "lm-Widget jupyter-widgets jupyter-button";
    const calendar = create("div", { className: "kpfnb-calendar", popover: "auto" },
      { role: "dialog", "aria-label": `calendar of ${name}` });
    const title = create("span", {}, { "aria-live": "polite" });
    const grid = create("table", {}, { role: "grid", "aria-label": "nights" });
    const note = create("div", { className: "kpfnb-calendar-note" }, { "aria-live": "polite" });
    const arrow = (text, label, months) => {
      const button = create("button", { type: "button", textContent: text, title: label }, { "aria-label": label });
      button.onclick = () => show(addMonths(shown, months));
      return button;
    };
    const head = create("div", { className: "kpfnb-calendar-head" });
    head.append(arrow("«", "previous year", -12), arrow("‹", "previous month", -1), title,
      arrow("›", "next month", 1), arrow("»", "next year", 12));
    calendar.append(head, grid, note);
    el.classList.add("kpfnb-night-buttons");
    el.append(lastButton, opener, calendar);

    function choose(night) {
      const isList = model.get("is_list");
      field.set("value", joinNight(String(field.get("value")), night, isList));
      field.save_changes();
    }

    function show(night, focus = false) {
      const isOther = night.slice(0, 6) !== shown.slice(0, 6);
      shown = night;
      if (isOther) {
        counts = {};
        note.textContent = "counting files ...";
        model.send({ month: night.slice(0, 6) });
      }
      draw(focus);
    }

    function draw(focus) {
      const [year, month] = [shown.slice(0, 4), shown.slice(4, 6)];
      title.textContent = `${MONTHS[month - 1]} ${year}`;
      const names = create("tr");
      names.append(...DAYS.map((day) => create("th", { textContent: day, scope: "col" })));
      const first = `${year}${month}01`;
      const offset = (toDate(first).getUTCDay() + 6) % 7;
      const rows = [names];
      for (let day = addDays(first, -offset); day <= `${year}${month}31`; day = addDays(day, 7)) {
        const row = create("tr");
        for (let column = 0; column < 7; column++) row.append(makeCell(addDays(day, column), month));
        rows.push(row);
      }
      grid.replaceChildren(...rows);
      if (focus) grid.querySelector("button[tabindex='0']")?.focus();
    }

    function makeCell(night, month) {
      const cell = create("td", {}, { role: "gridcell" });
      if (night.slice(4, 6) !== month) return cell;
      const count = counts[night] ?? 0;
      const button = create("button", { type: "button" }, {
        "aria-label": `${night}, ${count ? filesText(count) : "no files"}`,
        tabindex: night === shown ? "0" : "-1",
      });
      button.dataset.night = night;
      button.classList.toggle("mod-files", count > 0);
      button.append(create("span", { textContent: Number(night.slice(6)) }));
      button.append(create("small", { textContent: count || "\u00a0" }));
      if (String(field.get("value")).includes(night)) button.setAttribute("aria-pressed", "true");
      button.onclick = () => {
        choose(night);
        calendar.hidePopover();
      };
      cell.append(button);
      return cell;
    }

    function place() {
      const at = opener.getBoundingClientRect();
      const { width, height } = calendar.getBoundingClientRect();
      const below = at.bottom + GAP + height <= innerHeight;
      calendar.style.left = `${Math.max(0, Math.min(at.left, innerWidth - width))}px`;
      calendar.style.top = `${Math.max(0, below ? at.bottom + GAP : at.top - GAP - height)}px`;
    }

    function start() {
      const typed = String(field.get("value")).match(NIGHT);
      shown = "";
      if (typed) {
        show(typed[0], true);
      } else {
        show(toNight(new Date()), true);
        model.send({ month: "" });
      }
      place();
    }

    lastButton.onclick = () => choose("last");
    opener.popoverTargetElement = calendar;
    calendar.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") event.stopPropagation();
      const inGrid = grid.contains(event.target);
      let night = "";
      if (event.key === "PageUp") night = addMonths(shown, event.shiftKey ? -12 : -1);
      else if (event.key === "PageDown") night = addMonths(shown, event.shiftKey ? 12 : 1);
      else if (inGrid && event.key in STEPS) night = addDays(shown, STEPS[event.key]);
      if (!night) return;
      event.preventDefault();
      show(night, true);
    });
    calendar.addEventListener("toggle", (event) => {
      if (event.newState === "open") start();
    });

    function receive(message) {
      if (!calendar.matches(":popover-open")) return;
      if (message.last) {
        const hasFocus = calendar.contains(document.activeElement);
        shown = message.last;
        counts = message.counts;
        draw(hasFocus);
      } else if (message.month === shown.slice(0, 6)) {
        counts = message.counts;
        const hadFocus = grid.contains(document.activeElement);
        draw(hadFocus);
      } else if (!message.error) {
        return;
      }
      const nights = Object.keys(counts).length;
      note.textContent = message.error || (nights
        ? `${nights} night${nights === 1 ? "" : "s"} with L0 files` : "no night with L0 files");
      place();
    }
    model.on("msg:custom", receive);
    return () => model.off("msg:custom", receive);
  },
};
