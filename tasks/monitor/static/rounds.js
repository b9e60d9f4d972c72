// The Rounds page: takes views from the feed and hands them to the parts of the page.

import { advise } from "./advice.js";
import { showAgenda } from "./agenda.js";
import { showCards, showParts } from "./cards.js";
import { redrawComparison } from "./compare.js";
import { byId, keyed, known, make, put } from "./dom.js";
import { showDrivers } from "./drivers.js";
import * as format from "./format.js";
import { GramChart } from "./gram_chart.js";
import { IntensityChart } from "./intensity_chart.js";
import { showLegend, showNotes } from "./legend.js";
import { showNotice } from "./notice.js";
import { compared, preselect, showRuns, startRuns } from "./runs.js";
import { showClients, showRounds } from "./tables.js";
import { tabs } from "./tabs.js";

const RETRY_MS = 3000;
const LONG_VERDICT = 110;

const page = byId("rounds");

let view = null;
let receivedAt = 0;
let source = null;
let retry = 0;
const given = new URLSearchParams(location.search);
let chosen = given.get("run");
let advised = given.get("client");
let tab = given.has("compare") ? "runs" : given.get("tab") ?? "run";
preselect((given.get("compare") ?? "").split(",").filter(Boolean));

// ---- the head

function showHead() {
  const { run } = view;
  const verdict = view.starting ?? (run ? view.verdict : "No run yet.");
  put("verdict", verdict);
  byId("verdict").classList.toggle("verdict-long", verdict.length > LONG_VERDICT);
  put("why", view.why);
  put("run-name", run ? `${run.id} · ${run.workload ?? ""}`.replace(/ · $/, "") : "Rounds");
  const status = byId("run-status");
  status.hidden = !run;
  status.dataset.status = run?.status ?? "";
  put(status, run?.status ?? "");
  byId("empty").hidden = Boolean(run);
  byId("cards").hidden = !run;
  byId("body").hidden = !run && !view.zones.length && !view.clients.length;
  document.title = run && known(run.rounds_done)
    ? `${run.rounds_done}${known(run.rounds_total) ? `/${run.rounds_total}` : ""} ${run.id} · Rounds · Flower`
    : "Rounds · Flower";
  showChoice();
  byId("tabs").hidden = !run;
  put("runs-count", format.count(view.runs.length));
}

function showChoice() {
  const select = byId("run-select");
  byId("run-choice").hidden = view.runs.length < 2;
  keyed(select, view.runs, (run) => run.id, () => make("option"), (option, run) => {
    option.value = run.id;
    put(option, `${run.id} (${run.status})`);
  });
  if (document.activeElement !== select) select.value = view.run?.id ?? "";
}

function tick() {
  if (!view || !known(view.now)) return;
  const speed = known(view.clock_speed) ? view.clock_speed : 1;
  const ahead = Math.min(10, (performance.now() - receivedAt) / 1000) * speed;
  byId("grid-clock").hidden = false;
  const pace = speed === 1 ? "" : ` · ${format.count(speed)}×`;
  put("grid-clock", `${format.moment(view.now + ahead)} UTC${pace}`);
}

// ---- the charts

const cursor = { idx: null, data: null, round: null };
const gridChart = new IntensityChart(byId("grid-chart"), (idx, data) => {
  Object.assign(cursor, { idx, data });
  showZones();
});
const gramChart = new GramChart(byId("gram-chart"), (round) => {
  cursor.round = round;
  showSchedules();
});

function showZones() {
  showLegend(view, cursor, (index) => gridChart.focus(index));
}

function showSchedules() {
  const hovered = cursor.round;
  const round = hovered ?? view.rounds.findLast((each) => known(each.value));
  const rows = round ? [
    ["with", "With Fairwind", round.cumulative_gco2eq],
    ["now", "Run now", round.cumulative_baseline_gco2eq],
  ] : [];
  keyed(byId("gram-legend"), rows, ([key]) => key, ([key, name]) => {
    const item = make("li");
    item.append(make("i", `swatch swatch-${key}`), make("b", "", name), make("span", "legend-value"));
    return item;
  }, (item, [, , value]) => put(item.lastChild, format.grams(value)));
  const metric = view.run?.metric;
  const hoveredText = hovered ? `round ${hovered.round}: ${format.score(hovered.value, metric)}` : "";
  put("gram-note", round ? hoveredText || `against cumulative ${gramChart.scale.unit}` : "");
}

