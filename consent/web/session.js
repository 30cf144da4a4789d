// One person at one vault on this device: locked or open, and what runs in the background.

import { b64u, hex, sha256, text, thumbprint, unb64u, utf8 } from "./encoding.js";
import { fetchDirectory } from "./policy.js";
import { Holder } from "./holder.js";
import { accountKey, openState, random, sealState, stateKey } from "./keys.js";
import { fetchRelease } from "./methodology.js";
import { monthAt } from "./months.js";
import { keepHere } from "./lock.js";
import { compareAll } from "./reading.js";
import { openEach } from "./records.js";
import { mergeMemory } from "./side.js";
import { Wire, read } from "./wire.js";
import { setZone } from "./words.js";

/** @typedef {{vault: string, auditor: string, log: string, demo: boolean, lists: string|null,
 *   passkeys: boolean, keeps: boolean, version: string, templates: string}} Config */
/** What this device knows without being opened. @typedef {{account: string,
 *   way: "device" | "passkey" | "code", code: string,
 *   passkeys: {id: string, wrap: string, blob: Uint8Array, at: number}[]}} Own */
/** @typedef {import("./directory.js").Directory} Directory */
/** @template {"mintAll" | "watch"} K @typedef {Awaited<ReturnType<Holder[K]>> | null} Found */
/** looked: when the log was last watched, 0: not since opening.
 * @typedef {{running: boolean, at: number, minted: Found<"mintAll">, watched: Found<"watch">,
 *   looked: number, failed: Record<string, unknown>}} Background */
/** What a wire may read again without a network; live: nothing, now. @typedef {{may: RegExp,
 *   live: boolean}} Way */

const PERIOD = 600000, MOST_KEPT = 1 << 20, STATE = "/v1/holder/state";
/** @type {Background} */
const NOTHING = { running: false, at: 0, minted: null, watched: null, looked: 0, failed: {} };
// What is read again to be shown; never entries: an older list looks like withheld ones.
const SHOWN = /^\/v1\/(holder\/(?!entries)|directory|templates|methodology)/;
// What is read again to act by: of these an older one is found out.
const ACTED = /^\/v1\/(holder\/state|directory|templates|methodology)/;
// What of it grows old.
const LIST = /^\/v1\/(?:holder\/)?(links|grants|requests|releases|state|directory|wraps|tokens)/;
const ALONE = ["state", "directory", "wraps", "tokens"]; // one answer each, held by no screen

/** The name tells nothing: a path holds the id of a link. @param {string} account
 * @param {string} name */
const keyOf = async (account, name) =>
  hex(await sha256(utf8(`${account} ${name}`))).slice(0, 32);

/** The app's one session; it says "change" when something shown may have changed. */
export class Session extends EventTarget {
  /** @type {Holder|null} */ holder = null;
  /** @type {Uint8Array|null} */ root = null;
  /** @type {Own|null} */ own = null;
  /** @type {number|null} */ offline = null;
  background = NOTHING;
  zone = "Asia/Shanghai";
  /** Figures that left and are not what their own records say. */ unequal = 0;
  /** A code that came with the address (#w=). */ handed = "";
  /** @type {Record<string, any>} */ prefs = {};
  /** @type {Map<string, Promise<any>>} */ #once = new Map();
  /** @type {Map<string, number>} lists that were read again here, and from when they are */
  #old = new Map();
  /** @type {{key: CryptoKey, account: string}|null} */ #seal = null;
  /** @type {Way} */ #acts = { may: ACTED, live: false };
  /** @type {Promise<unknown>} */ #keeping = Promise.resolve();
  #tabs = new BroadcastChannel("carbonvault");
  #shift = 0;
  #skew = 0;

