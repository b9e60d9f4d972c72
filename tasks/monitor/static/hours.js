// The next 24 hours of one grid as a strip of hours, clean to dirty, and its typical week in words.

import { byId, known, make, put } from "./dom.js";
import * as format from "./format.js";
import { labelOf } from "./labels.js";

const HOUR_S = 3600;
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const WEEK_H = 168;
const SPAN_H = 3;

/** Renew the strip, the line under it, and the typical week. */
export function showHours({ outlook, forecast, week }, threshold) {
  const hours = forecast ? hourly(forecast) : [];
  const best = new Set((outlook?.best ?? []).map((hour) => Date.parse(hour.start) / 1000));
  byId("advice-hours-part").hidden = !hours.length;
  const strip = byId("advice-hours");
  const top = Math.max(...hours.map((hour) => hour.value ?? 0), 1);
  strip.replaceChildren(...hours.map((hour, i) => cell(hour, i, best.has(hour.start), { threshold, top })));
  put("advice-hours-note", forecast ? labelOf(forecast) : "");
  put("advice-hours-text", inWords(outlook));
  put("advice-week", week ? typical(week) : "");
}

/** The mean of each UTC hour, `null` where nothing is known of any of it. */
function hourly({ times, values }) {
  const first = Math.floor(times[0] / HOUR_S) * HOUR_S;
  return Array.from({ length: 24 }, (_, i) => {
    const start = first + i * HOUR_S;
    const inside = values.filter((value, at) =>
      known(value) && times[at] < start + HOUR_S && (times[at + 1] ?? start + HOUR_S) > start);
    return { start, value: inside.length ? inside.reduce((sum, value) => sum + value, 0) / inside.length : null };
  });
}

/** One hour: its colour as in the table of clients, its height against the dirtiest hour. */
function cell({ start, value }, index, best, { threshold, top }) {
  const item = make("li", best ? "best" : "");
  const colour = format.chip(value, threshold);
  const text = known(value) ? `${format.intensity(value)} gCO₂eq/kWh` : "unknown";
  const bar = make("i");
  bar.style.background = colour?.paper ?? "";
  bar.style.height = `${colour ? Math.max(6, (100 * value) / top) : 100}%`;
  const well = make("b");
  well.append(bar);
  item.append(well, make("span", "", index % 6 === 0 ? format.hour(start) : ""));
  item.title = `${format.moment(start)} UTC: ${text}${best ? ", one of the cleanest" : ""}`;
  item.toggleAttribute("data-unknown", !colour);
  return item;
}

function inWords(outlook) {
  if (!outlook) return "";
  const mean = `Now ${format.intensity(outlook.now_gco2eq_per_kwh)}, mean ${format.intensity(outlook.mean_gco2eq_per_kwh)} gCO₂eq/kWh.`;
  if (!outlook.best.length) return `${mean} None of these hours is cleaner than the others.`;
  const best = outlook.best.map((hour) =>
    `${format.hour(Date.parse(hour.start) / 1000)} (${format.intensity(hour.gco2eq_per_kwh)})`);
  return `Best at ${best.join(", ")} UTC. ${mean}`;
}

function typical({ gco2eq_per_kwh: means, days }) {
  const spans = means.map((_, i) => (means[i] + means[(i + 1) % WEEK_H] + means[(i + 2) % WEEK_H]) / SPAN_H);
  const [low, high] = [Math.min(...spans), Math.max(...spans)];
  if (high <= low * 1.01) return "";
  const at = (value) => {
    const hour = spans.indexOf(value);
    const clock = (h) => `${String(h % 24).padStart(2, "0")}:00`;
    return `${DAYS[Math.floor(hour / 24)]} ${clock(hour)}–${clock(hour + SPAN_H)} (${format.intensity(value)})`;
  };
  return `Typical week: best ${at(low)}, worst ${at(high)} UTC; ${days} days read.`;
}
