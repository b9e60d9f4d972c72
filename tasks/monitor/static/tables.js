// The tables: every client with its gate and why, and every round.

import { byId, keyed, known, make, put } from "./dom.js";
import * as format from "./format.js";
import { showTag } from "./labels.js";

const GATES = { open: "open", open_by_patience: "open (patience)", closed: "closed", unknown: "unknown" };
const CLIENT_COLUMNS = ["client", "zone", "intensity", "gate", "state", "why", "rounds", "energy", "grams"];

function clientRow() {
  const row = make("tr");
  row.title = "Show the advice for this client";
  row.setAttribute("role", "row");
  for (const name of CLIENT_COLUMNS) {
    const cell = make(name === "client" ? "th" : "td", `cell-${name}`);
    cell.setAttribute("role", name === "client" ? "rowheader" : "cell");
    if (name === "client") cell.scope = "row";
    row.append(cell);
  }
  const cells = row.children;
  const choose = make("button", "client-name");
  choose.type = "button";
  cells[0].append(choose);
  cells[2].append(make("span", "chip"), make("span", "gauge"), make("small", "tag"));
  cells[2].children[1].append(make("i"), make("b"));
  cells[2].children[1].setAttribute("aria-hidden", "true");
  for (const cell of [cells[7], cells[8]]) cell.append(make("span"), make("small", "beside"));
  for (const cell of [cells[3], cells[4]]) cell.append(make("i", "dot"), make("span"));
  return row;
}

function showIntensity(cell, value, threshold, top) {
  const [chip, gauge] = cell.children;
  const colour = format.chip(value, threshold);
  put(chip, known(value) ? format.intensity(value) : "?");
  chip.style.background = colour?.paper ?? "";
  chip.style.color = colour?.ink ?? "";
  gauge.hidden = !colour;
  gauge.firstChild.style.width = `${Math.min(100, (100 * (value ?? 0)) / top)}%`;
  gauge.firstChild.style.background = colour?.paper ?? "";
  gauge.lastChild.style.left = `${Math.min(100, (100 * (threshold ?? 0)) / top)}%`;
}

/** Figures beside a client's sums: energy without grams, grams settled since, and so on. */
function showBeside(used, emitted, client, mass) {
  put(used.lastChild, client.idle_wh > 0 ? `waiting ${format.wattHours(client.idle_wh)}` : "");
  used.lastChild.title = "Reserved hardware that waited, as the site reports it; not in the figure above.";
  const settled = format.differ(client.gco2eq, client.settled_gco2eq) ? `settled ${mass.of(client.settled_gco2eq)}` : "";
  const unknown = client.unknown_wh > 0 ? `+ ${format.wattHours(client.unknown_wh)} unknown` : "";
  put(emitted.lastChild, [settled, unknown].filter(Boolean).join(" "));
  emitted.lastChild.title = [
    settled && "Above: as booked. Here: under the surest intensities, measured ones where there are any.",
    unknown && "This energy's carbon intensity is not known, so its grams are in no sum.",
  ].filter(Boolean).join("\n");
}

/** Renew the table of clients; each column shares one unit. `chosen` is the one advised. */
export function showClients(view, chosen) {
  const { clients, threshold } = view;
  const energy = format.scaleFor(clients.map((client) => client.energy_wh), "Wh");
  const mass = format.scaleFor(clients.map((client) => client.gco2eq), "gCO₂eq");
  const top = Math.max(100, (threshold ?? 0) * 2, ...clients.map((client) => client.intensity ?? 0));
  put("energy-unit", energy.unit);
  put("gram-unit", mass.unit);
  keyed(byId("clients"), clients, (client) => client.client, clientRow, (row, client) => {
    const [name, zone, intensity, gate, state, why, rounds, used, emitted] = row.children;
    row.toggleAttribute("data-chosen", client.client === chosen);
    name.firstChild.setAttribute("aria-pressed", client.client === chosen);
    put(name.firstChild, client.client);
    put(zone, client.zone ?? "–");
    showIntensity(intensity, client.intensity, threshold, top);
    showTag(intensity.lastChild, client.reading, client.signal);
    gate.dataset.gate = client.gate ?? "unknown";
    put(gate.lastChild, GATES[client.gate] ?? client.gate ?? "unknown");
    state.dataset.state = client.state ?? "";
    put(state.lastChild, client.state ?? "–");
    put(why, client.why);
    put(rounds, format.count(client.rounds));
    put(used.firstChild, energy.of(client.energy_wh));
    used.firstChild.dataset.unit = energy.unit;
    put(emitted.firstChild, mass.of(client.gco2eq));
    emitted.firstChild.dataset.unit = mass.unit;
    showBeside(used, emitted, client, mass);
  });
  const training = clients.filter((client) => client.state === "training").length;
  put("clients-note", clients.length ? `${training} of ${clients.length} training` : "None enrolled yet");
}

function roundRow() {
  const row = make("tr");
  row.append(make("th"), make("td"), make("td"), make("td"));
  row.append(...Array.from({ length: 4 }, () => make("td", "number")));
  row.firstChild.scope = "row";
  return row;
}

/** Renew the table of rounds, newest first. */
export function showRounds(view) {
  const rounds = view.rounds.toReversed();
  byId("rounds-details").hidden = !rounds.length;
  const metric = view.run?.metric;
  const energy = format.scaleFor(rounds.map((round) => round.energy_wh), "Wh");
  const mass = format.scaleFor(rounds.flatMap((r) => [r.gco2eq, r.baseline_gco2eq]), "gCO₂eq");
  put("rounds-metric", format.title(metric));
  put("rounds-energy-unit", energy.unit);
  put("rounds-gram-unit", mass.unit);
  put("rounds-now-unit", mass.unit);
  keyed(byId("rounds-rows"), rounds, (round) => round.round, roundRow, (row, round) => {
    const took = known(round.ended) ? format.duration(round.ended - round.started) : "under way";
    [round.round, format.moment(round.started), took, (round.cohort ?? []).join(", "),
      format.score(round.value, metric), energy.of(round.energy_wh), mass.of(round.gco2eq),
      mass.of(round.baseline_gco2eq)].forEach((text, i) => put(row.children[i], text));
  });
}
