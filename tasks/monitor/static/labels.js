// What a carbon intensity rests on: its source and quality as a quiet tag, explained when pointed at.

import { put } from "./dom.js";
import { count, moment } from "./format.js";

const MEANS = {
  measured: "computed from what the grid did in this hour",
  estimated: "estimated by the source where measurements are missing; it may correct this later",
  modelled: "from a model of the grid, not from what it did in this hour",
  forecast: "predicted before the hour began",
  stale: "an earlier figure, used while the source does not answer",
};

const plain = (word) => String(word ?? "").replaceAll("_", " ");

/** "neso, forecast": the source, and how it found the figure. */
export const labelOf = (reading) =>
  reading?.quality ? [reading.source, plain(reading.quality)].filter(Boolean).join(", ") : "unknown";

/** The same in sentences. */
export function explain(reading, signal) {
  if (!reading?.quality) return "The carbon intensity of this grid is unknown now. It is not taken as zero, and nothing is guessed.";
  const lines = [`${reading.source} · ${plain(reading.quality)}: ${MEANS[reading.quality] ?? "no explanation is known"}.`];
  if (reading.family) lines.push(`Counts: ${reading.family}.`);
  if (signal) lines.push(`It is used instead of ${signal.expected} since ${moment(signal.since)} UTC. ${signal.why}`);
  return lines.join("\n");
}

/** Renew a tag from a reading's labels; marked where the source is not the expected one. */
export function showTag(tag, reading, signal) {
  put(tag, labelOf(reading));
  tag.title = explain(reading, signal);
  tag.dataset.quality = reading?.quality ?? "unknown";
  tag.toggleAttribute("data-fallen", Boolean(signal));
}

/** The clients of a zone: the first by name, the others by number. */
export function namesOf({ names, clients }) {
  const more = clients - names.length;
  return more > 0 ? `${names.join(", ")} and ${count(more)} more` : names.join(", ");
}
