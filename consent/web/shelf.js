// What one vault keeps on this device, sealed under its state key (docs/protocol.md section 4): named
// values, and the answers that are read again, and checked as ever, without a network.

import { b64u, hex, sha256, text, thumbprint, utf8 } from "./encoding.js";
import { accountKey, openState, random, sealState, stateKey } from "./keys.js";
import { read } from "./wire.js";

const MOST = 1 << 20, STATE = "/v1/holder/state"; // bytes of an answer that is kept
// What is read again to be shown; never entries: an older list looks like withheld ones.
const SHOWN = /^\/v1\/(holder\/(?!entries)|directory|templates|methodology)/;
// What is read again to act by: of these an older one is found out.
const ACTED = /^\/v1\/(holder\/state|directory|templates|methodology)/;
// What of it grows old.
const LIST = /^\/v1\/(?:holder\/)?(links|grants|requests|releases|state|directory|wraps|tokens)/;
const ALONE = ["state", "directory", "wraps", "tokens"]; // one answer each, held by no screen

/** What is kept of one vault; once shut it keeps and tells nothing more. */
export class Shelf {
  /** Lists that were read again here, and from when they are. @type {Map<string, number>} */
  old = new Map();
  /** Whether nothing may be read again to act by. */ live = false;
  /** Seconds by which this machine's clock is ahead of the vault's. */ skew = 0;
  /** @type {Promise<unknown>} */ #keeping = Promise.resolve();
  #store; #now; #heard; #key; #account;
  #gone = new AbortController();
  /** Aborted once locked or left. */ over = this.#gone.signal;

  /** @param {import("./store.js").Store} store @param {Uint8Array} root
   * @param {() => number} now
   * @param {() => void} heard after each answer, or what was read in its place */
  constructor(store, root, now, heard) {
    this.#store = store;
    this.#now = now;
    this.#heard = heard;
    this.#key = stateKey(root);
    this.#account = accountKey(root).then((key) => thumbprint(key.public));
  }

  /** Since when what is shown is old, null when it is of now. @returns {number|null} */
  get since() {
    const since = Math.min(...this.old.values());
    return since < Infinity ? since : null;
  }

  /** Keeps and tells nothing from here on. */
  shut() {
    this.#gone.abort();
  }

  /** The name tells nothing: a path holds the id of a link. @param {string} name */
  async #place(name) {
    return hex(await sha256(utf8(`${await this.#account} ${name}`))).slice(0, 32);
  }

  /** Keeps a value. @param {string} name @param {unknown} value */
  async keep(name, value) {
    const plain = utf8(JSON.stringify([name, value])), at = await this.#place(name);
    const blob = await sealState(await this.#key, 0, plain, random(12));
    if (!this.over.aborted) await this.#store.put(at, blob); // not locked or left meanwhile
  }

  /** A value that was kept, null when there is none. @param {string} name @returns {Promise<any>} */
  async recall(name) {
    const blob = this.over.aborted ? null : await this.#store.get(await this.#place(name));
    if (!blob) return null;
    const plain = await openState(await this.#key, 0, blob).catch(() => null);
    const [kept, value] = plain ? JSON.parse(text(plain)) : [];
    return kept === name ? value : null;
  }

  /** The `fetch` of a wire, whose answers are shown; `acts`: it is acted by them.
   * @param {boolean} acts @returns {typeof fetch} */
  way = (acts) => (input, init) => this.#fetch(acts, input, init);

  /** @param {boolean} acts @param {RequestInfo|URL} input @param {RequestInit} [init] */
  async #fetch(acts, input, init = {}) {
    const { pathname, search } = new URL(String(input)), name = `got ${pathname}${search}`;
    const method = init.method ?? "GET", list = LIST.exec(pathname)?.[1] ?? "";
    let answer;
    try {
      answer = await fetch(input, init);
    } catch (error) {
      const may = method === "GET" && (acts ? ACTED : SHOWN).test(pathname) && !(acts && this.live);
      const got = may && await this.recall(name).catch(() => null);
      if (!got) throw error;
      if (list) this.old.set(list, Math.min(got.at, this.old.get(list) ?? got.at));
      this.#heard();
      return new Response(got.body, { headers: { ETag: got.etag, "Content-Type": got.type } });
    }
    const date = Date.parse(answer.headers.get("Date") ?? "");
    if (date) this.skew = Math.floor((Date.now() - date) / 1000);
    // A list that is shown stays old until that very list is asked for again.
    if (method === "GET" && ALONE.includes(list)) this.old.delete(list);
    // What was just stored is what the vault would answer now: an older state is refused.
    if (answer.ok && method === "PUT" && pathname === STATE)
      this.#keepAnswer(name, answer.headers, async () => JSON.stringify({ state: b64u(
        /** @type {Uint8Array} */ (init.body)) }));
    else if (answer.ok && method === "GET" && SHOWN.test(pathname)) {
      const copy = answer.clone();
      this.#keepAnswer(name, answer.headers, async () => text(await read(copy, MOST)));
    }
    this.#heard();
    return answer;
  }

  /**
   * In the order in which they came; a device that is full keeps no more, and goes on.
   * @param {string} name @param {Headers} headers @param {() => Promise<string>} said
   */
  #keepAnswer(name, headers, said) {
    const at = this.#now(), etag = headers.get("ETag") ?? "";
    const type = headers.get("Content-Type") ?? "";
    this.#keeping = this.#keeping.then(async () =>
      this.keep(name, { at, body: await said(), etag, type })).catch(() => {});
  }
}
