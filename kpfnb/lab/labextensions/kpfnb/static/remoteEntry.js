// The part of kpfnb in JupyterLab's page. Written by hand: there is no build step.
(() => {
  const SERVER_KEY = "kpfnb"; // in the metadata of a working copy
  const FORM = /^\s*run\.form\(/m;
  const HOME_COMMAND = "kpfnb:home";
  const CODE_COMMAND = "kpfnb:toggle-code";
  const RETRY_MILLISECONDS = 500;
  const RETRIES = 20;

  let scope;

  // JupyterLab's own copy of a library
  async function load(name) {
    const versions = Object.values(scope[name] ?? {});
    const entry = versions.find(version => version.loaded || version.eager) ?? versions[0];
    return (await entry.get())();
  }

  const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

  async function makePlugins() {
    const [notebook, manager, palette, launcher, coreutils, services, icons] = await Promise.all([
      load("@jupyterlab/notebook"),
      load("@jupyterlab/docmanager"),
      load("@jupyterlab/apputils"),
      load("@jupyterlab/launcher"),
      load("@jupyterlab/coreutils"),
      load("@jupyterlab/services"),
      load("@jupyterlab/ui-components"),
    ]);
    const { NotebookActions, INotebookTracker } = notebook;
    const { Notification } = palette;
    const base = coreutils.PageConfig.getBaseUrl();
    const pages = new URL("kpfnb/", base);
    const openPath = new URL("open/", pages).pathname;
    const treePath = new URL("lab/tree/", base).pathname;

    async function ask(url) {
      const settings = services.ServerConnection.makeSettings();
      const init = { headers: { Accept: "application/json" } };
      const response = await services.ServerConnection.makeRequest(String(url), init, settings);
      return response.json();
    }

    // ---- notebooks: run to the form, run below it, show again what a run has displayed

    const original = panel => panel.content.model?.getMetadata(SERVER_KEY)?.notebook;

    // A signed copy of a notebook of kpfnb: nothing else runs by being opened
    function isWorkingCopy(panel) {
      const name = original(panel);
      const codes = panel.content.widgets.filter(cell => cell.model.type === "code");
      return (
        typeof name === "string" &&
        panel.context.path.split("/").pop().startsWith(`${name}.`) &&
        codes.length > 0 &&
        codes.every(cell => cell.model.trusted)
      );
    }

    // The value of a Python expression, after all cells that the kernel has to run before
    async function evaluate(kernel, expression) {
      for (let attempt = 0; attempt < RETRIES; attempt++) {
        const future = kernel.requestExecute({
          code: "",
          silent: true,
          store_history: false,
          stop_on_error: false,
          user_expressions: { value: expression },
        });
        const { content } = await future.done;
        if (content.status === "ok") return content.user_expressions?.value?.data;
        // Cells are being cancelled: after Stop, or at the form
        await pause(RETRY_MILLISECONDS);
      }
    }

    async function run(panel, cells) {
      await NotebookActions.runCells(panel.content, cells, panel.sessionContext);
      await save(panel);
    }

    // One after another: two at a time may leave a damaged file
    const saves = new WeakMap();

    function save(panel) {
      const before = saves.get(panel) ?? Promise.resolve();
      const next = before.then(() => saveNow(panel)).catch(error => console.warn(error));
      saves.set(panel, next);
      return next;
    }

    async function saveNow(panel) {
      if (panel.isDisposed || !panel.context.model.dirty) return;
      if (panel.context.contentsModel?.writable === false) return;
      await panel.context.save();
    }

    function runBelow(panel, node) {
      const { widgets } = panel.content;
      const form = widgets.findIndex(cell => cell.node === node);
      return run(panel, widgets.slice(form + 1));
    }

    // A page that was closed while cells ran has lost what they displayed; the kernel has it
    function showRecorded(panel, recorded) {
      for (const cell of panel.content.widgets) {
        const known = recorded[cell.model.id];
        if (!known || cell.model.type !== "code") continue;
        if ((cell.model.executionCount ?? 0) >= known.count) continue;
        cell.model.outputs.fromJSON(known.outputs);
        cell.model.executionCount = known.count;
      }
    }

    async function prepare(panel) {
      await panel.context.ready;
      await panel.revealed;
      await panel.sessionContext.ready;
      const kernel = panel.sessionContext.session?.kernel;
      if (!kernel || panel.isDisposed || !isWorkingCopy(panel)) return;
      const name = panel.context.path.split("/").pop().replace(/\.ipynb$/, "");
      const url = new URL(`waiting/${encodeURIComponent(name)}`, pages);
      const { waiting } = await ask(url).catch(() => ({}));
      // After a reload of the page the kernel goes on
      const history = (await evaluate(kernel, "len(In)"))?.["text/plain"];
      if (panel.isDisposed || history === undefined) return;
      if (waiting || Number(history) <= 1) {
        await run(panel, [...panel.content.widgets]);
        return;
      }
      const data = await evaluate(kernel, "run.recorded_outputs()");
      const recorded = data?.["application/json"];
      if (!recorded || panel.isDisposed) return;
      showRecorded(panel, recorded);
      await save(panel);
    }

    const notebooks = {
      id: "kpfnb:notebooks",
      autoStart: true,
      requires: [INotebookTracker],
      activate: (app, tracker) => {
        const prepareSafely = panel => prepare(panel).catch(error => console.warn(error));
        tracker.widgetAdded.connect((_, panel) => void prepareSafely(panel));
        // What the form of a notebook asks for (kpfnb/notebook/form/frontend.js)
        document.addEventListener("kpfnb", event => {
          const { action, node, panel: id } = event.detail;
          const panel = tracker.find(item => item.id === id);
          if (!panel) return;
          event.preventDefault();
          if (action === "run") void runBelow(panel, node);
          if (action === "save") void save(panel);
        });
        app.commands.addCommand(CODE_COMMAND, {
          label: "Show or hide all code",
          isEnabled: () => tracker.currentWidget !== null,
          execute: () => {
            const { widgets } = tracker.currentWidget.content;
            const isHidden = widgets.some(cell => cell.model.type === "code" && cell.inputHidden);
            const command = isHidden ? "show-all-cell-code" : "hide-all-cell-code";
            return app.commands.execute(`notebook:${command}`);
          },
        });
        app.commands.addKeyBinding({
          command: CODE_COMMAND,
          keys: ["Alt Shift C"],
          selector: ".jp-NotebookPanel",
        });
      },
    };

    // ---- links to notebooks open them in this window

    async function openFilledIn(app, tracker, documents, url) {
      const { path, message } = await ask(url);
      if (!path) {
        Notification.error(message ?? "The notebook can't be opened", { autoClose: false });
        return;
      }
      const panel = tracker.find(item => item.context.path === path);
      documents.openOrReveal(path);
      if (!panel) return;
      const kernel = panel.sessionContext.session?.kernel;
      if (!kernel) return;
      if (kernel.status === "busy") {
        Notification.info(`${path} is running; its form is filled in when the run has ended`);
        await evaluate(kernel, "0");
        // The values wait only for some minutes
        await ask(url);
      }
      await run(panel, [...panel.content.widgets]);
    }

    const links = {
      id: "kpfnb:links",
      autoStart: true,
      requires: [INotebookTracker, manager.IDocumentManager],
      activate: (app, tracker, documents) => {
        const follow = event => {
          const link = event.target.closest?.("a[href]");
          const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey);
          if (!link || !isPlain || link.origin !== location.origin) return;
          const url = new URL(link.href);
          if (url.pathname.startsWith(openPath)) {
            openFilledIn(app, tracker, documents, url).catch(error => console.warn(error));
          } else if (url.pathname.startsWith(treePath)) {
            documents.openOrReveal(decodeURIComponent(url.pathname.slice(treePath.length)));
          } else return;
          event.preventDefault();
          event.stopPropagation();
        };
        document.addEventListener("click", follow, true);
      },
    };

    // ---- the way home

    const home = {
      id: "kpfnb:home",
      autoStart: true,
      optional: [palette.ICommandPalette, launcher.ILauncher],
      activate: (app, commands, cards) => {
        app.commands.addCommand(HOME_COMMAND, {
          label: "kpfnb home",
          caption: "What is running, last night, what failed, and every notebook",
          icon: icons.homeIcon,
          execute: () => void window.open(pages.href, "kpfnb-home"),
        });
        commands?.addItem({ command: HOME_COMMAND, category: "kpfnb" });
        commands?.addItem({ command: CODE_COMMAND, category: "kpfnb" });
        cards?.add({ command: HOME_COMMAND, category: "kpfnb", rank: 0 });
      },
    };

    return [notebooks, links, home];
  }

  (window._JUPYTERLAB ??= {}).kpfnb = {
    init(sharedScope) {
      scope = sharedScope;
    },
    async get() {
      const plugins = await makePlugins();
      return () => ({ __esModule: true, default: plugins });
    },
  };
})();
