// The run in figures: progress, metric, emissions, and what was avoided against run-now.

import { byId, keyed, known, make, put, showPairs } from "./dom.js";
import * as format from "./format.js";
import { zoneColour } from "./plot.js";

const MOST_SEGMENTS = 60;

/** Renew all cards from `view`, and how the run ended if it has. */
export function showCards(view) {
  const { run } = view;
  showOutcome(run);
  if (!run) return;
  showRound(view, run);
  put("metric-name", format.title(run.metric));
  put("metric", format.score(run.value, run.metric));
  showSpark(view.rounds.map((round) => round.value).filter(known));
  showPairs("metric-split", [
    ["Best so far", bestSoFar(run)],
    ["Before training", known(run.first) ? format.score(run.first, run.metric) : null],
    ["Reported by", format.partly(run.reported)],
    ["Ends early", run.ends_early],
  ]);
  put("notes", run.notes.join(" "));
  byId("notes").hidden = !run.notes.length;
  showFigure("emitted", run.emitted_gco2eq);
  showParts(view);
  showPairs("emitted-split", [
    ["Energy", format.wattHours(run.energy_wh)],
    ["In no model", run.uncounted_gco2eq > 0 ? format.grams(run.uncounted_gco2eq) : null],
  ]);
  showStanding(run);
  showAvoided(run);
}

function bestSoFar(run) {
  if (known(run.best)) return format.score(run.best, run.metric);
  const yet = run.status === "ended" ? "" : " yet";
  return `${known(run.value) ? "none" : "not evaluated"}${yet}`;
}

/** How sure the grams are, and the figures beside them; unreported ones are left out. */
function showStanding(run) {
  const { settled_share: share, unreported } = run;
  const apart = known(share) && run.booked_gco2eq > 0 || format.differ(run.booked_gco2eq, run.settled_gco2eq);
  showPairs("standing", [
    ["All work, as booked", apart ? format.grams(run.booked_gco2eq) : null],
    ["All work, settled", apart ? settled(run, share) : null],
    ["Grid unknown, in no sum", run.unknown_wh > 0 ? format.wattHours(run.unknown_wh) : null],
    ["Counted otherwise, in no sum", run.apart_gco2eq > 0 ? format.grams(run.apart_gco2eq) : null],
    ["Energy never reported", unreported > 0 ? `${unreported} ${unreported === 1 ? "task" : "tasks"}` : null],
    ["Beside it: waiting hardware", beside(run.idle_wh, run.idle_gco2eq)],
    ["Beside it: network, modelled", beside(run.network_wh, run.network_gco2eq)],
    ["Beside it: making the hardware", run.embodied_gco2eq > 0 ? format.grams(run.embodied_gco2eq) : null],
  ]);
  byId("standing").hidden = !byId("standing").children.length;
}

const beside = (wh, grams) =>
  (wh > 0 ? `${format.wattHours(wh)}${grams > 0 ? `, ${format.grams(grams)}` : ""}` : null);

function settled(run, share) {
  if (!(share > 0)) return "none measured yet";
  const part = share > 0.9995 ? "" : `, measured for ${format.share(Math.min(share, 0.99))} of the energy`;
  return `${format.grams(run.settled_gco2eq)}${part}`;
}

function showOutcome(run) {
  const ended = run?.status === "ended";
  const best = ended && known(run.best) ? format.score(run.best, run.metric) : null;
  const model = ended ? run.model ?? run.best_version ?? run.version : null;
  byId("outcome").hidden = !(best || model);
  showPairs("outcome", [[`Best ${run?.metric ?? "value"}`, best], ["The model", model]]);
}

/** Write a figure large with its unit small behind it. */
function showFigure(id, gco2eq) {
  const [number, unit] = format.grams(gco2eq).split(" ");
  byId(id).replaceChildren(number, ...(unit ? [make("span", "metric-unit", unit)] : []));
}

function showRound(view, run) {
  const { open } = view;
  put("round", format.count(run.rounds_done));
  put("round-of", known(run.rounds_total) ? `of ${format.count(run.rounds_total)}` : "");
  showSegments(run, Boolean(open));
  showPairs("round-split", [
    ["Now", open ? doing(open, view.explanation?.code) : stillness(run, view.explanation?.next_at)],
    ["Policy", run.policy],
  ]);
}

