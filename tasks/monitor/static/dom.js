// Writing into the page. What comes from the ledger goes in as text, never as markup.

export const byId = (id) => document.getElementById(id);
export const known = (value) => typeof value === "number" && Number.isFinite(value);

/** Write text only where it changed, so that a live region announces changes only. */
export function put(target, text) {
  const element = typeof target === "string" ? byId(target) : target;
  const value = String(text ?? "");
  if (element.textContent !== value) element.textContent = value;
}

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * Let a row stay a row to a screen reader where narrow.css stacks its cells, each under its label:
 * the names of the columns, or nothing for a cell that needs none.
 */
export function stackable(row, labels) {
  row.setAttribute("role", "row");
  [...row.children].forEach((cell, i) => {
    cell.setAttribute("role", cell.tagName === "TH" ? "rowheader" : "cell");
    if (labels[i]) cell.dataset.label = labels[i];
  });
  return row;
}

/** Make `parent` hold one child for each item, made once per key and renewed each time. */
export function keyed(parent, items, keyOf, create, renew) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const key = String(keyOf(item));
    const child = old.get(key) ?? create(item, index);
    old.delete(key);
    child.dataset.key = key;
    renew(child, item, index);
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  old.forEach((child) => child.remove());
}

/** Write names and values, leaving out what is not known. */
export function showPairs(id, pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  keyed(byId(id), shown, ([name]) => name, ([name]) => {
    const pair = make("div");
    pair.append(make("dt", "", name), make("dd"));
    return pair;
  }, (pair, [, value]) => put(pair.lastChild, value));
}
