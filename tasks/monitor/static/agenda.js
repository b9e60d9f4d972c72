// The rounds to come, as the run's policy is expected to decide under the forecast.

import { byId, keyed, known, make, put, stackable } from "./dom.js";
import * as format from "./format.js";

const LABELS = ["Round", "", "", "Expected", "Run now", ""];

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

function note({ num_rounds: rounds, expected_gco2eq: expected, run_now_gco2eq: now, problem }) {
  if (problem) return problem;
  if (!rounds) return "No round is expected in the next 24 hours";
  const count = `${rounds} round${rounds === 1 ? "" : "s"} expected in the next 24 hours`;
  return known(expected) ? `${count}: ${format.grams(expected)}; run now would emit ${format.grams(now)}` : count;
}

/** Renew the table of the rounds to come; a run that is over has none. */
export function showAgenda(view) {
  const { agenda } = view;
  byId("agenda").hidden = !agenda || !(agenda.rows.length || agenda.problem);
  if (!agenda) return;
  const { rows } = agenda;
  const mass = format.scaleFor(rows.flatMap((each) => [each.expected_gco2eq, each.run_now_gco2eq]), "gCO₂eq");
  put("agenda-note", note(agenda));
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
