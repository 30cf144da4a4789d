// One person at one vault on this device: locked or open, and what runs in the background.

import { b64u, text, thumbprint, unb64u, utf8 } from "./encoding.js";
import { fetchDirectory } from "./policy.js";
import { Holder } from "./holder.js";
import { accountKey, openState, random, sealState, stateKey } from "./keys.js";
import { fetchRelease } from "./methodology.js";
import { monthAt } from "./months.js";
import { keepHere } from "./lock.js";
import { openEach } from "./records.js";
import { mergeMemory } from "./side.js";
import { Wire } from "./wire.js";
import { setZone } from "./words.js";

/** @typedef {{vault: string, auditor: string, log: string, demo: boolean, lists: string|null,
 *   passkeys: boolean, version: string, templates: string}} Config */
/** What this device knows without being opened. @typedef {{account: string,
 *   way: "device" | "passkey" | "code", code: string,
 *   passkeys: {id: string, wrap: string, blob: Uint8Array, at: number}[]}} Own */
/** @template {"mintAll" | "watch"} K @typedef {Awaited<ReturnType<Holder[K]>> | null} Found */
/** @typedef {{running: boolean, at: number, minted: Found<"mintAll">, watched: Found<"watch">,
 *   failed: Record<string, unknown>}} Background */

const PERIOD = 600000;
/** @type {Background} */
const NOTHING = { running: false, at: 0, minted: null, watched: null, failed: {} };
// What may be read again without a network; never entries: an older list looks like withheld ones.
const CACHED = /^\/v1\/(holder\/(?!entries)|directory|templates|methodology)/;

