// The part of a zone's line that lies ahead: dashed, within its 10 to 90 % band.

import { known } from "./dom.js";
import { zoneColour } from "./plot.js";

const DASH = [5, 4];

/** Append what is expected of a zone after `now` to its line; a zone without a forecast ends there. */
export function withFuture([times, values], { forecast }, now) {
  if (!forecast || now === Infinity) return [times, values];
  const ahead = forecast.times.map((at, i) => [at, forecast.values[i]]).filter(([at]) => at > (times.at(-1) ?? now));
  return [[...times, ...ahead.map(([at]) => at)], [...values, ...ahead.map(([, value]) => value)]];
}

/** A path for uPlot that ends at `now()`: what lies ahead is drawn by `drawForecast`. */
export function pathOfPast(now) {
  const linear = window.uPlot.paths.linear();
  return (u, series, from, to) => {
    const last = Math.min(to, u.data[0].findLastIndex((at) => at <= now()));
    return last >= from ? linear(u, series, from, last) : null;
  };
}

/** Draw the dashed line of series `index` ahead of `now`, and its band if its forecast has one. */
export function drawForecast(u, index, forecast, now) {
  if (!forecast || !index || now === Infinity) return;
  const { ctx, bbox } = u;
  const px = devicePixelRatio;
  const { alpha } = u.series[index];
  const place = (at, value) => [u.valToPos(at, "x", true), u.valToPos(value, "y", true)];
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = ctx.strokeStyle = zoneColour(index - 1);
  if (forecast.low) {
    ctx.globalAlpha = 0.13 * alpha;
    for (const run of unbroken(forecast.times, forecast.low)) {
      ctx.beginPath();
      run.forEach((i) => ctx.lineTo(...place(forecast.times[i], forecast.high[i])));
      run.toReversed().forEach((i) => ctx.lineTo(...place(forecast.times[i], forecast.low[i])));
      ctx.fill();
    }
  }
  ctx.globalAlpha = alpha;
  ctx.lineWidth = 1.75 * px;
  ctx.setLineDash(DASH.map((length) => length * px));
  for (const run of unbroken(forecast.times, forecast.values)) {
    ctx.beginPath();
    run.forEach((i) => ctx.lineTo(...place(forecast.times[i], forecast.values[i])));
    ctx.stroke();
  }
  ctx.restore();
}

/** The stretches of indices without a gap. */
function unbroken(times, values) {
  const runs = [[]];
  times.forEach((_, i) => (known(values[i]) ? runs.at(-1).push(i) : runs.push([])));
  return runs.filter((run) => run.length > 1);
}
