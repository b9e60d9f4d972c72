// Applies the patches of the feed; tasks/monitor/page/patch.py makes them and says how they read.

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Return `old` as a patch changes it; what stays the same stays the same object. */
export function applied(old, patch) {
  if (!isObject(patch)) return patch;
  if (patch.$keep) {
    const [first, count] = patch.$keep;
    return [...(patch.$before ?? []), ...old.slice(first, first + count), ...(patch.$after ?? [])];
  }
  const made = isObject(old) ? { ...old } : {};
  for (const name of patch.$gone ?? []) delete made[name];
  for (const [name, change] of Object.entries(patch)) {
    if (name !== "$gone") made[name] = applied(made[name], change);
  }
  return made;
}
