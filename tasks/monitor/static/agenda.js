// The rounds to come, as the run's policy is expected to decide under the forecast.

import { byId, keyed, known, make, put, stackable } from "./dom.js";
import * as format from "./format.js";

const MOST_ROWS = 10;
const LABELS = ["Round", "", "", "Expected", "Run now", ""];

/** The rounds that are expected to begin: those under way and the waits in between are left out. */
export const toCome = (view) => (view.agenda?.rounds ?? []).filter((each) => !each.waiting && !each.running);

function row() {
  const made = make("tr");
  made.append(make("th"), make("td", "agenda-when"), make("td", "agenda-clients"), make("td", "number"), make("td", "number"),
    make("td", "cell-why"));
  made.firstChild.scope = "row";
  return stackable(made, LABELS);
}

/** "Sun 22 Nov, 19:53 – 20:33", with the second day where it is another one. */
function span({ start, end }) {
  const until = format.day(start) === format.day(end) ? format.hour(end) : format.moment(end);
  return `${format.moment(start)} – ${until}`;
}

const places = ({ zones }) => Object.entries(zones ?? {}).map(([zone, count]) => `${count} in ${zone}`).join(", ");

function note({ agenda }, held) {
  if (agenda.problem) return agenda.problem;
  if (!held.length) return "No round is expected in the next 24 hours";
  const both = held.filter((each) => known(each.expected_gco2eq) && known(each.run_now_gco2eq));
  const sum = (name) => both.reduce((total, each) => total + each[name], 0);
  const count = `${held.length} round${held.length === 1 ? "" : "s"} expected in the next 24 hours`;
  if (!both.length) return count;
  return `${count}: ${format.grams(sum("expected_gco2eq"))}; run now would emit ${format.grams(sum("run_now_gco2eq"))}`;
}

/** Renew the table of the rounds to come; a run that is over has none. */
export function showAgenda(view) {
  const { agenda } = view;
  const rows = (agenda?.rounds ?? []).slice(0, MOST_ROWS);
  byId("agenda").hidden = !agenda || !(rows.length || agenda.problem);
  if (!agenda) return;
  const mass = format.scaleFor(rows.flatMap((each) => [each.expected_gco2eq, each.run_now_gco2eq]), "gCO₂eq");
  put("agenda-note", note(view, toCome(view)));
  put("agenda-gram-unit", mass.unit);
  put("agenda-now-unit", mass.unit);
  keyed(byId("agenda-rows"), rows, (each) => `${each.round} ${each.waiting ?? ""} ${each.start}`, row, (made, each) => {
    made.toggleAttribute("data-waits", Boolean(each.waiting));
    made.title = each.cohort.join(", ");
    [each.round, span(each), places(each), each.waiting ? "" : mass.of(each.expected_gco2eq),
      each.waiting ? "" : mass.of(each.run_now_gco2eq), each.why]
      .forEach((text, i) => put(made.children[i], text));
    [each.expected_gco2eq, each.run_now_gco2eq].forEach((value, i) => {
      made.children[3 + i].dataset.unit = known(value) ? mass.unit : "";
    });
  });
}
