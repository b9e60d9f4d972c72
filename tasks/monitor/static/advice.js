// Advice for one client: fetched when its row is chosen, computed by the server.

import { byId, keyed, known, make, put, showPairs } from "./dom.js";
import { fetched } from "./fetched.js";
import * as format from "./format.js";
import { showHours } from "./hours.js";

const DAY_S = 86_400;

let requested = null;
let running = null;

const nice = (text) => String(text ?? "").replaceAll("CO2", "CO₂").replace(/\bu(?=gCO|Wh)/g, "µ");
const stamp = (text) => (text ? Date.parse(text) / 1000 : null);

/** Fetch the advice for `client` and show it; `null` closes the panel. */
export async function advise(client, { address, threshold }) {
  running?.abort();
  requested = client;
  const panel = byId("advice");
  panel.hidden = !client;
  if (!client) return;
  put("advice-client", client);
  panel.setAttribute("aria-busy", "true");
  put("advice-note", "computing …");
  running = new AbortController();
  const advice = await fetched(`${address}?client=${encodeURIComponent(client)}`, "the advice", running.signal);
  if (!advice || requested !== client) return;
  panel.removeAttribute("aria-busy");
  show(advice, threshold);
}

function show(advice, threshold) {
  const problem = advice.problem ?? "";
  byId("advice-problem").hidden = !problem;
  put("advice-problem", problem);
  byId("advice-body").hidden = Boolean(problem);
  put("advice-note", problem ? "" : `${advice.zone}, computed ${format.moment(stamp(advice.at))} UTC`);
  if (problem) return;
  put("advice-now", present(advice));
  showHours(advice, threshold);
  showPlaces(advice.places);
  showTotals(advice.totals);
  put("advice-chosen", chosen(advice.chances));
  showLines(advice);
  byId("advice-missing").hidden = !advice.missing.length;
  if (!advice.lines.length) byId("advice-missing").open = true;
  keyed(byId("advice-missing-list"), advice.missing, (text) => text, () => make("li"), (item, text) => put(item, nice(text)));
}

function present({ practice, at, worked_until: until }) {
  if (!practice) return "No update of this client has counted in the last five weeks of work.";
  const grams = (practice.energy_wh * practice.gco2eq_per_kwh) / 1000;
  const long = stamp(at) - stamp(until) >= DAY_S;
  const updates = `${format.count(practice.updates)} update${practice.updates === 1 ? "" : "s"}`;
  return `One update takes ${format.wattHours(practice.energy_wh)} and emits ${format.grams(grams)}: the mean of `
    + `${updates}${long ? ` in the five weeks up to ${format.date(stamp(until))}` : ""}; `
    + `about ${format.count(Math.round(practice.per_month))} updates a month.`;
}

function chosen(chances) {
  if (!chances) return "";
  const { rounds, drawn, open, within } = chances;
  return `Invited to ${drawn} of the last ${rounds} rounds. Its gate was open in ${open} of them, and its score was among the best in ${within}.`;
}

/** What it used since it was enrolled, whichever run it was for. */
function showTotals(totals) {
  const settled = format.differ(totals.gco2eq, totals.settled_gco2eq);
  const of = (value, show) => (value > 0 ? show(value) : "");
  showPairs("advice-totals", [
    ["Energy of its work", format.wattHours(totals.energy_wh)],
    ["Emitted, as booked", format.grams(totals.gco2eq)],
    ["Emitted, under measured intensities where there are any", settled ? format.grams(totals.settled_gco2eq) : ""],
    ["Energy whose carbon intensity is unknown, in no sum of emissions", of(totals.unknown_wh, format.wattHours)],
    ["Emissions of another family of intensities, in no other sum", of(totals.apart_gco2eq, format.grams)],
    ["Energy of reserved hardware while it waited, as the site reports it", of(totals.idle_wh, format.wattHours)],
    ["Tasks whose energy was never reported", of(totals.unreported, format.count)],
  ]);
}

// ---- its place

function placeRow() {
  const row = make("li");
  const bar = make("span", "place-bar");
  bar.setAttribute("aria-hidden", "true");
  bar.append(make("i"), make("b"));
  row.append(make("span", "place-cause"), make("span", "place-rank"), bar, make("span", "place-figures"));
  return row;
}

function showPlaces(places) {
  byId("advice-places-part").hidden = !places.length;
  keyed(byId("advice-places"), places, (place) => place.cause, placeRow, (row, place) => {
    const [cause, rank, bar, figures] = row.children;
    const top = 1.15 * Math.max(place.figure, place.peers_median) || 1;
    put(cause, place.cause);
    put(rank, `${place.rank} of ${place.of}`);
    row.dataset.better = place.figure <= place.peers_median || !format.differ(place.figure, place.peers_median);
    bar.firstChild.style.width = `${(100 * place.figure) / top}%`;
    bar.lastChild.style.left = `${(100 * place.peers_median) / top}%`;
    put(figures, `${shown(place, "figure", "shown")}; peers’ median ${shown(place, "peers_median", "shown_median")}`);
  });
}

/** A place's figure as the page writes units; as the coordinator wrote it where it has none. */
function shown(place, figure, text) {
  return ["J", "Wh"].includes(place.unit) ? format.withUnit(place[figure], place.unit) : nice(place[text]);
}

// ---- what to change

function lineRow() {
  const row = make("li");
  const basis = make("details");
  basis.append(make("summary", "", "How this was computed"), make("p"), make("p"), make("p"));
  row.append(make("p", "advice-do"), make("p", "advice-saves"), make("p", "advice-then"), basis);
  return row;
}

function showLines({ lines }) {
  byId("advice-lines-part").hidden = !lines.length;
  keyed(byId("advice-lines"), lines, (line) => line.change.name, lineRow, (row, line) => {
    const { change, chances } = line;
    const [what, saves, then, basis] = row.children;
    const [, computed, source, span] = basis.children;
    put(what, nice(change.text));
    saves.replaceChildren("Saves ", make("b", "", format.grams(change.saves_gco2eq)), " an update, ",
      make("b", "", format.grams(line.saves_gco2eq_per_month)), " a month");
    put(then, chances ? `With this change, its score would have been among the best in ${chances.within} of the last ${chances.rounds} rounds.` : "");
    put(computed, nice(change.computed));
    put(source, `Basis: ${nice(change.source)}.`.replace(/\.\.$/, "."));
    put(span, known(change.low_gco2eq)
      ? `Estimated: ${format.grams(change.low_gco2eq)} to ${format.grams(change.high_gco2eq)} an update.` : "");
  });
}
