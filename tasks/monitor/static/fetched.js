// Fetching from Flower: what is wrong becomes one sentence under `problem`.

/** Return the JSON at `url`, or what is wrong; `null` if `signal` ended it. `what` is fetched, as a sentence names it. */
export async function fetched(url, what, signal) {
  try {
    const answer = await fetch(url, { signal, headers: { Accept: "application/json" } });
    if (answer.ok) return await answer.json();
    return { problem: `Flower answered with ${answer.status}, so ${what} cannot be shown. Reload the page.` };
  } catch (error) {
    if (error.name === "AbortError") return null;
    return { problem: `Flower cannot be reached, so ${what} cannot be shown. Try again once it runs.` };
  }
}
