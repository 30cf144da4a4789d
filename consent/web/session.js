// One person at one vault on this device: locked or open, and what runs in the background.
import { thumbprint, unb64u } from "./encoding.js";
import { NOTHING, unequalIn, work } from "./background.js";
import { accountKey, random } from "./keys.js";
import { late } from "./late.js";
import { keepHere } from "./lock.js";
import { monthAt } from "./months.js";
import { Shelf } from "./shelf.js";
import { Wire } from "./wire.js";
import { setZone } from "./words.js";

/** @typedef {import("./holder.js").Holder} Holder */
/** @typedef {{vault: string, auditor: string, log: string, demo: boolean, lists: string|null,
 *   passkeys: boolean, keeps: boolean, version: string, templates: string}} Config */
/** What this device knows without being opened. @typedef {{account: string,
 *   way: "device" | "passkey" | "code", code: string,
 *   passkeys: {id: string, wrap: string, blob: Uint8Array, at: number}[]}} Own */

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
  /** @type {Shelf|null} */ #shelf = null;
  /** Of a vault that is being opened. @type {Shelf|null} */ #coming = null;
  #tabs = new BroadcastChannel("carbonvault");
  #shift = 0; #left = 0;

  /** @param {Config} config @param {import("./store.js").Store} store */
  constructor(config, store) {
    super();
    this.config = config;
    this.store = store;
    const { auditor, log, demo } = config;
    this.policy = { auditor: unb64u(auditor, 32), log, demo, fresh: 86400 };
    this.wire = new Wire(config.vault, null, { templates: config.templates });
    this.#tabs.onmessage = async () => { // shut it even where the store fails
      const kept = (/** @type {string} */ name) => store.get(name).catch(() => null);
      this.own = await kept("own") ?? null;
      this.prefs = await kept("prefs") ?? {};
      this.#close();
    };
    setInterval(() => document.hidden || this.refresh(), 600000);
  }

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
    return this.config.demo ? 0 : this.#shelf?.skew ?? 0;
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
    const left = this.#left, kept = await this.store.get("own").catch(() => null);
    if (left !== this.#left) return; // nothing of it stays here
    if (kept && this.own && kept.account !== this.own.account) return; // another tab's vault
    this.own = { account: "", way: "code", code: "", passkeys: [], ...this.own, ...change };
    await this.store.put("own", this.own).catch(() => {}); // full: it is open all the same
  }

  /** Whether this device holds another vault than a root's. @param {Uint8Array} root */
  async holdsOther(root) {
    return !!this.own && this.own.account !== await thumbprint((await accountKey(root)).public);
  }

  /** Opens the vault of a root; `fresh`: its account is made now. Locked, left or opened anew
   * meanwhile it stays as that left it. @param {Uint8Array} root @param {boolean} [fresh] */
  async unlock(root, fresh = false) {
    const { policy, now } = this, { vault, templates } = this.config;
    const shelf = new Shelf(this.store, root, now, () => this.#online());
    const { over } = shelf, still = () => over.throwIfAborted();
    this.#coming?.shut();
    this.#coming = shelf;
    const { Holder } = await late(import("./holder.js")), key = await accountKey(root);
    const [wire, live] = [false, true].map((acts) =>
      new Wire(vault, key, { fetch: shelf.way(acts), templates, over }));
    const memory = await shelf.recall("memory");
    const holder = await Holder.open({ root, wire, live, policy, now, random, memory });
    still();
    if (fresh) await holder.openAccount();
    await holder.load();
    const { zone } = (await holder.held()).listing;
    still();
    this.#shut();
    Object.assign(this, { root, holder, zone });
    [this.#shelf, this.#coming] = [shelf, null];
    setZone(zone);
    if (this.own?.account !== holder.account) {
      if (this.own) await this.#empty();
      still();
      this.own = null;
      await this.remember({ account: holder.account });
      still();
      this.#tabs.postMessage("closed"); // another tab may have another vault open
    }
    this.#online();
    this.forget();
    this.refresh();
  }

  /** Opens by itself on this device from now on, or not; never where a page of somebody else could
   * come to the same address. @param {boolean} wanted */
  async keepOpen(wanted) {
    const keep = wanted && this.config.keeps, { root } = this;
    if (keep && root) await keepHere(this.store, root);
    else await this.store.put("device", null);
    if (this.root !== root) return keep ? this.store.put("device", null) : undefined; // shut meanwhile
    await this.remember({ way: keep ? "device" : this.own?.passkeys.length ? "passkey" : "code" });
  }

  /** Locks: what opens the vault is gone from memory, and does not open by itself any more. */
  async lock() {
    try {
      await this.keepOpen(false);
    } finally {
      this.#close();
      this.#tabs.postMessage("closed");
    }
  }

  /** Leaves this device as if the vault had never been here. */
  async leave() {
    this.#left++;
    this.own = null;
    this.#close();
    await this.#empty();
    this.#tabs.postMessage("closed");
  }

  async #empty() {
    await this.store.forget();
    this.prefs = await this.store.get("prefs") ?? {};
  }

  /** What runs in the background makes and keeps nothing more. */
  #shut() {
    if (this.holder) this.holder.closed = true;
    this.#shelf?.shut();
    this.background = NOTHING;
    this.unequal = 0;
    this.#once.clear();
  }

  #close() {
    this.#shut();
    this.#coming?.shut();
    this.root = this.holder = this.#shelf = null;
    this.offline = null;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** @template T @param {string} name @param {() => Promise<T>} load @returns {Promise<T>} */
  #kept(name, load) {
    if (this.#once.has(name)) return /** @type {Promise<any>} */ (this.#once.get(name));
    this.#shelf?.old.delete(name);
    const found = load();
    this.#once.set(name, found);
    found.catch(() => this.#once.get(name) === found && this.#once.delete(name))
      .then(() => this.#online());
    return found;
  }

  get #open() {
    return /** @type {Holder} */ (this.holder);
  }

  /** Every link, its records opened and its closes recomputed as far as they verify. */
  links() {
    const holder = this.#open;
    return this.#kept("links", async () => {
      const { readEach } = await late(import("./records.js"));
      return readEach(holder, () => this.held());
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

  /** Fails without a network, before anybody acts for nothing. */
  reach = () => Promise.race([(this.holder ?? this).wire.date(),
    new Promise((done) => setTimeout(done, 3000))]);

  /** The directory in force, also while locked. */
  directory() {
    return this.holder ? this.holder.directory() : this.#kept("directory", async () => {
      const { fetchDirectory } = await late(import("./policy.js"));
      return fetchDirectory(this.wire, this.policy, null, this.now(), () => Date.now() / 1000, false);
    });
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

  /** Tops up tokens, takes in what other devices did, watches the log; results in `background`. */
  async refresh() {
    const { holder } = this, shelf = this.#shelf;
    if (!holder || !shelf || this.background.running) return;
    const before = this.background;
    this.background = { ...before, failed: {}, running: true };
    this.#changed();
    await this.#readClock().catch(() => {});
    const found = await work(this, holder, shelf, before);
    if (this.holder !== holder) return;
    this.background = { ...found, running: false, at: this.now() };
    if (found.at) this.#once.clear(); // what was asked for since unlocking is not old yet
    this.#save();
    this.#changed();
    const unequal = found.watched
      && await unequalIn(this, holder, found.watched).catch(() => null);
    if (unequal === null || this.holder !== holder) return; // locked or left meanwhile
    this.unequal = unequal;
    this.#changed();
  }

  /** Another tab may have written meanwhile: what it saw is kept too. */
  async #save() {
    const { holder } = this, shelf = this.#shelf;
    if (holder && shelf) await navigator.locks.request("memory", async () => {
      const { mergeMemory } = await import("./side.js"), kept = await shelf.recall("memory");
      if (this.holder === holder) await shelf.keep("memory", mergeMemory(holder.memory(), kept));
    }).catch(() => {}); // full: the next one may fit
  }

  #online() {
    const was = this.offline;
    this.offline = this.#shelf?.since ?? null;
    if (was !== this.offline) this.#changed();
  }
}
