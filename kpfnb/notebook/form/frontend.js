// In the cell of a form: does what only the browser can, as the kernel asks.
const CELL = ".jp-Notebook-cell";
const NOTEBOOK = ".jp-NotebookPanel";
const CURRENT_TAB = ".jp-mod-current[data-id]";

// What stands in the fields; what was typed last may still be on its way to the kernel.
async function read(manager, fields) {
  const states = {};
  for (const [id, name] of fields) {
    const field = await manager.get_model(id);
    states[id] = field.serialize({ [name]: field.get(name) });
  }
  return states;
}

// Whatever a person does meanwhile, here or in another tab: the cell behind is made the active one
// and the command is given in one go.
function runBelow(execute, cell, notebook, command) {
  const next = cell.nextElementSibling?.closest(CELL);
  if (!next) return;
  next.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
  execute(command, { semanticWidget: notebook, activate: false });
}

// JupyterLab saves what is in front, and only that.
function save(execute, notebook, command) {
  const current = document.querySelector(CURRENT_TAB)?.dataset.id ?? notebook;
  if (current === notebook) execute(command, {});
}

export default () => {
  const views = new Set();

  async function act(model, asked) {
    const manager = model.widget_manager;
    if (asked.read) {
      model.send({ states: await read(manager, asked.read) });
      return;
    }
    const lab = await manager.get_model(model.get("lab"));
    // As if the kernel had asked ipylab for the command
    const execute = (id, args) =>
      lab.trigger("msg:custom", { func: "execute", payload: { id, args } });
    const cell = [...views].map((view) => view.closest(CELL)).find(Boolean);
    const notebook = cell?.closest(NOTEBOOK)?.id;
    if (!notebook) return;
    if (asked.run) runBelow(execute, cell, notebook, asked.run);
    if (asked.save) save(execute, notebook, asked.save);
  }

  return {
    initialize({ model }) {
      model.on("msg:custom", (asked) => act(model, asked));
    },
    render({ el }) {
      views.add(el);
      return () => views.delete(el);
    },
  };
};