/** What the open round does: where it trains, or that it waits for somebody. */
function doing({ round, clients }, code) {
  if (code && code !== "training") return `round ${round}, ${code === "aggregating" ? code : "waiting"}`;
  return clients ? `round ${round} at ${format.count(clients)} ${clients === 1 ? "site" : "sites"}` : `round ${round}`;
}

function stillness(run, next) {
  const until = known(next) ? ` until ${format.moment(next)} UTC` : "";
  return run.status === "waiting" ? `waiting${until}` : run.status;
}

function showSegments(run, live) {
  const total = known(run.rounds_total) ? run.rounds_total : 0;
  const cells = Math.min(total, MOST_SEGMENTS);
  const done = total ? Math.floor(((run.rounds_done ?? 0) / total) * cells) : 0;
  byId("segments").hidden = !cells;
  keyed(byId("segments"), Array.from({ length: cells }, (_, i) => i), (i) => i, () => make("i"), (cell, i) => {
    cell.className = i < done ? "done" : live && i === done ? "live" : "";
  });
}

/** What the clients of each zone emitted for this run, as parts of one bar in the zones' colours. */
export function showParts(view) {
  const zones = view.zones.map((zone, index) => ({ ...zone, index })).filter((zone) => zone.gco2eq > 0);
  const sum = zones.reduce((total, zone) => total + zone.gco2eq, 0);
  const whole = (view.run?.emitted_gco2eq ?? 0) + (view.run?.uncounted_gco2eq ?? 0);
  // Retired clients are not counted: parts are shown only where they add up to the whole.
  byId("emitted-parts").hidden = !(sum > 0 && Math.abs(sum - whole) <= 0.02 * whole);
  keyed(byId("emitted-parts"), zones, (zone) => zone.zone, () => make("i"), (part, zone) => {
    part.style.flexGrow = zone.gco2eq / sum;
    part.style.background = zoneColour(zone.index);
    part.title = `${zone.zone} ${format.grams(zone.gco2eq)}`;
  });
}

function showSpark(values) {
  const svg = byId("spark");
  svg.toggleAttribute("hidden", values.length < 2);
  if (values.length < 2) return;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = values.map((value, i) =>
    [(i / (values.length - 1)) * 100, 22 - ((value - low) / (high - low || 1)) * 20]);
  let line = svg.querySelector("polyline");
  if (!line) {
    for (const name of ["polygon", "polyline"]) {
      line = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", name));
    }
  }
  line.setAttribute("points", points.join(" "));
  svg.querySelector("polygon").setAttribute("points", `0,24 ${points.join(" ")} 100,24`);
}

function showAvoided(run) {
  const more = run.avoided_gco2eq < 0;
  // The baseline has the same sites and energy, so what differs is the choice of time alone.
  put("avoided-name", more ? "Added by choice of time" : "Avoided by choice of time");
  put("avoided", format.share(known(run.avoided_share) ? Math.abs(run.avoided_share) : null));
  put("avoided-of", known(run.avoided_share) && known(run.avoided_gco2eq) ? format.grams(Math.abs(run.avoided_gco2eq)) : "");
  const top = Math.max(run.emitted_gco2eq ?? 0, run.baseline_gco2eq ?? 0);
  byId("versus").hidden = !(top > 0);
  byId("versus-with").style.width = `${(100 * (run.emitted_gco2eq ?? 0)) / (top || 1)}%`;
  byId("versus-now").style.width = `${(100 * (run.baseline_gco2eq ?? 0)) / (top || 1)}%`;
  showPairs("avoided-split", [
    ["Run now, same sites and energy", run.baseline_gco2eq > 0 ? format.grams(run.baseline_gco2eq) : null],
    [run.delay_s < 0 ? "Finished earlier by" : "Later by",
      run.delay_s ? `${format.duration(Math.abs(run.delay_s))}, grid clock` : null],
    ["Saved by choice of place", run.rounds_done && known(run.place_gco2eq) ? format.grams(run.place_gco2eq) : null],
  ]);
}
