// Runs in the cell of a form: does for the kernel what only the browser can do.
const CELL = ".jp-Notebook-cell";
const NOTEBOOK = ".jp-NotebookPanel";
const FORM = ".kpfnb-form";
const NO_ENTER = ".kpfnb-calendar, .kpfnb-presets";
const CURRENT_TAB = ".jp-mod-current[data-id]";
const RUN_BELOW = "notebook:run-all-below";
const SAVE = "docmanager:save";

// The values in the fields; the last input may not have reached the kernel.
async function read(manager, fields) {
  const states = {};
  for (const [id, name] of fields) {
    const field = await manager.get_model(id);
    states[id] = field.serialize({ [name]: field.get(name) });
  }
  return states;
}

// kpfnb's extension of JupyterLab does it; false if it is not there.
function askExtension(detail) {
  return !document.dispatchEvent(new CustomEvent("kpfnb", { detail, cancelable: true }));
}

// A command of JupyterLab itself, as a click on a link to it would do it.
function execute(el, command, args) {
  const button = document.createElement("button");
  button.hidden = true;
  button.dataset.commandlinkerCommand = command;
  button.dataset.commandlinkerArgs = JSON.stringify(args);
  el.append(button);
  button.click();
  button.remove();
}

// Makes the next cell active and runs the command in one step, so that a click in between, here or
// in another tab, changes nothing.
function runBelow(el, node, panel) {
  if (askExtension({ action: "run", node, panel })) return;
  const next = node.nextElementSibling?.closest(CELL);
  next?.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
  if (next) execute(el, RUN_BELOW, { semanticWidget: panel, activate: false });
}

// Without the extension only the document of the current tab can be saved.
function save(el, panel) {
  if (askExtension({ action: "save", panel })) return;
  const current = document.querySelector(CURRENT_TAB)?.dataset.id ?? panel;
  if (current === panel) execute(el, SAVE, {});
}

// Says that a run has ended if nobody is looking.
function notify({ title, body }) {
  const isSeen = document.visibilityState === "visible" && document.hasFocus();
  if (isSeen || globalThis.Notification?.permission !== "granted") return;
  new Notification(title, { body, tag: title });
}

// A button that asks once whether the browser may notify.
function offerNotifications(el) {
  if (globalThis.Notification?.permission !== "default") return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lm-Widget jupyter-widgets jupyter-button";
  button.style.width = "auto";
  button.textContent = "Notify me";
  button.title = "Let the browser notify you when a run of more than a minute has ended";
  button.onclick = () => Notification.requestPermission().finally(() => button.remove());
  el.append(button);
}

// Enter in a field is a press of Run. The widgets let no key pass, so it is caught before them.
function runOnEnter(el, model) {
  const onKey = (event) => {
    const field = event.target;
    if (event.key !== "Enter" || event.defaultPrevented || event.isComposing) return;
    if (event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!field.matches?.("input, select") || field.readOnly) return;
    if (!field.closest(FORM)?.contains(el) || field.closest(NO_ENTER)) return;
    event.preventDefault();
    event.stopPropagation();
    // Some fields tell their value only when they are left
    field.dispatchEvent(new Event("change", { bubbles: true }));
    model.send({ enter: true });
  };
  document.addEventListener("keydown", onKey, true);
  return () => document.removeEventListener("keydown", onKey, true);
}

export default () => {
  const views = new Set();
  let lastPanel = "";

  async function act(model, request) {
    if (request.read) {
      model.send({ states: await read(model.widget_manager, request.read) });
      return;
    }
    if (request.notify) notify(request.notify);
    const el = [...views].find((view) => view.closest(CELL)) ?? [...views][0];
    const node = el?.closest(CELL);
    lastPanel = node?.closest(NOTEBOOK)?.id ?? lastPanel;
    if (request.run && node) runBelow(el, node, lastPanel);
    if (request.save && lastPanel) save(el ?? document.body, lastPanel);
  }

  return {
    initialize({ model }) {
      model.on("msg:custom", (request) => act(model, request));
    },
    render({ model, el }) {
      views.add(el);
      offerNotifications(el);
      const stopListening = runOnEnter(el, model);
      // The form is in the page only after this view
      requestAnimationFrame(() => (lastPanel = el.closest(NOTEBOOK)?.id ?? lastPanel));
      return () => {
        views.delete(el);
        stopListening();
      };
    },
  };
};
