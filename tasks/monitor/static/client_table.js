// The table of clients, each with its gate and why: searched, filtered, sorted, grouped, paged.

import { byId, keyed, known, make, put } from "./dom.js";
import * as format from "./format.js";
import { showTag } from "./labels.js";
import { TableQuery, showPager, startHeads, startPager, startSearch } from "./table_tools.js";

const FEW = 8; // clients that are seen at a glance need no tools

const GATES = { open: "open", open_by_patience: "open (patience)", closed: "closed", unknown: "unknown" };
const CLIENT_COLUMNS = ["client", "zone", "intensity", "gate", "state", "why", "rounds", "share", "energy", "grams"];

let query = null;

/** Make the table. `changed` is called when it wants other rows, `choose` with a client's name. */
export function startClients({ text, changed, choose }) {
  query = new TableQuery("clients", changed, { text });
  startHeads(byId("clients-head"), query);
  startSearch(byId("clients-search"), query);
  startPager("clients-pager", query);
  byId("clients-group").addEventListener("click", () => query.set({ group: query.get("group") ? "" : "true", zone: "" }));
  byId("clients-clear").addEventListener("click", () => {
    byId("clients-search").value = "";
    query.set({ q: "", gate: "", state: "", zone: "" });
  });
  byId("clients").addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row || String(getSelection())) return;
    const { zone, client } = row.dataset;
    if (client) choose(client);
    else query.set({ zone: query.get("zone") === zone ? "" : zone });
  });
}

/** The query for the stream. */
export const clientQuery = () => query.text();

function newRow() {
  const row = make("tr");
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
  for (const cell of [cells[8], cells[9]]) cell.append(make("span"));
  cells[6].append(make("span"), make("small", "tag"));
  for (const cell of [cells[3], cells[4]]) cell.append(make("i", "dot"), make("span"));
  return row;
}

// ---- search, chips, groups

/** Renew the chips of one kind: each state with how many clients are in it. */
function showChips(id, field, counts, names) {
  const chosen = query.chosen(field);
  const values = [...new Set([...Object.keys(counts), ...chosen])].sort();
  keyed(byId(id), values, (value) => value, (value) => {
    const chip = make("button", "filter");
    chip.type = "button";
    chip.append(make("i", "dot"), make("span"), make("b"));
    chip.dataset[field] = value;
    chip.addEventListener("click", () => query.toggle(field, value));
    return chip;
  }, (chip, value) => {
    chip.setAttribute("aria-pressed", String(chosen.has(value)));
    put(chip.children[1], names[value] ?? value);
    put(chip.lastChild, format.count(counts[value] ?? 0));
  });
}

function showTools(table) {
  const asked = ["q", "gate", "state", "zone"].some((field) => query.get(field));
  byId("clients-tools").hidden = table.all <= FEW && !asked && !query.get("group");
  byId("clients-clear").hidden = !asked;
  byId("clients-group").setAttribute("aria-pressed", String(Boolean(query.get("group"))));
  showChips("clients-gates", "gate", table.gates, GATES);
  showChips("clients-states", "state", table.states, {});
}

/** The rows to show: clients, or zones with the clients of the one that is open. */
function rowsOf({ order, rows, groups }) {
  const clients = order.map((name) => ({ key: `client ${name}`, client: rows[name] }));
  if (!groups) return clients;
  const opened = query.get("zone");
  return groups.order.flatMap((zone) => [
    { key: `zone ${zone}`, zone, group: groups.rows[zone] }, ...(zone === opened ? clients : []),
  ]);
}

// ---- one row

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


