// The document of the feed as the parts of the page read it: lists instead of columns.

/** Times that were sent as their begin and step. */
const times = (line) => line.times ?? (line.values ?? []).map((_, i) => line.start + i * line.step);

/** Return what the page shows at `now`, on the grid clock. */
export function viewOf(document, now) {
  const { clients, rounds, zones, curve, bands, ...rest } = document;
  return {
    ...rest,
    now,
    tables: { clients, rounds },
    zones: Object.keys(zones).sort().map((zone) => zoneOf(zone, zones[zone], now)),
    rounds: curve.round.map((round, i) => ({
      round,
      value: curve.value[i],
      cumulative_gco2eq: curve.emitted[i],
      cumulative_baseline_gco2eq: curve.baseline[i],
    })),
    bands: bands.first.map((first, i) => ({
      first, last: bands.last[i], started: bands.started[i], ended: bands.started[i] + bands.took[i],
    })),
  };
}

function zoneOf(zone, row, now) {
  return { ...row, zone, times: times(row), values: row.values ?? [], forecast: row.forecast ? ahead(row.forecast, now) : null };
}

/** A forecast from `now` on; it was sent from the begin of the hour. */
function ahead(forecast, now) {
  const at = times(forecast);
  const first = Math.max(0, at.findLastIndex((time) => time <= now));
  const rest = (values) => values?.slice(first) ?? null;
  return {
    ...forecast,
    times: at.slice(first).map((time) => Math.max(time, now)),
    values: rest(forecast.values),
    low: rest(forecast.low),
    high: rest(forecast.high),
  };
}
