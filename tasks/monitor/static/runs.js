// The Runs tab: every run in one row, sortable; two that are ticked are compared.

import { closeComparison, compare } from "./compare.js";
import { byId, keyed, known, make, put, stackable } from "./dom.js";
import { fetched } from "./fetched.js";
import * as format from "./format.js";

const REFRESH_MS = 5000;
const MOST_TICKED = 2;

/** Each column: its name, what it is sorted by, what it shows, and whether it is a number. */
const COLUMNS = [
  { key: "id", title: "Run", by: (run) => run.started },
  { key: "status", title: "State", by: (run) => run.status, show: (run) => run.status },
  { key: "workload", title: "Workload", by: (run) => run.workload, show: (run) => run.workload },
  { key: "policy", title: "Policy", by: (run) => run.policy, show: (run) => run.policy },
  { key: "rounds", title: "Rounds", number: true, by: (run) => run.rounds_done, show: rounds },
  { key: "best", title: "Best score", number: true, by: (run) => (known(run.best) && run.lower_is_better ? -run.best : run.best), show: (run) => format.score(run.best, run.metric), beside: (run) => (known(run.best) ? format.title(run.metric).toLowerCase() : "") },
  { key: "emitted", title: "Emitted", number: true, by: (run) => run.emitted_gco2eq, show: (run) => format.grams(run.emitted_gco2eq) },
  { key: "avoided", title: "Avoided", number: true, by: (run) => run.avoided_share, show: (run) => format.share(run.avoided_share), beside: (run) => (known(run.avoided_gco2eq) && run.baseline_gco2eq ? format.grams(run.avoided_gco2eq) : "") },
  { key: "took", title: "Took", number: true, by: (run) => took(run), show: (run) => format.duration(took(run)) },
];

const LABELS = ["", ...COLUMNS.map(({ key, title }) => (["id", "status"].includes(key) ? "" : title))];

let page = null;
let runs = [];
let ticked = [];
let order = { key: "id", down: true };
let asked = 0;
let now = null;

function rounds(run) {
  return known(run.rounds_total) ? `${format.count(run.rounds_done)} of ${format.count(run.rounds_total)}` : format.count(run.rounds_done);
}

function took(run) {
  const until = known(run.ended) ? run.ended : now;
  return known(until) ? until - run.started : null;
}

/** Make the table; `open` gets the run whose name is chosen, `remember` notes what is ticked. */
export function startRuns(root, { open, remember }) {
  page = root;
  byId("runs-head").append(...COLUMNS.map(heading));
  byId("runs-rows").addEventListener("change", (event) => {
    const { run } = event.target.dataset;
    tick(run, event.target.checked);
    remember();
  });
  byId("runs-rows").addEventListener("click", (event) => {
    const run = event.target.closest("button")?.dataset.run;
    if (run) open(run);
  });
  byId("comparison-close").addEventListener("click", () => {
    const [first] = ticked;
    ticked = [];
    showRows();
    closeComparison();
    remember();
    byId("runs-rows").querySelector(`input[data-run="${CSS.escape(first)}"]`)?.focus();
  });
}

export const compared = () => (ticked.length === MOST_TICKED ? ticked : []);

/** Tick two runs that an address names. */
export function preselect(names) {
  ticked = names.slice(0, MOST_TICKED);
}

/** Fetch the runs and show them; at most every few seconds unless `anew`. */
export async function showRuns({ at, anew = false } = {}) {
  now = at ?? now;
  if (!anew && performance.now() - asked < REFRESH_MS) return showRows();
  asked = performance.now();
  const answer = await fetched(page.dataset.runs, "the runs");
  if (answer.problem) return put("runs-note", answer.problem);
  ({ runs } = answer);
  ticked = ticked.filter((name) => runs.some((run) => run.id === name));
  showRows();
  renew();
}

function heading({ key, title, number }) {
  const cell = make("th", number ? "number" : "");
  cell.scope = "col";
  cell.setAttribute("role", "columnheader");
  cell.dataset.key = key;
  const sort = make("button", "sort", title);
  sort.type = "button";
  sort.append(make("span", "sort-arrow"));
  sort.addEventListener("click", () => {
    order = { key, down: order.key === key ? !order.down : Boolean(number) || key === "id" };
    showRows();
  });
  cell.append(sort);
  return cell;
}

function showOrder() {
  for (const cell of byId("runs-head").children) {
    if (!cell.dataset.key) continue;
    const sorted = cell.dataset.key === order.key;
    if (sorted) cell.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  }
}

/** Runs in the order that is chosen; where a figure is unknown, the run comes last. */
function sorted() {
  const { by } = COLUMNS.find((column) => column.key === order.key);
  const sign = order.down ? -1 : 1;
  const absent = (value) => value === null || value === undefined || Number.isNaN(value);
  return [...runs].sort((one, other) => {
    const [a, b] = [by(one), by(other)];
    if (absent(a) || absent(b)) return Number(absent(a)) - Number(absent(b));
    return sign * (a < b ? -1 : Number(a > b));
  });
}

function row(run) {
  const item = make("tr");
  const box = make("input", "form-check-input");
  box.type = "checkbox";
  box.dataset.run = run.id;
  box.setAttribute("aria-label", `Compare ${run.id}`);
  const choose = make("td", "cell-tick");
  choose.append(box);
  item.append(choose);
  for (const { key, number, beside } of COLUMNS) {
    const cell = make(key === "id" ? "th" : "td", number ? "number" : "");
    if (key === "id") {
      cell.scope = "row";
      const open = make("button", "run-open", run.id);
      open.type = "button";
      open.dataset.run = run.id;
      open.title = "Show this run";
      cell.append(open, make("small"));
    } else {
      cell.append(make("span", key === "status" ? "run-status" : ""));
      if (beside) cell.append(make("small"));
    }
    item.append(cell);
  }
  return stackable(item, LABELS);
}

function showRows() {
  showOrder();
  keyed(byId("runs-rows"), sorted(), (run) => run.id, row, (item, run) => {
    const [choose, ...cells] = item.children;
    choose.firstChild.checked = ticked.includes(run.id);
    item.toggleAttribute("data-chosen", ticked.includes(run.id));
    COLUMNS.forEach(({ key, show, beside }, i) => {
      if (key === "id") return put(cells[i].lastChild, `${format.moment(run.started)} UTC`);
      put(cells[i].firstChild, show(run));
      if (beside) put(cells[i].lastChild, beside(run));
      if (key === "status") cells[i].firstChild.dataset.status = run.status;
    });
  });
  put("runs-note", note());
}

function note() {
  if (!runs.length) return "No run yet.";
  if (runs.length < MOST_TICKED) return "A second run can be compared with this one.";
  if (!ticked.length) return "Tick two runs to compare them.";
  if (ticked.length < MOST_TICKED) return `Tick another run to compare it with ${ticked[0]}.`;
  return "";
}

/** A third tick takes the place of the older one. */
function tick(run, on) {
  ticked = ticked.filter((name) => name !== run);
  if (on) ticked = [...ticked, run].slice(-MOST_TICKED);
  showRows();
  renew();
}

function renew() {
  if (ticked.length < MOST_TICKED) return closeComparison();
  compare(page.dataset.comparison, runs.filter((run) => ticked.includes(run.id)).sort((a, b) => a.started - b.started));
}
