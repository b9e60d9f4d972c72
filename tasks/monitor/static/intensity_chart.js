// Carbon intensity over time: a line a zone, the threshold, the rounds, and the next 24 hours.

import { known } from "./dom.js";
import { drawForecast, pathOfPast, withFuture } from "./forecast.js";
import { day, hour, intensity } from "./format.js";
import { HEIGHT, axis, css, follow, font, glider, zoneColour, zoneDash } from "./plot.js";

const LABEL_WIDTH = 66;
const CHARACTER_WIDTH = 7.2;
const WIDEST_SHARE = 0.2;
const LABEL_HEIGHT = 14;
const MOST_LABELS = 10;
const READING_S = 5400; // a reading stands for an hour, and may arrive half an hour late

function timeLabels(plot, splits) {
  let last = "";
  return splits.map((at) => {
    const label = day(at);
    const text = label === last ? hour(at) : `${hour(at)}\n${label}`;
    last = label;
    return text;
  });
}

/** A zone's line up to now: its newest reading holds that long, and what is unknown is a gap. */
function upToNow({ times, values }, now) {
  const line = [[], []];
  const add = (at, value) => [at, value].forEach((item, i) => line[i].push(item));
  times.forEach((at, i) => {
    // The reading before a gap holds until the gap begins.
    if (!known(values[i]) && known(values[i - 1]) && at - 1 > times[i - 1]) add(at - 1, values[i - 1]);
    add(at, values[i]);
  });
  const since = (now ?? 0) - times.at(-1);
  if (since > 0 && since <= READING_S) add(now, values.at(-1));
  return line;
}

/** Carbon intensity of every zone over the run; `onHover` gets the index under the cursor. */
export class IntensityChart {
  constructor(host, onHover) {
    this.host = host;
    this.onHover = onHover;
    this.key = null;
    this.glide = glider(() => this.plot);
    follow(host, () => this.plot);
  }

  update(view) {
    this.view = view;
    const zones = view.zones.filter((zone) => zone.times?.length);
    this.zones = zones;
    if (!zones.length) return false;
    const over = view.run?.status === "ended";
    this.now = over || !zones.some((zone) => zone.forecast) ? Infinity : view.now ?? Infinity;
    const lines = zones.map((zone) => withFuture(upToNow(zone, view.run?.ended ?? view.now), zone, this.now));
    this.ends = lines.map(([, values]) => values.at(-1));
    const data = lines.length > 1 ? window.uPlot.join(lines) : lines[0];
    const key = zones.map((zone) => zone.zone).join();
    const anew = key !== this.key;
    if (anew) this.build(zones, data, key);
    else this.plot.setData(data, false);
    const max = Math.max(data[0].at(-1), (over ? view.run.ended : view.now) ?? 0);
    this.glide({ min: data[0][0], max: Math.max(max, data[0][0] + 3600) }, { atOnce: anew });
    return true;
  }

  build(zones, data, key) {
    this.plot?.destroy();
    this.key = key;
    this.plot = new window.uPlot({
      width: this.host.clientWidth || 600,
      height: HEIGHT,
      padding: [18, (u) => (this.labelled(u) ? this.labelWidth(u) : 12), 0, 0],
      legend: { show: false },
      focus: { alpha: 0.22 },
      cursor: { drag: { x: false, y: false }, focus: { prox: 18 }, points: { size: 7 }, y: false },
      tzDate: (at) => window.uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      scales: { x: { time: true, auto: false }, y: { range: (_, _low, high) => this.range(high) } },
      axes: [
        axis({ values: timeLabels, space: 72, size: 42 }),
        axis({ size: 46, values: (_, splits) => splits.map(intensity) }),
      ],
      series: [{}, ...zones.map((zone, i) => ({
        label: zone.zone,
        stroke: () => zoneColour(i),
        width: 2,
        dash: zoneDash(i),
        points: { show: false },
        paths: pathOfPast(() => this.now),
      }))],
      hooks: {
        drawClear: [(u) => this.behind(u)],
        drawSeries: [(u, i) => drawForecast(u, i, this.zones[i - 1]?.forecast, this.now)],
        draw: [(u) => this.front(u)],
        setCursor: [(u) => this.onHover(u.cursor.idx ?? null, u.data)],
      },
    }, data, this.host);
  }

  range(high) {
    const bands = this.now === Infinity ? [] : this.zones.flatMap((zone) => zone.forecast?.high ?? []);
    return [0, Math.max(high ?? 0, ...bands.filter(known), (this.view.threshold ?? 0) * 1.25, 50) * 1.04];
  }

