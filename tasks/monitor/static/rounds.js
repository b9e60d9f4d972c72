// The Rounds page: takes documents from the feed and hands them to the parts of the page.

import { advise } from "./advice.js";
import { showAgenda } from "./agenda.js";
import { showCards, showParts } from "./cards.js";
import { clientQuery, showClients, startClients } from "./client_table.js";
import { redrawComparison } from "./compare.js";
import { Connection } from "./connection.js";
import { byId, keyed, known, make, put } from "./dom.js";
import { showDrivers } from "./drivers.js";
import * as format from "./format.js";
import { GramChart } from "./gram_chart.js";
import { IntensityChart } from "./intensity_chart.js";
import { showLegend, showNotes } from "./legend.js";
import { viewOf } from "./model.js";
import { showNotice } from "./notice.js";
import { roundQuery, showRounds, startRounds } from "./round_table.js";
import { compared, preselect, showRuns, startRuns } from "./runs.js";
import { tabs } from "./tabs.js";

const LONG_VERDICT = 110;
const RENEW_MS = 5000; // ages and the chart's end move on, also while nothing changes

const page = byId("rounds");

let view = null;
let connected = false;
let held = null; // the document, and the grid clock when it came
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
  byId("empty").hidden = Boolean(run ?? view.starting);
  byId("cards").hidden = !run;
  byId("body").hidden = !run && !view.zones.length && !view.tables.clients?.all;
  document.title = run && known(run.rounds_done)
    ? `${run.rounds_done}${known(run.rounds_total) ? `/${run.rounds_total}` : ""} ${run.id} · Rounds · Flower`
    : "Rounds · Flower";
  showChoice();
  byId("tabs").hidden = !run;
  put("runs-count", format.count(view.num_runs));
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

/** The grid clock, counted on from the last message; it stands still if none comes for long. */
function gridNow() {
  const { now, clock_speed: speed } = held.clocks;
  return now + (Math.min(30_000, performance.now() - held.at) / 1000) * speed;
}

function tick() {
  if (!held || !known(held.clocks.now)) return;
  const { clock_speed: speed } = held.clocks;
  byId("grid-clock").hidden = false;
  const pace = speed === 1 ? "" : ` · ${format.count(speed)}×`;
  put("grid-clock", `${format.moment(gridNow())} UTC${pace}`);
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

const CONNECTED = {
  connecting: ["", () => "Connecting…"],
  slow: ["late", (seconds) => `${format.duration(seconds)} behind: the connection is slow`],
  silent: ["error", (seconds) => `Nothing received for ${format.duration(seconds)}`],
  lost: ["error", () => "Reconnecting…"],
};

/** The page is live only while it receives news, and coordinator, beat and Redis run. */
function showConnection(state, seconds) {
  connected = state === "live";
  if (connected) live(...showDrivers(view?.drivers, serverNow()));
  else live(CONNECTED[state][0], CONNECTED[state][1](seconds));
  page.classList.toggle("stale", Boolean(view) && (state === "silent" || state === "lost"));
}

/** The server's wall clock, counted on. */
const serverNow = () => (held ? held.clocks.at + (performance.now() - held.at) / 1000 : null);

function receive(document, clocks) {
  const anew = held?.document !== document;
  held = { document, clocks, at: performance.now() };
  if (anew) show();
}

function show() {
  view = viewOf(held.document, gridNow());
  if (connected) {
    page.classList.remove("stale");
    live(...showDrivers(view.drivers, serverNow()));
  }
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
  const shown = { run: chosen, client: advised, clients: clientQuery(), tab: tab === "runs" && !compare ? tab : "", compare };
  const query = new URLSearchParams(Object.entries(shown).filter(([, name]) => name));
  history.replaceState(null, "", `${location.pathname}${String(query) && `?${query}`}`);
}

byId("advice-renew").addEventListener("click", () => choose(advised));
byId("advice-close").addEventListener("click", () => choose(null));

// ---- the connection

const connection = new Connection(page.dataset.events, {
  query() {
    const rounds = roundQuery();
    const asked = { run: chosen, clients: clientQuery() };
    const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value));
    if (rounds !== null) query.set("rounds", rounds);
    return query;
  },
  onDocument: receive,
  onProblem: showProblem,
  onState: showConnection,
});

/** The tables want other rows. */
function lookElsewhere() {
  remember();
  if (!document.hidden) connection.open();
}

startClients({
  text: given.get("clients") ?? "",
  changed: lookElsewhere,
  choose: (client) => choose(client).then(() => byId("advice").scrollIntoView({ block: "nearest" })),
});
startRounds(lookElsewhere);

function open(run) {
  chosen = run;
  remember();
  connection.startOver();
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
// A hidden page costs nothing: it takes what changed when it is looked at again.
document.addEventListener("visibilitychange", () => (document.hidden ? connection.close() : connection.open()));
function repaint() {
  gridChart.redraw();
  gramChart.redraw();
  redrawComparison();
  if (view) [showZones, showParts].forEach((part) => part(view));
}
new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
matchMedia("print").addEventListener("change", repaint); // paper is light, whatever the theme
setInterval(tick, 250);
setInterval(() => held && !document.hidden && show(), RENEW_MS);
connection.open();
