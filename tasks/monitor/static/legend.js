// Under the chart of intensities: every zone with its figure and label, and what the lines rest on.

import { byId, keyed, known, make, put } from "./dom.js";
import * as format from "./format.js";
import { explain, labelOf, namesOf } from "./labels.js";
import { zoneColour } from "./plot.js";

const charted = (view) => view.zones.filter((zone) => zone.times?.length);

/** What holds at the grid clock's now, `null` if that is unknown. */
function newest(zone, now) {
  const upTo = zone.times.findLastIndex((at) => at <= (now ?? Infinity));
  return zone.values[upTo] ?? null;
}

const figure = (value) => (known(value) ? format.intensity(value) : "unknown");

/** The label that most zones share, so that only others need one of their own. */
function commonest(zones) {
  const counts = new Map();
  for (const zone of zones) counts.set(labelOf(zone), (counts.get(labelOf(zone)) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
}

/** The figure of a zone's line at the time under the cursor: past, or the forecast's span. */
function figureAt(zone, cursor, index, now) {
  if (cursor.idx === null) return figure(newest(zone, now));
  const value = cursor.data[index + 1]?.[cursor.idx];
  const at = zone.forecast && cursor.data[0][cursor.idx] > now ? zone.forecast.times.indexOf(cursor.data[0][cursor.idx]) : -1;
  const low = zone.forecast?.low?.[at];
  if (!known(low) || !known(value)) return value === null ? "unknown" : format.intensity(value);
  return `${format.intensity(value)} (${format.intensity(low)}–${format.intensity(zone.forecast.high[at])})`;
}

/** Renew the legend: what every zone's power emits now, or at the time under the cursor. */
export function showLegend(view, cursor, focus) {
  const zones = charted(view);
  const common = commonest(zones);
  put("grid-label", common && common !== "unknown" ? ` · ${common}` : "");
  keyed(byId("grid-legend"), zones, (zone) => zone.zone, (zone, index) => {
    const item = make("li");
    item.append(make("i", "swatch"), make("b", "", zone.zone), make("span", "legend-clients"),
      make("span", "legend-value"), make("small", "tag"));
    item.addEventListener("pointerenter", () => focus(index));
    item.addEventListener("pointerleave", () => focus(null));
    return item;
  }, (item, zone, index) => {
    const [swatch, , clients, value, tag] = item.children;
    swatch.style.background = zoneColour(index);
    put(clients, namesOf(zone));
    put(value, figureAt(zone, cursor, index, view.now));
    const silent = !known(newest(zone, view.now));
    put(tag, !silent && labelOf(zone) !== common ? labelOf(zone) : "");
    tag.toggleAttribute("data-fallen", Boolean(zone.signal));
    item.title = explain(silent ? null : zone, zone.signal);
  });
}

/** Renew the notes on forecasts and gaps, and the chart in words for screen readers. */
export function showNotes(view) {
  const zones = charted(view);
  const notes = [...forecastNotes(zones, view), ...agendaNotes(zones, view), ...gapNotes(zones, view), ...leftOut(zones, view)];
  keyed(byId("grid-notes"), notes, ([kind, text]) => kind + text, ([kind, text]) => {
    const item = make("li");
    item.append(make("span", `key-${kind}`), make("span", "", text));
    return item;
  }, () => {});
  const now = zones.map((zone) => `${zone.zone} ${figure(newest(zone, view.now))}`).join(", ");
  put("grid-text", zones.length
    ? `Line chart of carbon intensity in gCO₂eq per kWh. Now: ${now}. The threshold is ${format.intensity(view.threshold)}.`
    : "No carbon intensity is known yet.");
}

/** One line for all zones whose next hours were found in the same way at the same time. */
function forecastNotes(zones, view) {
  if (view.run?.status === "ended") return [];
  const ways = new Map();
  for (const zone of zones.filter((each) => each.forecast)) {
    const way = wayOf(zone.forecast);
    ways.set(way, [...(ways.get(way) ?? []), zone.zone]);
  }
  return [...ways].map(([way, of]) => {
    const which = ways.size > 1 ? `${of.join(", ")}: ` : "";
    return ["ahead", `${which}the next 24 hours (${way})`];
  });
}

function agendaNotes(zones, view) {
  return view.agenda?.num_rounds && zones.some((zone) => zone.forecast) ? [["expected", "rounds that are expected, by the run's own policy"]] : [];
}

/** More lines cannot be distinguished: the table has every zone. */
function leftOut(zones, view) {
  const others = view.zones.filter((zone) => zone.clients && !zone.times.length && known(zone.intensity)).length;
  return others ? [["none", `the ${zones.length} zones with most clients are drawn; the table of clients, grouped by zone, has ${others} more`]] : [];
}

function wayOf({ source, method, quality, issued, low }) {
  const how = [quality, method && `by ${method.replaceAll("_", " ")}`].filter(Boolean).join(" ");
  const when = known(issued) ? `, issued ${format.moment(issued)} UTC` : "";
  return `${source}, ${how}${when}${low ? "; band: 10 to 90 %" : ""}`;
}

function gapNotes(zones, view) {
  const end = view.run?.ended ?? view.now;
  const gaps = zones.map((zone) => [zone.zone, unknownFor(zone, end)]).filter(([, seconds]) => seconds > 60);
  if (!gaps.length) return [];
  return [["gap", `gaps are unknown, not zero: ${gaps.map(([zone, s]) => `${zone} for ${format.duration(s)}`).join(", ")}`]];
}

function unknownFor({ times, values }, end) {
  return values.reduce((sum, value, i) => (known(value) ? sum : sum + Math.max(0, (times[i + 1] ?? end ?? times[i]) - times[i])), 0);
}