  /** What lies behind the lines: the clean side of the threshold, and the rounds. */
  behind(u) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, 0, bbox.width, bbox.top + bbox.height);
    ctx.clip();
    if (known(this.view.threshold)) {
      const y = u.valToPos(this.view.threshold, "y", true);
      ctx.fillStyle = css("--clean");
      ctx.fillRect(bbox.left, y, bbox.width, bbox.top + bbox.height - y);
    }
    this.future(u);
    if (this.now !== Infinity) for (const band of this.view.agenda?.bands ?? []) this.expected(u, band);
    let free = 0;
    const { open } = this.view;
    for (const round of this.view.bands) free = this.band(u, round, free);
    if (open) this.band(u, { first: open.round, last: open.round, started: open.started, ended: null }, free);
    ctx.restore();
  }

  band(u, round, free) {
    if (!known(round.started)) return free;
    const { ctx, bbox } = u;
    const px = devicePixelRatio;
    const left = u.valToPos(round.started, "x", true);
    const right = Math.max(u.valToPos(round.ended ?? this.view.now, "x", true), left + 2 * px);
    ctx.fillStyle = css(known(round.ended) ? "--band" : "--band-live");
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.fillStyle = css("--band-edge");
    ctx.fillRect(left, bbox.top - 3 * px, right - left, 3 * px);
    const middle = (left + right) / 2;
    ctx.font = font(10.5, 600);
    const name = round.first === round.last ? String(round.first) : `${round.first}–${round.last}`;
    const width = Math.max(8 * px, ctx.measureText(name).width / 2);
    if (middle - width < free) return free;
    ctx.textAlign = "center";
    ctx.textBaseline = "bottom";
    ctx.fillStyle = css("--ink-soft");
    ctx.fillText(name, middle, bbox.top - 4 * px);
    return middle + width + 2 * px;
  }

  /** An expected round: hollow, unlike one that was held. */
  expected(u, [start, end]) {
    const { ctx, bbox } = u;
    const px = devicePixelRatio;
    const left = u.valToPos(Math.max(start, this.now), "x", true);
    const right = Math.max(u.valToPos(end, "x", true) - px, left + 2 * px);
    ctx.fillStyle = css("--band-expected");
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.strokeStyle = css("--band-edge");
    ctx.lineWidth = px;
    ctx.setLineDash([2 * px, 2 * px]);
    ctx.strokeRect(left + px / 2, bbox.top + px / 2, right - left - px, bbox.height - px);
    ctx.setLineDash([]);
  }

  front(u) {
    const { ctx, bbox } = u;
    const px = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    if (known(this.view.threshold)) {
      const y = Math.round(u.valToPos(this.view.threshold, "y", true));
      ctx.strokeStyle = css("--ink");
      ctx.lineWidth = 1.25 * px;
      ctx.setLineDash([6 * px, 4 * px]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      this.tag(ctx, `threshold ${intensity(this.view.threshold)}`, bbox.left + 6 * px, y - 9 * px);
    }
    ctx.restore();
    if (this.labelled(u)) this.labels(u);
  }

  labelled(u) {
    return u.width >= 560 && this.zones.length <= MOST_LABELS;
  }

  /** Room for the longest name, within reason: a longer one is set narrower. */
  labelWidth(u) {
    const longest = Math.max(...this.zones.map((zone) => zone.zone.length)) * CHARACTER_WIDTH + 14;
    return Math.max(LABEL_WIDTH, Math.min(longest, u.width * WIDEST_SHARE));
  }

  /** Write each zone's name at the end of its line, pushed apart where lines are close. */
  labels(u) {
    const { ctx, bbox } = u;
    const px = devicePixelRatio;
    const ends = this.zones
      .map((zone, i) => ({ name: zone.zone, i, y: u.valToPos(this.ends[i], "y", true) }))
      .filter(({ i }) => known(this.ends[i]))
      .sort((a, b) => b.y - a.y);
    let floor = bbox.top + bbox.height;
    for (const end of ends) {
      end.at = Math.min(end.y, floor);
      floor = end.at - LABEL_HEIGHT * px;
    }
    ctx.save();
    ctx.font = font(11.5, 650);
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    for (const { name, i, y, at } of ends) {
      const x = bbox.left + bbox.width;
      ctx.strokeStyle = ctx.fillStyle = zoneColour(i);
      ctx.lineWidth = px;
      ctx.beginPath();
      ctx.moveTo(x + px, y);
      ctx.lineTo(x + 8 * px, at);
      ctx.stroke();
      ctx.fillText(name, x + 11 * px, at, (this.labelWidth(u) - 12) * px);
    }
    ctx.restore();
  }

  /** Set whatever lies ahead of the grid clock apart. */
  future(u) {
    const { ctx, bbox } = u;
    const px = devicePixelRatio;
    const x = u.valToPos(this.now, "x", true);
    if (!(x < bbox.left + bbox.width - 2)) return;
    ctx.fillStyle = css("--future");
    ctx.fillRect(x, bbox.top, bbox.left + bbox.width - x, bbox.height);
    ctx.fillStyle = css("--band-edge");
    ctx.fillRect(x, bbox.top, px, bbox.height);
    if (bbox.left + bbox.width - x < 60 * px) return;
    ctx.font = font(10.5, 600);
    ctx.textAlign = "right"; // the numbers of the rounds end where the future begins
    ctx.textBaseline = "bottom";
    ctx.fillStyle = css("--ink-soft");
    ctx.fillText("next 24 h", bbox.left + bbox.width, bbox.top - 4 * px);
  }

  tag(ctx, text, x, y) {
    ctx.font = font(11, 600);
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.lineJoin = "round";
    ctx.setLineDash([]);
    ctx.lineWidth = 4 * devicePixelRatio;
    ctx.strokeStyle = css("--panel");
    ctx.strokeText(text, x, y);
    ctx.fillStyle = css("--ink");
    ctx.fillText(text, x, y);
  }

  /** Bring one zone forward; `null` lets all be equal again. */
  focus(index) {
    this.plot?.setSeries(index === null ? null : index + 1, { focus: index !== null });
  }

  redraw() {
    this.plot?.redraw(false, true);
  }
}
