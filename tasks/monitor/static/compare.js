// Two runs side by side: what each level of the metric cost, in grams and in hours, and what differs.

import { ComparisonChart } from "./comparison_chart.js";
import { byId, keyed, known, make, put } from "./dom.js";
import { fetched } from "./fetched.js";
import * as format from "./format.js";

let running = null;
let charts = null;
let shown = null;

export function closeComparison() {
  running?.abort();
  byId("comparison").hidden = true;
}

/** Fetch the comparison of two runs, the older one first, and show it. */
export async function compare(address, [first, second]) {
  running?.abort();
  running = new AbortController();
  const query = new URLSearchParams({ first: first.id, second: second.id });
  const found = await fetched(`${address}?${query}`, "the comparison", running.signal);
  if (!found) return;
  byId("comparison").hidden = false;
  put("comparison-title", `${first.id} and ${second.id}`);
  put("comparison-lead", found.problem ?? lead(found));
  byId("comparison-charts").hidden = true;
  byId("differences").hidden = true;
  if (found.problem) return;
  showLegend(found);
  showCharts(found);
  showDifferences(found);
}

/** Follow a change of theme. */
export function redrawComparison() {
  charts?.forEach((chart) => chart.redraw());
}

function lead({ metric, level, first, second, same_workload: same }) {
  const apart = same ? "" : "They train different workloads, so their scores do not compare. ";
  if (!metric) return `${apart}They have no metric in common.`;
  const name = format.title(metric).toLowerCase();
  if (!known(level)) {
    const none = [first, second].filter((run) => !run.points.length).map((run) => run.run);
    return `${apart}${none.join(" and ")} ${none.length > 1 ? "have" : "has"} no score of ${name} yet.`;
  }
  const [one, two] = [first.at_level, second.at_level];
  return `${apart}To reach ${name} ${format.score(level, metric)}: ${cost(first)}; ${cost(second)}. `
    + verdict(first.run, second.run, { grams: two.gco2eq / one.gco2eq, hours: two.hours - one.hours });
}

function cost({ run, at_level: at }) {
  return `${run} took ${at.round} ${at.round === 1 ? "round" : "rounds"}, ${format.duration(at.hours * 3600)} and ${format.grams(at.gco2eq)}`;
}

function verdict(first, second, { grams, hours }) {
  if (!known(grams)) return "";
  const share = Math.round(Math.abs(grams - 1) * 100);
  const less = share === 0 ? "emitted as much as" : `emitted ${share} % ${grams < 1 ? "less" : "more"} than`;
  const time = Math.abs(hours) * 3600 < 60 ? "in the same time"
    : `and took ${format.duration(Math.abs(hours) * 3600)} ${hours < 0 ? "less" : "longer"}`;
  return `So ${second} ${less} ${first} ${time}.`;
}

/** The two runs and their colours; `reached` has the point of each at the cursor of a chart. */
function showLegend({ metric, first, second }, reached = null) {
  const lines = [["with", first], ["now", second]];
  keyed(byId("comparison-legend"), lines, ([key]) => key, ([key]) => {
    const item = make("li");
    item.append(make("i", `swatch swatch-${key}`), make("b"), make("span", "legend-clients"));
    return item;
  }, (item, [, run], i) => {
    put(item.children[1], run.run);
    const unknown = run.unknown_wh > 0 ? `without ${format.wattHours(run.unknown_wh)} whose emissions are unknown` : "";
    put(item.lastChild, reached ? at(reached[i], metric) : unknown);
  });
}

function at(point, metric) {
  if (!point) return "no score yet";
  return `${format.score(point.value, metric)} after round ${point.round}, ${format.grams(point.gco2eq)} and ${format.duration(point.hours * 3600)}`;
}

function showCharts(found) {
  const { metric, first, second } = found;
  shown = found;
  const drawn = metric && (first.points.length || second.points.length);
  byId("comparison-charts").hidden = !drawn;
  if (!drawn) return;
  const onHover = (reached) => showLegend(shown, reached);
  charts ??= [["by-grams", "gco2eq"], ["by-hours", "hours"]].map(([host, cost]) =>
    new ComparisonChart(byId(host), cost, onHover));
  for (const chart of charts) chart.update([first.points, second.points], metric);
  put("by-grams-unit", `cumulative, ${charts[0].scale.unit}`);
}

function showDifferences({ differences, first, second }) {
  byId("differences").hidden = !differences.length;
  put("differences-note", differences.length
    ? "All other entries are equal." : "Nothing: both runs have the same entries.");
  put("differences-first", first.run);
  put("differences-second", second.run);
  keyed(byId("differences-rows"), differences, (each) => each.name, ({ name }) => {
    const row = make("tr");
    const head = make("th", "entry", name);
    head.scope = "row";
    row.append(head, make("td"), make("td"));
    return row;
  }, (row, each) => {
    put(row.children[1], each.first ?? "not set");
    put(row.children[2], each.second ?? "not set");
  });
}
