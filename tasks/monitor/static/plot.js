// What both charts share. Colours come from rounds.css, so they follow Flower's theme.

const GLIDE_MS = 450;
export const HEIGHT = 280;
const COLOURS = 8;
const DASHES = [[], [7, 4], [2, 3]];
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

/** A custom property of the page, as its theme has it now. */
export const css = (name) =>
  getComputedStyle(document.getElementById("rounds")).getPropertyValue(name).trim();
export const font = (px, weight = 500) => `${weight} ${px * devicePixelRatio}px system-ui, sans-serif`;

export const zoneColour = (index) => css(`--zone-${index % COLOURS}`);
export const zoneDash = (index) => DASHES[Math.floor(index / COLOURS) % DASHES.length];

export const axis = (extra) => ({
  stroke: () => css("--ink-soft"),
  font: "12px system-ui, sans-serif",
  grid: { stroke: () => css("--rule"), width: 1 },
  ticks: { show: false },
  ...extra,
});

/** Keep a chart as wide as its host. */
export function follow(host, getPlot) {
  new ResizeObserver(() => {
    const plot = getPlot();
    if (plot && host.clientWidth && host.clientWidth !== plot.width) {
      plot.setSize({ width: host.clientWidth, height: HEIGHT });
    }
  }).observe(host);
}

/** Move the x scale to `target` softly, so that a live line grows instead of jumping. */
export function glider(getPlot) {
  let shown = null;
  let frame = 0;
  return (target, options = {}) => {
    cancelAnimationFrame(frame);
    const from = shown;
    const start = performance.now();
    const move = (to) => getPlot().setScale("x", (shown = to));
    if (!from || calm.matches || options.atOnce) return move(target);
    const step = (time) => {
      const part = Math.min(1, Math.max(0, (time - start) / GLIDE_MS));
      const eased = 1 - (1 - part) ** 3;
      move({
        min: from.min + (target.min - from.min) * eased,
        max: from.max + (target.max - from.max) * eased,
      });
      if (part < 1) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
  };
}
