// The connection to the feed: a document when it opens, then patches; it says how well it does.
//
// Its states: "connecting", "live", "slow" (messages arrive late), "silent" (none has come for a
// while, not even the beat that comes every ten seconds) and "lost" (the browser connects again).

import { applied } from "./patch.js";

const RETRY_MS = 3000;
const SILENT_MS = 25_000;
const SLOW_S = 4;
const LOOK_MS = 1000;

export class Connection {
  /**
   * @param {string} address Of the stream.
   * @param {{query: () => URLSearchParams, onDocument: Function, onProblem: Function, onState: Function}} page
   *   `query` says what the page looks at; `onDocument` gets the document and the message that
   *   renewed it, whose `now`, `clock_speed` and `at` are the grid clock and the server's.
   */
  constructor(address, page) {
    Object.assign(this, { address, page, source: null, document: null, version: null, retry: 0 });
    this.state = null;
    this.least = Infinity; // of the differences between this computer's clock and the server's
    setInterval(() => this.look(), LOOK_MS);
  }

  /** Connect anew, with what is held: only what changed, and the tables, are sent. */
  open() {
    this.close();
    this.enter("connecting");
    const query = this.page.query();
    if (this.version) query.set("base", this.version);
    const source = new EventSource(`${this.address}?${query}`);
    this.source = source;
    if (this.document) this.held = withoutTables(this.document);
    source.onmessage = (event) => this.source === source && this.receive(JSON.parse(event.data));
    source.onerror = () => {
      if (this.source !== source) return;
      this.enter("lost");
      // A browser gives up for good after an answer that is no stream, such as a login page.
      if (source.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.open(), RETRY_MS);
    };
  }

  close() {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  /** Show another run: nothing that is held is of use. */
  startOver() {
    this.version = this.document = this.held = null;
    this.open();
  }

  receive(message) {
    this.receivedAt = performance.now();
    const offset = Date.now() / 1000 - message.at;
    this.least = Math.min(this.least, offset);
    this.late = offset - this.least;
    this.enter(this.late > SLOW_S ? "slow" : "live");
    if (message.problem) return this.page.onProblem(message.problem);
    if (message.document) this.document = message.document;
    else if (message.patch) {
      if (message.base !== this.version) return this.startOver();
      this.document = applied(this.held ?? this.document, message.patch);
    }
    if (message.version) {
      this.version = message.version;
      this.held = null;
    }
    if (this.document && !this.held) this.page.onDocument(this.document, message);
  }

  look() {
    if (this.source && ["live", "slow", "silent"].includes(this.state) && performance.now() - this.receivedAt > SILENT_MS) {
      this.enter("silent");
    }
  }

  enter(state) {
    const seconds = state === "slow" ? Math.round(this.late) : Math.round((performance.now() - (this.receivedAt ?? 0)) / 1000);
    if (state !== this.state || state === "slow" || state === "silent") this.page.onState(state, seconds);
    this.state = state;
  }
}

function withoutTables({ clients, rounds, ...rest }) {
  return rest;
}