function showCharts() {
  const charted = gridChart.update(view);
  byId("grid-chart").hidden = !charted;
  byId("grid-none").hidden = charted;
  showZones();
  showNotes(view);
  const { run } = view;
  const name = format.title(run?.metric ?? "accuracy");
  put("gram-title", `${name} per gram`);
  byId("gram-panel").hidden = !run;
  const drawn = Boolean(run) && gramChart.update(view);
  byId("gram-chart").hidden = !drawn;
  byId("gram-none").hidden = drawn;
  showSchedules();
  put("gram-text", run && known(run.value)
    ? `Line chart of ${name} against emissions. ${format.score(run.value, run.metric)} took ${format.grams(run.emitted_gco2eq)} with Fairwind; run-now would take ${format.grams(run.baseline_gco2eq)}.`
    : "");
}

// ---- the feed

function live(kind, text) {
  byId("live-dot").className = `status-dot ${kind ? `status-dot-${kind}` : ""}`;
  put("live-text", text);
}

function showProblem(sentence) {
  live("error", "Trying again");
  page.classList.toggle("stale", Boolean(view));
  put("verdict", view ? "This page is out of date." : "There is nothing to show yet.");
  put("why", sentence);
}

function show(message) {
  if (message.problem) return showProblem(message.problem);
  const lists = ["runs", "zones", "rounds", "clients"].map((name) => [name, message[name] ?? []]);
  view = { ...message, ...Object.fromEntries(lists) };
  receivedAt = performance.now();
  page.classList.remove("stale");
  live(...showDrivers(view.drivers));
  const clients = () => showClients(view, advised);
  for (const part of [showHead, tick, showNotice, showCards, showCharts, showAgenda, clients, showRounds]) part(view);
  if (advised && byId("advice").hidden) choose(advised);
  if (tab === "runs") showRuns({ at: view.now });
}

// ---- advice

function choose(client) {
  advised = client;
  remember();
  showClients(view, advised);
  return advise(client, { address: page.dataset.advice, threshold: view.threshold });
}

/** Keep what is shown in the address, so that a link leads to it. */
function remember() {
  const compare = tab === "runs" ? compared().join(",") : "";
  const shown = { run: chosen, client: advised, tab: tab === "runs" && !compare ? tab : "", compare };
  const query = new URLSearchParams(Object.entries(shown).filter(([, name]) => name));
  history.replaceState(null, "", `${location.pathname}${String(query) && `?${query}`}`);
}

byId("clients").addEventListener("click", (event) => {
  const client = event.target.closest("tr")?.dataset.key;
  if (!client || String(getSelection())) return;
  choose(client).then(() => byId("advice").scrollIntoView({ block: "nearest" }));
});
byId("advice-renew").addEventListener("click", () => choose(advised));
byId("advice-close").addEventListener("click", () => choose(null));

// ---- the connection

function connect() {
  disconnect();
  const query = chosen ? `?run=${encodeURIComponent(chosen)}` : "";
  source = new EventSource(page.dataset.events + query);
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.onerror = () => {
    live("error", "Reconnecting…");
    // A browser gives up for good after an answer that is no stream, such as a login page.
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, RETRY_MS);
  };
}

function disconnect() {
  clearTimeout(retry);
  source?.close();
}

function open(run) {
  chosen = run;
  remember();
  connect();
}

byId("run-select").addEventListener("change", (event) => {
  open(event.target.value);
  event.target.blur();
});

// ---- the tabs

const showTab = tabs((name) => {
  tab = name;
  if (name === "runs") showRuns({ at: view?.now, anew: true });
});
byId("tabs").addEventListener("click", remember);
byId("tabs").addEventListener("keyup", remember);
startRuns(page, {
  open: (run) => {
    showTab("run");
    byId("tab-run").focus();
    open(run);
  },
  remember,
});
showTab(tab === "runs" ? tab : "run");
// A hidden page costs nothing: it takes the whole view again when it is looked at.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
function repaint() {
  gridChart.redraw();
  gramChart.redraw();
  redrawComparison();
  if (view) [showZones, showParts].forEach((part) => part(view));
}
new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
matchMedia("print").addEventListener("change", repaint); // paper is light, whatever the theme
setInterval(tick, 250);
connect();
