// The tabs: this run, or all runs. One of them has the focus; arrow keys move it.

import { byId } from "./dom.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

/** Make the tabs work; `onShow` gets the name of the tab that is shown: "run" or "runs". */
export function tabs(onShow) {
  const all = [...byId("tabs").querySelectorAll("[role=tab]")];
  const nameOf = (tab) => tab.id.replace("tab-", "");
  const show = (name) => {
    for (const tab of all) {
      const shown = nameOf(tab) === name;
      tab.setAttribute("aria-selected", String(shown));
      tab.tabIndex = shown ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = !shown;
    }
    onShow(name);
  };
  for (const tab of all) tab.addEventListener("click", () => show(nameOf(tab)));
  byId("tabs").addEventListener("keydown", (event) => {
    const at = all.indexOf(document.activeElement);
    const last = all.length - 1;
    const next = { Home: 0, End: last }[event.key] ?? (event.key in STEPS ? at + STEPS[event.key] : null);
    if (at < 0 || next === null) return;
    event.preventDefault();
    const tab = all[(next + all.length) % all.length];
    tab.focus();
    show(nameOf(tab));
  });
  return show;
}
