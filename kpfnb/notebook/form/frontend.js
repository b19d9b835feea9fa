// Runs in the cell of a form: does for the kernel what only the browser can do.
const CELL = ".jp-Notebook-cell";
const NOTEBOOK = ".jp-NotebookPanel";
const CURRENT_TAB = ".jp-mod-current[data-id]";

// The values in the fields; the last input may not have reached the kernel.
async function read(manager, fields) {
  const states = {};
  for (const [id, name] of fields) {
    const field = await manager.get_model(id);
    states[id] = field.serialize({ [name]: field.get(name) });
  }
  return states;
}

// Makes the next cell active and runs the command in one step, so that a click in between, here or
// in another tab, changes nothing.
function runBelow(execute, cell, notebook, command) {
  const next = cell.nextElementSibling?.closest(CELL);
  if (!next) return;
  next.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
  execute(command, { semanticWidget: notebook, activate: false });
}

// JupyterLab saves only the document of the current tab.
function save(execute, notebook, command) {
  const current = document.querySelector(CURRENT_TAB)?.dataset.id ?? notebook;
  if (current === notebook) execute(command, {});
}

export default () => {
  const views = new Set();

  async function act(model, request) {
    const manager = model.widget_manager;
    if (request.read) {
      model.send({ states: await read(manager, request.read) });
      return;
    }
    const lab = await manager.get_model(model.get("lab"));
    // The same message as a command from the kernel through ipylab
    const execute = (id, args) =>
      lab.trigger("msg:custom", { func: "execute", payload: { id, args } });
    const cell = [...views].map((view) => view.closest(CELL)).find(Boolean);
    const notebook = cell?.closest(NOTEBOOK)?.id;
    if (!notebook) return;
    if (request.run) runBelow(execute, cell, notebook, request.run);
    if (request.save) save(execute, notebook, request.save);
  }

  return {
    initialize({ model }) {
      model.on("msg:custom", (request) => act(model, request));
    },
    render({ el }) {
      views.add(el);
      return () => views.delete(el);
    },
  };
};
