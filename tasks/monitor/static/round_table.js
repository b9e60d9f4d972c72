// The table of rounds: every round of the run, page by page; it is sent while it is open.

import { byId, keyed, known, make, put, stackable } from "./dom.js";
import * as format from "./format.js";
import { TableQuery, showPager, startHeads, startPager, startSearch } from "./table_tools.js";

const LABELS = ["Round", "", "Took", "", "Staleness", "", "Energy", "Emitted", "Run now"];

let query = null;

/** Make the table; `changed` is called when it wants other rows. */
export function startRounds(changed) {
  query = new TableQuery("rounds", changed, { sort: "round", descending: true });
  startHeads(byId("rounds-head"), query);
  startSearch(byId("rounds-search"), query);
  startPager("rounds-pager", query);
  byId("rounds-details").addEventListener("toggle", changed);
}

/** The query for the stream, `null` while the table is closed. */
export const roundQuery = () => (byId("rounds-details").open ? query.text() : null);

function roundRow() {
  const row = make("tr");
  row.append(make("th"), make("td"), make("td"), make("td", "cell-cohort"));
  row.append(make("td", "number cell-stale"));
  row.append(...Array.from({ length: 4 }, () => make("td", "number")));
  row.firstChild.scope = "row";
  return stackable(row, LABELS);
}

function cohortOf({ cohort, clients }) {
  const more = clients - cohort.length;
  return more > 0 ? `${cohort.join(", ")} and ${format.count(more)} more` : cohort.join(", ");
}

function scored({ value, reported }, metric) {
  const by = format.partly(reported);
  return format.score(value, metric) + (by && ` (${by})`);
}

/** Renew the table, once its rows have come. */
export function showRounds(view) {
  const { rounds: table } = view.tables;
  byId("rounds-details").hidden = !view.run?.rounds_done && !view.open;
  if (!table) return;
  const rounds = table.order.map((number) => table.rows[number]);
  const metric = view.run?.metric;
  const energy = format.scaleFor(rounds.map((round) => round.energy_wh), "Wh");
  const mass = format.scaleFor(rounds.flatMap((r) => [r.gco2eq, r.baseline_gco2eq]), "gCO₂eq");
  const stale = rounds.some((round) => known(round.staleness));
  byId("rounds-head").closest("table").toggleAttribute("data-stale", stale);
  put("rounds-cohort", stale ? "Updates of" : "Cohort");
  put("rounds-about", `${stale ? "Updates, their staleness" : "Cohort"}, metric and grams of each round`);
  put("rounds-metric", format.title(metric));
  put("rounds-energy-unit", energy.unit);
  put("rounds-gram-unit", mass.unit);
  put("rounds-now-unit", mass.unit);
  keyed(byId("rounds-rows"), rounds, (round) => round.round, roundRow, (row, round) => {
    const took = known(round.ended) ? format.duration(round.ended - round.started) : "under way";
    [round.round, format.moment(round.started), took, cohortOf(round),
      known(round.staleness) ? round.staleness.toFixed(1) : "",
      scored(round, metric), energy.of(round.energy_wh), mass.of(round.gco2eq),
      mass.of(round.baseline_gco2eq)].forEach((text, i) => put(row.children[i], text));
    row.children[5].dataset.label = format.title(metric);
    [energy.unit, mass.unit, mass.unit].forEach((unit, i) => (row.children[6 + i].dataset.unit = unit));
  });
  put("rounds-found", table.found === table.all ? "" : `${format.count(table.found)} of ${format.count(table.all)} rounds`);
  showPager("rounds-pager", table);
}
