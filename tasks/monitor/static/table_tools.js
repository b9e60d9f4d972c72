// What both tables share: a query that is part of the stream's address, sortable heads, pages.

import { byId, put } from "./dom.js";
import * as format from "./format.js";

const TYPING_MS = 250;
export const PAGE_ROWS = 50;

/** The query of a table. `changed` is called with every change, once while somebody types. */
export class TableQuery {
  constructor(name, changed, { text = "", sort = "", descending = false } = {}) {
    Object.assign(this, { name, changed, timer: 0 });
    this.first = { sort, descending };
    this.fields = { sort, descending, ...Object.fromEntries(new URLSearchParams(text)) };
    this.fields.descending = String(this.fields.descending) === "true";
  }

  get(field) {
    return this.fields[field] ?? "";
  }

  /** The values that are chosen of a field that takes several. */
  chosen(field) {
    return new Set(this.get(field).split(",").filter(Boolean));
  }

  /** Change some fields; unless it is a page that is chosen, the first one is shown. */
  set(fields, { soon = false } = {}) {
    Object.assign(this.fields, { page: "" }, fields);
    clearTimeout(this.timer);
    this.timer = setTimeout(this.changed, soon ? TYPING_MS : 0);
  }

  toggle(field, value) {
    const values = this.chosen(field);
    if (!values.delete(value)) values.add(value);
    this.set({ [field]: [...values].sort().join(",") });
  }

  /** As the address has it: what differs from what is shown at first. */
  text() {
    const { sort, descending, ...others } = this.fields;
    const query = new URLSearchParams(Object.entries(others).filter(([, value]) => value));
    if (sort !== this.first.sort || descending !== this.first.descending) {
      query.set("sort", sort);
      query.set("descending", descending);
    }
    return String(query);
  }
}

/** Make the heads with `data-sort` into buttons that sort; figures begin with the largest. */
export function startHeads(head, query) {
  for (const cell of head.querySelectorAll("[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...cell.childNodes);
    const arrow = document.createElement("span");
    arrow.className = "sort-arrow";
    button.querySelector("small") ? button.insertBefore(arrow, button.querySelector("small")) : button.append(arrow);
    cell.append(button);
    button.addEventListener("click", () => {
      const { sort } = cell.dataset;
      const large = cell.classList.contains("number");
      const again = query.get("sort") === sort;
      query.set({ sort, descending: again ? !query.fields.descending : large });
      showOrder(head, query);
    });
  }
  showOrder(head, query);
}

function showOrder(head, query) {
  for (const cell of head.querySelectorAll("[data-sort]")) {
    const sorted = cell.dataset.sort === query.get("sort");
    if (sorted) cell.setAttribute("aria-sort", query.fields.descending ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  }
}

/** Make the field of a search search. */
export function startSearch(input, query) {
  input.value = query.get("q");
  input.addEventListener("input", () => query.set({ q: input.value.trim().slice(0, 64) }, { soon: true }));
}

/** Make the buttons under a table turn its pages. */
export function startPager(id, query) {
  for (const [part, step] of [["previous", -1], ["next", 1]]) {
    byId(`${id}-${part}`).addEventListener("click", () => query.set({ page: String(Number(byId(id).dataset.page) + step) }));
  }
}

/** Renew the pager; a table of one page has none. */
export function showPager(id, { page, pages, found }) {
  const first = (page - 1) * PAGE_ROWS;
  byId(id).hidden = pages < 2;
  byId(id).dataset.page = page;
  put(`${id}-text`, `${format.count(first + 1)}–${format.count(Math.min(first + PAGE_ROWS, found))} of ${format.count(found)}`);
  byId(`${id}-previous`).disabled = page <= 1;
  byId(`${id}-next`).disabled = page >= pages;
}
