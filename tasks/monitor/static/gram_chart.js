// The metric against cumulative grams: what a level of accuracy costs on either schedule.

import { known } from "./dom.js";
import { digits, isShare, scaleFor } from "./format.js";
import { HEIGHT, axis, css, follow, font, glider } from "./plot.js";

/** The metric against cumulative grams, with Fairwind and with each round run at once. */
export class GramChart {
  constructor(host, onHover) {
    this.host = host;
    this.onHover = onHover;
    this.glide = glider(() => this.plot);
    follow(host, () => this.plot);
  }

  update(view) {
    this.metric = view.run?.metric;
    const rounds = view.rounds.filter((round) => known(round.value) && known(round.cumulative_gco2eq));
    if (!rounds.length) return false;
    const now = rounds.filter((round) => known(round.cumulative_baseline_gco2eq));
    const reach = Math.max(...rounds.map((round) => round.cumulative_gco2eq),
      ...now.map((round) => round.cumulative_baseline_gco2eq), 0);
    this.scale = scaleFor([reach], "gCO₂eq");
    this.last = rounds.at(-1);
    this.rounds = rounds;
    const lines = [
      [rounds.map((round) => round.cumulative_gco2eq), rounds.map((round) => round.value)],
      [now.map((round) => round.cumulative_baseline_gco2eq), now.map((round) => round.value)],
    ];
    const data = window.uPlot.join(lines.map(rising));
    const anew = !this.plot;
    if (anew) this.build(data);
    else this.plot.setData(data, false);
    this.glide({ min: 0, max: (reach || 1) * 1.08 }, { atOnce: anew });
    return true;
  }

  build(data) {
    const line = (colour, dash) => ({
      stroke: () => css(colour), width: 2.25, dash, spanGaps: true,
      points: { show: true, size: 6, fill: () => css(colour), width: 0 },
    });
    this.plot = new window.uPlot({
      width: this.host.clientWidth || 400,
      height: HEIGHT,
      padding: [18, 12, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 9 } },
      scales: { x: { time: false, auto: false } },
      axes: [
        axis({ size: 30, space: 56, values: (_, at) => at.map((x) => this.mass(x)) }),
        axis({ size: 54, values: (_, at) => at.map((y) => this.level(y, at)) }),
      ],
      series: [{}, line("--with", []), line("--now", [5, 4])],
      hooks: {
        draw: [(u) => this.gap(u)],
        setCursor: [(u) => this.onHover(this.roundAt(u.cursor.idx))],
      },
    }, data, this.host);
  }

  mass(x) {
    return x === 0 ? "0" : String(Number((x / this.scale.factor).toPrecision(4)));
  }

  level(y, splits) {
    if (!isShare(this.metric)) return digits(y);
    const fine = splits.length > 1 && splits[1] - splits[0] < 0.0099;
    return y > 1.0001 ? "" : `${(y * 100).toFixed(fine ? 1 : 0)} %`;
  }

  /** The round whose point, on either line, is at index `idx` of the joined data. */
  roundAt(idx) {
    const x = idx === null || idx === undefined ? null : this.plot.data[0][idx];
    return this.rounds.find((r) => r.cumulative_gco2eq === x || r.cumulative_baseline_gco2eq === x) ?? null;
  }

  /** The span between both lines at the newest round: what waiting saved. */
  gap(u) {
    const { cumulative_gco2eq: mine, cumulative_baseline_gco2eq: now, value } = this.last;
    if (!known(now) || now === 0 || now === mine) return;
    const { ctx } = u;
    const px = devicePixelRatio;
    const y = u.valToPos(value, "y", true);
    const [left, right] = [mine, now].map((x) => u.valToPos(x, "x", true)).sort((a, b) => a - b);
    ctx.save();
    ctx.strokeStyle = css("--ink-soft");
    ctx.lineWidth = 1.25 * px;
    ctx.setLineDash([2 * px, 3 * px]);
    ctx.beginPath();
    ctx.moveTo(left + 6 * px, y);
    ctx.lineTo(right - 6 * px, y);
    ctx.stroke();
    ctx.font = font(12, 700);
    ctx.textAlign = "center";
    ctx.textBaseline = "bottom";
    ctx.fillStyle = css("--ink");
    const part = Math.round(((now - mine) / now) * 100);
    const text = part >= 0 ? `${part} % less` : `${-part} % more`;
    if (right - left > 52 * px) ctx.fillText(text, (left + right) / 2, y - 5 * px);
    ctx.restore();
  }

  redraw() {
    this.plot?.redraw(false, true);
  }
}

/** uPlot needs x strictly rising: where a round emitted nothing, the later value stands. */
function rising([xs, ys]) {
  const merged = new Map(xs.map((x, i) => [x, ys[i]]));
  const sorted = [...merged.keys()].sort((a, b) => a - b);
  return [sorted, sorted.map((x) => merged.get(x))];
}
