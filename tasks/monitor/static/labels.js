// What a carbon intensity rests on: its source and quality as a quiet tag, explained when pointed at.

import { put } from "./dom.js";
import { moment } from "./format.js";

const MEANS = {
  measured: "worked out from what the grid really did",
  estimated: "the source fills in where measurements lack; it may correct this later",
  modelled: "made by a model of the grid, not from what it did in this hour",
  forecast: "expected before the hour came",
  stale: "an earlier figure, carried on while the source is silent",
};

const plain = (word) => String(word ?? "").replaceAll("_", " ");

/** "neso, forecast": who says it, and how it was found. */
export const labelOf = (told) =>
  told?.quality ? [told.source, plain(told.quality)].filter(Boolean).join(", ") : "unknown";

/** The same in sentences. */
export function explain(told, signal) {
  if (!told?.quality) return "Nobody says what this grid emits now. Unknown is not zero: nothing is guessed.";
  const lines = [`${told.source} · ${plain(told.quality)}: ${MEANS[told.quality] ?? "no more is said"}.`];
  if (told.family) lines.push(`Counts: ${told.family}.`);
  if (signal) lines.push(`It stands in for ${signal.expected} since ${moment(signal.since)} UTC. ${signal.why}`);
  return lines.join("\n");
}

/** Renew a tag from a reading's labels and, where another source should speak, who does. */
export function showTag(tag, told, signal) {
  put(tag, labelOf(told));
  tag.title = explain(told, signal);
  tag.dataset.quality = told?.quality ?? "unknown";
  tag.toggleAttribute("data-fallen", Boolean(signal));
}
