// Beside a figure: opens the link of the clicked point in a new tab, and tells the theme.
const isDark = () => document.body.dataset.jpThemeLight === "false";

// A link of this server or of a web site; never a script.
function safeUrl(text) {
  const url = new URL(text, document.baseURI);
  return ["http:", "https:"].includes(url.protocol) ? url.href : "";
}

export default {
  render({ model, el }) {
    el.setAttribute("role", "status");
    el.style.cssText = "font-size: var(--jp-ui-font-size1); min-height: 1.5em";

    const tellTheme = () => {
      if (model.get("dark") === isDark()) return;
      model.set("dark", isDark());
      model.save_changes();
    };
    tellTheme();
    const observer = new MutationObserver(tellTheme);
    observer.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });

    const open = ({ url, text }) => {
      const href = safeUrl(url);
      if (!href) return;
      const tab = window.open(href, "_blank");
      if (tab) tab.opener = null;
      const link = document.createElement("a");
      Object.assign(link, { href, target: "_blank", rel: "noopener", textContent: text });
      link.style.color = "var(--jp-content-link-color)";
      el.replaceChildren(tab ? "Opened in a new tab: " : "The browser opened no tab: ", link);
    };
    model.on("msg:custom", open);
    return () => {
      observer.disconnect();
      model.off("msg:custom", open);
    };
  },
};
