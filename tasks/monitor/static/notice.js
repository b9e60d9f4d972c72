// The banner: which zones' signals are down, which source is used instead, since when, why, and what follows.

import { byId, keyed, known, make, put } from "./dom.js";
import { duration, moment } from "./format.js";
import { namesOf } from "./labels.js";

const MOST_OPEN = 4;
const LONGEST_WHY = 160;

/** Renew the banner; it is hidden while every signal answers. */
export function showNotice(view) {
  const banner = byId("notice");
  const fallen = view.zones.filter((zone) => zone.clients && (zone.signal || isSilent(zone)));
  const anew = banner.hidden;
  const lines = [...(view.beside ?? []), view.notice].filter(Boolean);
  banner.hidden = !lines.length;
  if (!lines.length) return;
  put("notice-text", lines.join("\n").replaceAll("CO2", "CO₂"));
  if (anew) byId("notice-details").open = fallen.length <= MOST_OPEN;
  byId("notice-details").hidden = !fallen.length;
  put("notice-count", `${fallen.length} ${fallen.length === 1 ? "zone" : "zones"}: active source, reason and consequence`);
  keyed(byId("notice-zones"), fallen, (zone) => zone.zone, (zone) => {
    const item = make("li");
    item.append(make("b", "", zone.zone), make("span"), make("span", "notice-why"), make("span", "notice-means"));
    return item;
  }, (item, zone) => {
    const [, source, why, means] = item.children;
    put(source, activeSource(zone, view.now));
    put(why, shortened(zone.signal?.why ?? ""));
    why.title = zone.signal?.why ?? "";
    put(means, meaning(zone));
  });
}

const isSilent = (zone) => zone.times.length > 0 && !known(zone.values.at(-1));

function activeSource({ signal, times }, now) {
  const since = signal?.since ?? times.at(-1);
  const when = known(since) ? ` since ${moment(since)} UTC${known(now) ? `, for ${duration(now - since)}` : ""}` : "";
  const instead = signal ? ` instead of ${signal.expected}` : "";
  return signal?.active_source ? `${signal.active_source} is used${instead}${when}.` : `No source answers${instead}${when}.`;
}

/** What it means for the gates of a zone's clients, as they are judged at this moment. */
function meaning(zone) {
  const names = namesOf(zone);
  if (zone.gates.unknown === zone.clients) {
    return zone.signal?.active_source
      ? `Its figures count other emissions, so they are not compared: the gate of ${names} is unknown and stays shut.`
      : `The gate of ${names} is unknown and stays shut until a source answers.`;
  }
  if (zone.gates.open_by_patience) {
    return `${names} may train by patience alone; the grams are booked as unknown.`;
  }
  return `The gate of ${names} is judged by these figures; grams are booked with their label.`;
}

function shortened(text) {
  if (text.length <= LONGEST_WHY) return text;
  return `${text.slice(0, LONGEST_WHY).replace(/\s+\S*$/, "")} …`;
}