/** The app's one session; it says "change" when something shown may have changed. */
export class Session extends EventTarget {
  /** @type {Holder|null} */ holder = null;
  /** @type {Uint8Array|null} */ root = null;
  /** @type {Own|null} */ own = null;
  /** @type {number|null} */ offline = null;
  background = NOTHING;
  zone = "Asia/Shanghai";
  /** A code that came with the address (#w=). */ handed = "";
  /** @type {Record<string, any>} */ prefs = {};
  /** @type {Map<string, Promise<any>>} */ #once = new Map();
  /** @type {CryptoKey|null} */ #seal = null;
  #tabs = new BroadcastChannel("carbonvault");
  #shift = 0;
  #live = false;

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
    if (told) await this.store.put("shift", Number(told.body.now) - Math.floor(Date.now() / 1000));
    this.#shift = await this.store.get("shift") ?? 0;
  }

  /** Unix seconds: the vault's clock in a demonstration, else this machine's. */
  now = () => Math.floor(Date.now() / 1000) + this.#shift;

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
    this.own = { account: "", way: "code", code: "", passkeys: [], ...this.own, ...change };
    await this.store.put("own", this.own);
  }

  /** Whether this device holds another vault than a root's. @param {Uint8Array} root */
  async holdsOther(root) {
    return !!this.own && this.own.account !== await thumbprint((await accountKey(root)).public);
  }

  /** Opens the vault of a root; `fresh`: its account is made now.
   * @param {Uint8Array} root @param {boolean} [fresh] */
  async unlock(root, fresh = false) {
    const key = await accountKey(root);
    this.#seal = await stateKey(root);
    const wire = new Wire(this.config.vault, key,
      { fetch: this.#fetch, templates: this.config.templates });
    const { policy, now } = this, memory = await this.#recall("memory");
    const holder = await Holder.open({ root, wire, policy, now, random, memory });
    if (fresh) await holder.openAccount();
    await holder.load();
    this.zone = (await holder.held()).listing.zone;
    setZone(this.zone);
    Object.assign(this, { root, holder });
    if (this.own?.account !== holder.account) {
      if (this.own) await this.store.forget();
      this.own = null;
      await this.remember({ account: holder.account });
    }
    this.forget();
    this.refresh();
  }

  /** Opens by itself on this device from now on, or not. @param {boolean} keep */
  async keepOpen(keep) {
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
    await this.store.forget();
    this.#tabs.postMessage("closed");
  }

  #close() {
    this.root = this.holder = this.#seal = null;
    this.background = NOTHING;
    this.#once.clear();
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  // What is asked for once

  /** @template T @param {string} name @param {() => Promise<T>} load @returns {Promise<T>} */
  #kept(name, load) {
    const found = this.#once.get(name) ?? load();
    this.#once.set(name, found);
    found.catch(() => this.#once.delete(name));
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
      const directory = await holder.directory();
      return openEach(holder, (id) => fetchRelease(holder.wire, directory, id));
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
    return this.#kept("uses", () => this.#open.uses());
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
    const holder = this.holder;
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
    await this.#readClock();
    await run("load", holder.refresh());
    this.#live = true; // nothing is made from, or compared with, an answer that is not of now
    if (!this.offline) {
      found.minted = await run("mint", holder.mintAll(this.ahead));
      found.watched = await run("watch", holder.watch(this.config.lists));
    }
    this.#live = false;
    if (this.holder !== holder) return;
    this.background = { ...found, running: false, at: this.now() };
    if (found.at) this.#once.clear(); // what was asked for since unlocking is not old yet
    this.#save();
    this.#changed();
  }

  // What is kept on this device, sealed under the state key

  /** @param {string} name @param {unknown} value */
  async #keep(name, value) {
    if (!this.#seal) return;
    const plain = utf8(JSON.stringify([name, value]));
    await this.store.put(name, await sealState(this.#seal, 0, plain, random(12)));
  }

  /** @param {string} name @returns {Promise<any>} */
  async #recall(name) {
    const blob = this.#seal && await this.store.get(name);
    if (!blob) return null;
    const plain = await openState(/** @type {CryptoKey} */ (this.#seal), 0, blob).catch(() => null);
    const [kept, value] = plain ? JSON.parse(text(plain)) : [];
    return kept === name ? value : null;
  }

  /** Another tab may have written meanwhile: what it saw is kept too. */
  async #save() {
    const { holder } = this;
    if (holder) await navigator.locks.request("memory", async () => {
      const kept = await this.#recall("memory");
      if (this.holder === holder) await this.#keep("memory", mergeMemory(holder.memory(), kept));
    });
  }

  // Answers are kept as they came; without a network they are read again, and checked as ever.
  #fetch = async (/** @type {RequestInfo|URL} */ input, /** @type {RequestInit} */ init = {}) => {
    const { pathname, search } = new URL(String(input)), name = `got ${pathname}${search}`;
    const method = init.method ?? "GET", kept = method === "GET" && CACHED.test(pathname);
    try {
      const answer = await fetch(input, init);
      if (kept && answer.ok) await this.#keepAnswer(name, answer.clone());
      // What was just stored is what the vault would answer now: an older state is refused.
      if (method === "PUT" && answer.ok && pathname === "/v1/holder/state")
        await this.#keepAnswer(name, answer, JSON.stringify({ state: b64u(
          /** @type {Uint8Array} */ (init.body)) }));
      this.#online(null);
      return answer;
    } catch (error) {
      const got = kept && !this.#live && await this.#recall(name);
      if (!got) throw error;
      this.#online(got.at);
      return new Response(got.body, { headers: { ETag: got.etag, "Content-Type": got.type } });
    }
  };

  /** @param {string} name @param {Response} answer @param {string} [said] */
  async #keepAnswer(name, answer, said) {
    const { headers } = answer;
    await this.#keep(name, { at: this.now(), body: said ?? await answer.text(),
      etag: headers.get("ETag") ?? "", type: headers.get("Content-Type") ?? "" });
  }

  /** @param {number|null} since */
  #online(since) {
    const was = this.offline;
    this.offline = since && Math.min(since, was ?? since);
    if (was !== this.offline) this.#changed();
  }
}