/** Renew the table; each column shares one unit. `advised` is the client with advice. */
export function showClients(view, advised) {
  const { clients: table } = view.tables;
  if (!table) return;
  const items = rowsOf(table);
  const all = items.map(({ client, group }) => client ?? group);
  const scales = {
    energy: format.scaleFor(all.map((each) => each.energy_wh), "Wh"),
    mass: format.scaleFor(all.map((each) => each.gco2eq), "gCO₂eq"),
    metric: view.run?.metric,
    top: Math.max(100, (view.threshold ?? 0) * 2, ...view.zones.map((zone) => zone.intensity ?? 0)),
  };
  const zones = new Map(view.zones.map((zone) => [zone.zone, zone]));
  byId("clients").parentElement.toggleAttribute("data-shares", all.some((each) => known(each.share)));
  put("energy-unit", scales.energy.unit);
  put("gram-unit", scales.mass.unit);
  keyed(byId("clients"), items, ({ key }) => key, newRow, (row, item) => {
    const zone = zones.get(item.zone ?? item.client.zone) ?? {};
    showGrid(row, zone, view.threshold, scales.top);
    if (item.group) showGroup(row, item, scales);
    else showClient(row, item.client, advised, scales);
  });
  showTools(table);
  showPager("clients-pager", table);
  put("clients-note", note(table));
  byId("clients-none").hidden = items.length > 0 || !table.all;
}

function note({ all, found, training, groups }) {
  if (!all) return "None enrolled yet";
  const matching = groups ? `${groups.order.length} zones` : `${format.count(found)} of ${format.count(all)} shown`;
  return [found < all || groups ? matching : "", `${format.count(training)} of ${format.count(all)} training`].filter(Boolean).join(" · ");
}

function showGrid(row, zone, threshold, top) {
  const cell = row.children[2];
  showIntensity(cell, zone.intensity, threshold, top);
  showTag(cell.lastChild, known(zone.intensity) ? zone : null, zone.signal);
}

function showClient(row, client, advised, scales) {
  const [name, zone, , gate, state, why, rounds, share, used, emitted] = row.children;
  row.dataset.client = client.client;
  row.title = "Show the advice for this client";
  row.toggleAttribute("data-chosen", client.client === advised);
  name.firstChild.setAttribute("aria-pressed", client.client === advised);
  put(name.firstChild, client.client);
  put(zone, client.zone ?? "–");
  gate.dataset.gate = client.gate ?? "unknown";
  put(gate.lastChild, GATES[client.gate] ?? client.gate ?? "unknown");
  state.dataset.state = client.state ?? "";
  put(state.lastChild, client.state ?? "–");
  put(why, client.why);
  put(rounds.firstChild, format.count(client.rounds));
  put(rounds.lastChild, found(client, scales.metric));
  put(share, format.share(client.share));
  showSums(used, emitted, client, scales);
}

/** What the client found of the newest version that it evaluated. */
function found({ site_version: version, site_value: value }, metric) {
  if (version === undefined) return "";
  return `${metric} ${known(value) ? format.score(value, metric) : "unknown"}, version ${version}`;
}

function showSums(used, emitted, sums, { energy, mass }) {
  put(used.firstChild, energy.of(sums.energy_wh));
  used.firstChild.dataset.unit = energy.unit;
  put(emitted.firstChild, mass.of(sums.gco2eq));
  emitted.firstChild.dataset.unit = mass.unit;
}

function showGroup(row, { zone, group }, scales) {
  const [name, where, , gate, state, , , share, used, emitted] = row.children;
  const opened = query.get("zone") === zone;
  row.dataset.zone = zone;
  row.className = "group-row";
  row.title = opened ? "Hide the clients of this zone" : "Show the clients of this zone";
  name.firstChild.setAttribute("aria-expanded", String(opened));
  put(name.firstChild, zone);
  put(where, `${format.count(group.clients)} ${group.clients === 1 ? "client" : "clients"}`);
  gate.dataset.gate = group.open ? "open" : "closed";
  put(gate.lastChild, `${format.count(group.open)} open`);
  state.dataset.state = group.training ? "training" : "waiting";
  put(state.lastChild, group.training ? `${format.count(group.training)} training` : "none training");
  put(share, format.share(group.share));
  showSums(used, emitted, group, scales);
}