  /** @param {Config} config @param {import("./store.js").Store} store */
  constructor(config, store) {
    super();
    this.config = config;
    this.store = store;
    const { auditor, log, demo } = config;
    this.policy = { auditor: unb64u(auditor, 32), log, demo, fresh: 86400 };
    this.wire = new Wire(config.vault, null, { templates: config.templates });
    this.#tabs.onmessage = async () => {
      this.own = await this.store.get("own") ?? null;
      this.prefs = await this.store.get("prefs") ?? {};
      this.#close();
    };
    setInterval(() => document.hidden || this.refresh(), PERIOD);
  }

  /** Reads what this device keeps. */
  async start() {
    this.prefs = await this.store.get("prefs") ?? {};
    this.own = await this.store.get("own") ?? null;
    await this.#readClock();
  }

  async #readClock() {
    if (!this.config.demo) return;
    const told = await this.wire.get("/v1/time").catch(() => null);
    this.#shift = told ? Number(told.body.now) - Math.floor(Date.now() / 1000)
      : await this.store.get("shift") ?? 0;
    if (told) await this.store.put("shift", this.#shift).catch(() => {});
  }

  /** Unix seconds: the vault's clock in a demonstration, else this machine's. */
  now = () => Math.floor(Date.now() / 1000) + this.#shift;

  /** The same, but not ahead of the vault's clock: what is over by it is over. */
  past = () => this.now() - Math.max(0, this.skew);

  /** Seconds that this machine's clock is ahead of the vault's. */
  get skew() {
    return this.config.demo ? 0 : this.#skew;
  }

  /** How many months ahead tokens are made. @returns {number} */
  get ahead() {
    return this.prefs.ahead ?? 3;
  }

  /** Keeps a choice of this person on this device. @param {string} name @param {unknown} value */
  async prefer(name, value) {
    this.prefs = { ...this.prefs, [name]: value };
    await this.store.put("prefs", this.prefs);
    this.dispatchEvent(new Event("prefs"));
  }

  /** Keeps what this device knows of its vault. @param {Partial<Own>} change */
  async remember(change) {
    const kept = await this.store.get("own").catch(() => null);
    if (kept && this.own && kept.account !== this.own.account) return; // another tab's vault
    this.own = { account: "", way: "code", code: "", passkeys: [], ...this.own, ...change };
    await this.store.put("own", this.own).catch(() => {}); // full: it is open all the same
  }

  /** Whether this device holds another vault than a root's. @param {Uint8Array} root */
  async holdsOther(root) {
    return !!this.own && this.own.account !== await thumbprint((await accountKey(root)).public);
  }

  /** Opens the vault of a root; `fresh`: its account is made now.
   * @param {Uint8Array} root @param {boolean} [fresh] */
  async unlock(root, fresh = false) {
    const key = await accountKey(root), { vault, templates } = this.config;
    this.#seal = { key: await stateKey(root), account: await thumbprint(key.public) };
    const wireOf = (/** @type {Way} */ way) => new Wire(vault, key,
      { fetch: (input, init) => this.#fetch(way, input, init), templates });
    const acts = { may: ACTED, live: false }, live = wireOf(acts);
    const wire = wireOf({ may: SHOWN, live: false });
    const { policy, now } = this, memory = await this.#recall("memory");
    const holder = await Holder.open({ root, wire, live, policy, now, random, memory });
    if (fresh) await holder.openAccount();
    await holder.load();
    this.zone = (await holder.held()).listing.zone;
    setZone(this.zone);
    if (this.holder) this.holder.closed = true;
    Object.assign(this, { root, holder });
    this.#acts = acts;
    if (this.own?.account !== holder.account) {
      if (this.own) await this.#empty();
      this.own = null;
      await this.remember({ account: holder.account });
      this.#tabs.postMessage("closed"); // another tab may have another vault open
    }
    this.forget();
    this.refresh();
  }

  /** Opens by itself on this device from now on, or not; never where a page of somebody else could
   * come to the same address. @param {boolean} wanted */
  async keepOpen(wanted) {
    const keep = wanted && this.config.keeps;
    if (keep && this.root) await keepHere(this.store, this.root);
    else await this.store.put("device", null);
    await this.remember({ way: keep ? "device" : this.own?.passkeys.length ? "passkey" : "code" });
  }

  /** Locks: what opens the vault is gone from memory, and does not open by itself any more. */
  async lock() {
    await this.keepOpen(false);
    this.#close();
    this.#tabs.postMessage("closed");
  }

  /** Leaves this device as if the vault had never been here. */
  async leave() {
    this.own = null;
    this.#close();
    await this.#empty();
    this.#tabs.postMessage("closed");
  }

  async #empty() {
    await this.store.forget();
    this.prefs = await this.store.get("prefs") ?? {};
  }

  #close() {
    if (this.holder) this.holder.closed = true; // what runs in the background makes nothing more
    this.root = this.holder = this.#seal = null;
    this.background = NOTHING;
    this.unequal = 0;
    this.#once.clear();
    this.#old.clear();
    this.offline = null;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  // What is asked for once

  /** @template T @param {string} name @param {() => Promise<T>} load @returns {Promise<T>} */
  #kept(name, load) {
    const known = this.#once.get(name);
    if (known) return known;
    this.#old.delete(name);
    const found = load();
    this.#once.set(name, found);
    found.catch(() => this.#once.get(name) === found && this.#once.delete(name))
      .then(() => this.#online());
    return found;
  }

  /** The open vault. @returns {Holder} */
  get #open() {
    return /** @type {Holder} */ (this.holder);
  }

  /** Every link, its records opened and its closes recomputed as far as they verify. */
  links() {
    const holder = this.#open;
    return this.#kept("links", async () => {
      const read = async (/** @type {Directory} */ directory) =>
        openEach(holder, (id) => fetchRelease(holder.wire, directory, id), directory);
      const found = await read(await this.held());
      if (!found.some(({ trouble }) => trouble?.kind === "unsigned")) return found;
      await holder.current.refresh().catch(() => {}); // a key may be newer than this directory
      return read(await this.held());
    });
  }

  /** Every consent. */
  grants() {
    return this.#kept("grants", () => this.#open.grants());
  }

  /** What platforms ask for. */
  requests() {
    return this.#kept("requests", () => this.#open.requests());
  }

  /** Every figure that left. */
  uses() {
    return this.#kept("releases", () => this.#open.uses());
  }

  /** The directory to read by, which may have expired. */
  held() {
    const holder = this.#open;
    return holder.held().catch(() => holder.current.newest);
  }

  /** The directory in force, also while locked. */
  directory() {
    return this.holder ? this.holder.directory() : this.#kept("directory", () =>
      fetchDirectory(this.wire, this.policy, null, this.now(), () => Date.now() / 1000, false));
  }

  /** The running month by the vault's zone. @returns {string} */
  month() {
    return monthAt(this.now(), this.zone);
  }

  /** Asks anew for what was kept, after an act of the person. */
  forget() {
    this.#once.clear();
    this.#save();
    this.#changed();
  }

  // The background

  /** Tops up tokens, takes in what other devices did, watches the log; results in `background`. */
  async refresh() {
    const { holder } = this, acts = this.#acts;
    if (!holder || this.background.running) return;
    /** @type {Background} */
    const found = { ...this.background, failed: {} };
    /** @template T @param {string} name @param {Promise<T>} act @returns {Promise<T | null>} */
    const run = (name, act) => act.catch((error) => {
      found.failed[name] = error;
      return null;
    });
    this.background = { ...found, running: true };
    this.#changed();
    await this.#readClock().catch(() => {});
    await run("load", holder.refresh());
    acts.live = true; // nothing is made from, or compared with, an answer that is not of now
    if (!this.#old.has("state") && !this.#old.has("directory")) {
      await run("stop", holder.confirm());
      found.minted = await run("mint", holder.mintAll(this.ahead));
      found.watched = await run("watch", holder.watch(this.config.lists));
      if (found.watched) found.looked = this.now();
    }
    acts.live = false;
    if (this.holder !== holder) return;
    this.background = { ...found, running: false, at: this.now() };
    if (found.at) this.#once.clear(); // what was asked for since unlocking is not old yet
    this.#save();
    this.#changed();
    if (found.watched) await this.#compare(holder, found.watched).catch(() => {});
  }

  /** @param {Holder} holder @param {import("./activity.js").Watched} watched */
  async #compare(holder, watched) {
    const left = await compareAll(await this.grants(), holder, await this.links(), watched);
    if (this.holder !== holder) return; // locked or left meanwhile
    this.unequal = [...left.values()].filter(({ found }) => found === "other").length;
    this.#changed();
  }

  // What is kept on this device, sealed under the state key

  /** @param {string} name @param {unknown} value */
  async #keep(name, value) {
    const seal = this.#seal;
    if (!seal) return;
    const plain = utf8(JSON.stringify([name, value])), at = await keyOf(seal.account, name);
    const blob = await sealState(seal.key, 0, plain, random(12));
    if (this.#seal === seal) await this.store.put(at, blob); // not locked or left meanwhile
  }

  /** @param {string} name @returns {Promise<any>} */
  async #recall(name) {
    const seal = this.#seal, blob = seal && await this.store.get(await keyOf(seal.account, name));
    if (!blob) return null;
    const plain = await openState(seal.key, 0, blob).catch(() => null);
    const [kept, value] = plain ? JSON.parse(text(plain)) : [];
    return kept === name ? value : null;
  }

  /** Another tab may have written meanwhile: what it saw is kept too. */
  async #save() {
    const { holder } = this;
    if (holder) await navigator.locks.request("memory", async () => {
      const kept = await this.#recall("memory");
      if (this.holder === holder) await this.#keep("memory", mergeMemory(holder.memory(), kept));
    }).catch(() => {}); // full: the next one may fit
  }

  /**
   * Answers are kept as they came; without a network they are read again, and checked as ever.
   * @param {Way} way @param {RequestInfo|URL} input @param {RequestInit} [init]
   */
  async #fetch(way, input, init = {}) {
    const { pathname, search } = new URL(String(input)), name = `got ${pathname}${search}`;
    const method = init.method ?? "GET", list = LIST.exec(pathname)?.[1] ?? "";
    let answer;
    try {
      answer = await fetch(input, init);
    } catch (error) {
      const may = method === "GET" && way.may.test(pathname) && !way.live;
      const got = may && await this.#recall(name).catch(() => null);
      if (!got) throw error;
      if (list) this.#old.set(list, Math.min(got.at, this.#old.get(list) ?? got.at));
      this.#online();
      return new Response(got.body, { headers: { ETag: got.etag, "Content-Type": got.type } });
    }
    const date = Date.parse(answer.headers.get("Date") ?? "");
    if (date) this.#skew = Math.floor((Date.now() - date) / 1000);
    // A list that is shown stays old until that very list is asked for again.
    if (method === "GET" && ALONE.includes(list)) this.#old.delete(list);
    // What was just stored is what the vault would answer now: an older state is refused.
    if (answer.ok && method === "PUT" && pathname === STATE)
      this.#keepAnswer(name, answer.headers, async () => JSON.stringify({ state: b64u(
        /** @type {Uint8Array} */ (init.body)) }));
    else if (answer.ok && method === "GET" && SHOWN.test(pathname)) {
      const copy = answer.clone();
      this.#keepAnswer(name, answer.headers, async () => text(await read(copy, MOST_KEPT)));
    }
    this.#online();
    return answer;
  }

  /**
   * In the order in which they came; a device that is full keeps no more, and goes on.
   * @param {string} name @param {Headers} headers @param {() => Promise<string>} said
   */
  #keepAnswer(name, headers, said) {
    const at = this.now(), etag = headers.get("ETag") ?? "";
    const type = headers.get("Content-Type") ?? "";
    this.#keeping = this.#keeping.then(async () =>
      this.#keep(name, { at, body: await said(), etag, type })).catch(() => {});
  }

  #online() {
    const was = this.offline, since = Math.min(...this.#old.values());
    this.offline = since < Infinity ? since : null;
    if (was !== this.offline) this.#changed();
  }
}
