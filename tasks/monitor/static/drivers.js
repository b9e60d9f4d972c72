// The drivers: whether coordinator, beat and Redis run, when they were last seen, and what starts them.

import { byId, keyed, known, make, put } from "./dom.js";
import { duration } from "./format.js";

const LIVE = { running: ["live", "Live"], unusable: ["error", "Redis fails"], unknown: ["", "Not live"] };

/**
 * Show each driver, and return the dot and the word for the whole: green only if all of them run.
 * `now` is on the server's wall clock.
 */
export function showDrivers(drivers, now) {
  const level = drivers?.level ?? "unknown";
  const each = level === "unknown" ? [] : [...drivers.each, { driver: "redis", state: drivers.fault ? "silent" : "running" }];
  byId("drivers").hidden = !each.length;
  keyed(byId("drivers"), each, (driver) => driver.driver, () => {
    const item = make("li");
    item.append(make("i", "driver-dot"), make("span"), make("code"));
    return item;
  }, (item, driver) => {
    const isMissing = ["silent", "never_seen"].includes(driver.state);
    item.dataset.state = isMissing ? "missing" : driver.state;
    put(item.children[1], text(driver, now));
    put(item.children[2], isMissing && driver.command ? driver.command : "");
  });
  return LIVE[level] ?? ["late", missing(drivers)];
}

const NAMES = { coordinator: "Coordinator", beat: "Beat", redis: "Redis" };

function text({ driver, state, seen_at: seenAt, held_up_by: heldUpBy }, now) {
  const name = NAMES[driver];
  if (driver === "redis") return `${name} ${state === "running" ? "answers" : "fails"}`;
  if (state === "silent" && known(seenAt) && known(now)) return `${name} last seen ${duration(now - seenAt)} ago. Start:`;
  if (state === "never_seen") return `${name} not running. Start:`;
  if (heldUpBy) return `${name} long at its task ${heldUpBy}`;
  return `${name} ${state === "running" ? "running" : "unknown"}`;
}

function missing(drivers) {
  const names = drivers.each.filter((each) => each.state !== "running").map((each) => NAMES[each.driver]);
  return `${names.join(" and ").replace(" Beat", " beat")} not running`;
}
