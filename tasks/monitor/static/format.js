// Figures, times and colours as the page writes them. Pure: no document, no network.

const PREFIXES = [[1e6, "t"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"]];
const ABSENT = "–";

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** Three significant digits without an exponent: 210, 21.0, 2.10, 0.021. */
export function digits(value) {
  if (!known(value)) return ABSENT;
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.001) return value < 0 ? ">−0.001" : "<0.001";
  const text = size >= 999.5 ? Math.round(value).toLocaleString("en")
    : size >= 1 ? value.toPrecision(3) : value.toFixed(size >= 0.1 ? 2 : 3);
  return text.replace("-", "−");
}

/** The prefix that suits the largest of `values`, so that a whole column shares one unit. */
export function scaleFor(values, unit) {
  const top = Math.max(0, ...values.filter(known).map(Math.abs));
  const rounded = Number(top.toPrecision(3));
  const fit = PREFIXES.find(([factor]) => rounded >= factor) ?? (top > 0 ? PREFIXES.at(-1) : PREFIXES[2]);
  const [factor, prefix] = fit;
  const name = prefix === "t" ? (unit.startsWith("g") ? `t${unit.slice(1)}` : `M${unit}`) : prefix + unit;
  return { factor, unit: name, of: (value) => (known(value) ? digits(value / factor) : ABSENT) };
}

export const withUnit = (value, unit) => {
  if (!known(value)) return ABSENT;
  const scale = scaleFor([value], unit);
  return `${scale.of(value)} ${scale.unit}`;
};

export const grams = (value) => withUnit(value, "gCO₂eq");
export const wattHours = (value) => withUnit(value, "Wh");
export const share = (value) => (known(value) ? `${Math.round(value * 100)} %`.replace("-", "−") : ABSENT);
export const count = (value) => (known(value) ? value.toLocaleString("en") : ABSENT);
export const intensity = (value) => (known(value) ? Math.round(value).toLocaleString("en") : ABSENT);

/** Whether two figures differ by more than what is rounded off anyway. */
export const differ = (one, other) =>
  known(one) && known(other) && Math.abs(one - other) > 0.0005 * Math.max(one, other);

const SHARES = /acc|auc|auroc|f1|precision|recall|sensitivity|specificity|dice|iou|jaccard/i;
export const isShare = (metric) => SHARES.test(metric ?? "");

/** A metric's value: shares as percentages, losses and errors as they are. */
export function score(value, metric) {
  if (!known(value)) return ABSENT;
  if (isShare(metric) && value >= 0 && value <= 1) return `${(value * 100).toFixed(1)} %`;
  return digits(value);
}

/** Of how many sites a mean is, where not all of them reported the figure. */
export const partly = (by) => (by && by.sites < by.of_sites ? `${by.sites} of ${by.of_sites} sites` : "");

/** breast_cancer_auc -> Breast cancer auc */
export function title(name) {
  const words = String(name ?? "").replaceAll("_", " ").trim();
  return words ? words[0].toUpperCase() + words.slice(1) : "Metric";
}

/** A span of seconds in its two largest units: 3 h 10 min. */
export function duration(seconds) {
  if (!known(seconds)) return ABSENT;
  const total = Math.round(Math.max(0, seconds));
  if (total < 60) return `${total} s`;
  const minutes = Math.round(total / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

const pair = (large, unit, small, part) => (small ? `${large} ${unit} ${small} ${part}` : `${large} ${unit}`);

const parts = (epoch, options) =>
  new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options }).format(new Date(epoch * 1000));
export const hour = (epoch) => parts(epoch, { hour: "2-digit", minute: "2-digit" });
export const day = (epoch) => parts(epoch, { weekday: "short", day: "numeric", month: "short" });
export const date = (epoch) => parts(epoch, { day: "numeric", month: "long", year: "numeric" });
export const moment = (epoch) => (known(epoch) ? `${day(epoch)}, ${hour(epoch)}` : ABSENT);

// ColorBrewer's BrBG (colour-blind safe): teal below the threshold, brown above, pale at it.
const RAMP = [[1, 102, 94], [53, 151, 143], [128, 205, 193], [199, 234, 229],
  [246, 232, 195], [223, 194, 125], [191, 129, 45], [140, 81, 10]];

const INKS = [[16, 32, 28], [255, 255, 255], [0, 0, 0]];
const READABLE = 4.5; // WCAG 2.2, success criterion 1.4.3

/** Relative luminance as WCAG 2.2 defines it, from 0 (black) to 1. */
const luminance = (rgb) => rgb
  .map((part) => part / 255)
  .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);

/** Contrast of two colours, from 1 to 21. */
export function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** The chip of an intensity: its colour against the threshold, and ink that can be read on it. */
export function chip(value, threshold) {
  if (!known(value)) return null;
  const limit = threshold > 0 ? threshold : 200;
  const place = value <= limit
    ? (value / limit) * 3
    : 4 + Math.min(1, Math.log(value / limit) / Math.log(4)) * 3;
  const low = Math.min(RAMP.length - 2, Math.floor(place));
  const rgb = RAMP[low].map((from, i) => Math.round(from + (RAMP[low + 1][i] - from) * (place - low)));
  const ink = INKS.find((each) => contrast(rgb, each) >= READABLE);
  return { paper: `rgb(${rgb.join(" ")})`, ink: `rgb(${ink.join(" ")})`, contrast: contrast(rgb, ink) };
}
