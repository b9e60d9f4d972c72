// One metric of two runs, against what it cost: grams or hours.

import { digits, isShare, scaleFor } from "./format.js";
import { HEIGHT, axis, css, follow } from "./plot.js";

/** The metric of two runs over `cost`, which names a field of their points. `onHover` gets, for each
 * run, the last point that cost no more than where the cursor is; `null` where the cursor is gone. */
export class ComparisonChart {
  constructor(host, cost, onHover) {
    this.host = host;
    this.cost = cost;
    this.onHover = onHover;
    this.plot = null;
    follow(host, () => this.plot);
  }

  update(courses, metric) {
    this.metric = metric;
    this.courses = courses;
    const costs = courses.flat().map((point) => point[this.cost]);
    this.scale = scaleFor(costs, this.cost === "hours" ? "h" : "gCO₂eq");
    if (this.cost === "hours") this.scale = { factor: 1, unit: "h" };
    const data = window.uPlot.join(courses.map((points) => this.line(points)));
    if (this.plot) this.plot.setData(data);
    else this.build(data);
  }

  /** uPlot needs x strictly rising: where a round cost nothing, the later value stands. */
  line(points) {
    const values = new Map(points.map((point) => [point[this.cost], point.value]));
    return [[...values.keys()], [...values.values()]];
  }

  build(data) {
    const line = (colour, dash) => ({
      stroke: () => css(colour), width: 2.25, dash, spanGaps: true,
      points: { show: (u, i) => u.data[i].filter((y) => y !== undefined).length <= 60, size: 5, fill: () => css(colour), width: 0 },
    });
    this.plot = new window.uPlot({
      width: this.host.clientWidth || 400,
      height: HEIGHT,
      padding: [12, 12, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
      scales: { x: { time: false, range: (_, _low, high) => [0, (high || 1) * 1.04] } },
      axes: [
        axis({ size: 30, space: 56, values: (_, at) => at.map((x) => (x === 0 ? "0" : String(Number((x / this.scale.factor).toPrecision(4))))) }),
        axis({ size: 54, values: (_, at) => at.map((y) => this.level(y)) }),
      ],
      series: [{}, line("--with", []), line("--now", [5, 4])],
      hooks: { setCursor: [(u) => this.onHover(u.cursor.left < 0 ? null : this.reached(u.posToVal(u.cursor.left, "x")))] },
    }, data, this.host);
  }

  reached(cost) {
    return this.courses.map((points) => points.findLast((point) => point[this.cost] <= cost) ?? null);
  }

  level(y) {
    if (!isShare(this.metric)) return digits(y);
    return y > 1.0001 ? "" : `${Number((y * 100).toFixed(1))} %`;
  }

  redraw() {
    this.plot?.redraw(false, true);
  }
}
