// What everything a holder does stands on: their keys, their vault, its directory and log; each
// text that is logged is checked for its proof (docs/protocol.md section 4).
import { Device } from "./device.js";
import { readDirectory } from "./directory.js";
import { b64u, readEnvelope, signJws, thumbprint, unb64u, verify } from "./encoding.js";
import { fetchEndings } from "./endings.js";
import { VaultError } from "./errors.js";
import { accountKey, consentKey, random as draw } from "./keys.js";
import { checkLogged } from "./logged.js";
import { open, parse } from "./messages.js";
import { Current } from "./policy.js";
import { ENDED, UNPROVED, mark, mergeMade, withMade } from "./state.js";
import { fail, objectsOf, textOf, unless } from "./wire.js";

/** @import { SigningKey } from "./encoding.js" */
/** @import { Body, Types } from "./messages.js" */
/** @import { Policy } from "./policy.js" */
/** @import { State } from "./state.js" */
/** @import { LinkFact } from "./tokens.js" */
/** @import { Members, Wire } from "./wire.js" */
/** @typedef {Body<"cv1-grant">} Grant */
/** @typedef {{grant: Grant, text: string, state: string, count: number,
 *   deletion: "asked" | "done" | null, proved: boolean}} OwnGrant proved: the log holds the stop or
 *   pause that the vault does not show */
/** @typedef {{directory: string | null, signer: string | null, counter: number,
 *   made: Record<string, number>, stops?: Record<string, number>,
 *   look: import("./monitor.js").Look}} Memory stops: since when grants are known to be stopped */
/** live: the wire to act by, where `wire` may answer from copies of what it answered before
 * @typedef {{root: Uint8Array, wire: Wire, live?: Wire, policy: Policy, now: () => number,
 *   random?: (size: number) => Uint8Array, memory?: Memory | null}} Parts */

/** What two runs on one device remember, as one. @param {Memory} mine
 * @param {Memory | null} other @returns {Memory} */
export function mergeMemory(mine, other) {
  if (!other) return mine;
  const { directory, signer } = versionOf(other) > versionOf(mine) ? other : mine;
  const [here, there] = [mine.look, other.look];
  const [origin, size] = here.checkpoint.split("\n");
  const [same, theirs] = there.checkpoint.split("\n");
  const farther = !origin || (same === origin && Number(theirs) > Number(size));
  return {
    directory, signer, counter: Math.max(mine.counter, other.counter),
    made: mergeMade(mine.made, other.made), stops: { ...mine.stops, ...other.stops },
    look: { checkpoint: (farther ? there : here).checkpoint, seen: { ...here.seen, ...there.seen } },
  };
}

/** @param {Memory} memory */
const versionOf = ({ directory }) => directory
  ? Number(readEnvelope(directory, "cv1-directory").body.version) : 0;

const TRIES = 3, TURNS = 64, MOST_TURNS = 1024;
/** @type {Memory} */
const NOTHING = {
  directory: null, signer: null, counter: 0, made: {}, look: { checkpoint: "", seen: {} },
};

/** One person's side at one vault, on one device. */
export class Side {
  /**
   * Accept the vault's directory; `wire` speaks as the account key of this root.
   * @template {typeof Side} T @this {T} @param {Parts} parts @returns {Promise<InstanceType<T>>}
   */
  static async open(parts) {
    const { directory, signer } = parts.memory ?? NOTHING, { policy, now } = parts;
    const by = signer ? unb64u(signer, 32) : policy.auditor;
    const held = directory ? await readDirectory(directory, by) : null;
    const wall = () => Math.floor(Date.now() / 1000), key = await accountKey(parts.root);
    const current = await Current.open(parts.live ?? parts.wire, policy, now, held, wall);
    return /** @type {InstanceType<T>} */ (
      new this(parts, current, key, await thumbprint(key.public)));
  }

  /** @param {Parts} p @param {Current} current @param {SigningKey} key @param {string} account */
  constructor(p, current, key, account) {
    const { root, wire, live = wire, now, random = draw, memory } = p;
    const { counter, made, look, stops = {} } = memory ?? NOTHING;
    this.root = root;
    this.wire = wire;
    this.live = live;
    this.now = now;
    this.random = random;
    this.current = current;
    this.key = key;
    this.account = account;
    this.device = new Device(root, live, random, counter);
    this.made = made;
    this.look = look;
    this.stops = stops;
    /** Locked or left: nothing more is made. */
    this.closed = false;
  }

  /** The directory in force, fetched anew once the one held has expired. */
  directory() {
    return this.current.directory();
  }

  /** The newest directory there is, also when it has expired: to stop and to end by. */
  held() {
    return this.current.held();
  }

  /** What to keep on this device for the next run: a vault that goes back is found out. */
  memory() {
    const { text, signerKey } = this.current.newest;
    return { directory: text, signer: b64u(signerKey), counter: this.device.seen, made: this.made,
      stops: this.stops, look: this.look };
  }

  /** Remember when these grants were first known to be stopped. @param {string[]} grants */
  _ends(grants) {
    this.stops = { ...Object.fromEntries(grants.map((grant) => [grant, this.now()])),
      ...this.stops };
  }

  /** Every link ever attached, by id. */
  get knownLinks() {
    return this.device.state.links;
  }

  /** Fetch the state that this or another device stored. */
  load() {
    return this.device.load();
  }

  /** Fetch the directory in force and the state. */
  async refresh() {
    await this.current.refresh();
    await this.device.load();
  }

  /**
   * What the vault lists of this person.
   * @template T @param {string} name @param {(item: Members) => Promise<T>} read
   * @param {Wire} [wire]
   */
  async _listed(name, read, wire = this.wire) {
    const { body } = await wire.get(`/v1/holder/${name}`);
    return Promise.all(objectsOf(body, name).map(read));
  }

  /** Every grant of this vault and its state. @param {Wire} [wire] */
  grants(wire) {
    return this._listed("grants", (item) => this._ownGrant(item), wire);
  }

  /** @param {Members} item @returns {Promise<OwnGrant>} */
  async _ownGrant(item) {
    const text = textOf(item, "grant"), envelope = readEnvelope(text, "cv1-grant");
    const grant = open(envelope, "cv1-grant"), { n: count } = item;
    await verify(envelope, (await this.consentKey(grant.org)).public);
    if (typeof count !== "number") fail("bad-shape", "the vault lists a grant without its count n");
    const told = /** @type {any} */ (item.deletion);
    const deletion = !told ? null : typeof told.done === "number" ? "done" : "asked";
    const state = textOf(item, "state"), proved = await this._isProved(grant.grant, state, count);
    return { grant, text, state, count, deletion, proved };
  }

  /**
   * Whether the log is known to hold what ended or paused a grant that the vault shows otherwise.
   * @param {string} grant @param {string} told @param {number} count
   */
  async _isProved(grant, told, count) {
    const mine = this.device.state.statuses[grant];
    if (mine === told || ENDED.has(told) || !["revoked", "paused"].includes(mine)) return false;
    const made = mergeMade(this.made, this.device.state.made);
    const at = (/** @type {"revoke" | "pause" | "resume"} */ what, /** @type {number} */ n) =>
      mark(`cv1-${what}`, { grant, n }).then((name) => made[name]);
    let proved = false;
    for (let n = Math.min(count, MOST_TURNS) + TURNS; n > 0 && !proved; n--) {
      proved = Number(await at(mine === "revoked" ? "revoke" : "pause", n) ?? UNPROVED) > UNPROVED;
      if (mine === "paused" && !proved && await at("resume", n) !== undefined) break;
    }
    return proved;
  }

  /** The key of all consents towards an organisation. @param {string} org */
  consentKey(org) {
    return consentKey(this.root, org);
  }

  /** Every link, its source's organisation, which months it has.
   * @param {Wire} [wire] @returns {Promise<LinkFact[]>} */
  async links(wire) {
    const directory = await this.held();
    const facts = Object.entries(this.knownLinks).map(async ([link, { source, from: begins }]) => ({
      link, source, org: directory.orgOf(source), begins,
      ...await this.endings(link, source, wire),
    }));
    // Never attached, or erased: leaving it out of a first token only lowers the total.
    const found = await Promise.all(facts.map((fact) => unless(fact, "not-found")));
    return found.flatMap((fact) => fact ?? []);
  }

  /** What ends a link's months. @param {string} link @param {string} source @param {Wire} [wire] */
  endings(link, source, wire = this.wire) {
    const whose = { account: this.key.public, link, source, now: this.now() };
    return fetchEndings(wire, (proof) => this._knowing(proof), whose);
  }

  /** @param {string} proof of a log that may be unknown so far */
  _knowing(proof) {
    return this.current.knowing(proof);
  }

  /**
   * Sign and send an act, the same bytes until it is answered; check its log proof.
   * @template {keyof Types} T @param {string} path @param {T} typ @param {Members} body
   * @param {SigningKey} [key] @param {string} [method]
   */
  async _act(path, typ, body, key = this.key, method = "POST") {
    parse(typ, body);
    const text = await signJws(typ, body, key), answer = await this._send(path, text, method);
    const { index } = await this._placeOf(text, textOf(answer, "proof")).catch((bad) => {
      throw bad.slug === "bad-proof" ? new VaultError("bad-proof", `it was sent: ${bad.detail}`)
        : bad;
    });
    this._place(await mark(typ, body), index);
    return { text, answer };
  }

  /** @param {string} path @param {string} text @param {string} [method] */
  async _send(path, text, method = "POST") {
    for (let left = TRIES; --left; ) {
      const answer = await unless(this.wire.send(method, path, text), "unreachable");
      if (answer) return answer.body;
    }
    return (await this.wire.send(method, path, text)).body;
  }

  /** @param {string} text answered just now: no witness saw it @param {string} proof */
  async _placeOf(text, proof) {
    return checkLogged(await this.current.knowing(proof), text, proof, { witnessed: false });
  }

  /**
   * Store the state that names these acts before one is signed, and what else they change.
   * @param {string[]} names @param {(state: State) => State} [also]
   */
  async _record(names, also = (state) => state) {
    await this.device.save((state) => also(withMade(state, this.now(), ...names)));
    this.made = mergeMade(Object.fromEntries(names.map((name) => [name, UNPROVED])), this.made);
  }

  /** Remember the log index of a recorded act. @param {string} name @param {number} index */
  _place(name, index) {
    this.device.prove(name, index);
    if (Object.hasOwn(this.made, name)) this.made = { ...this.made, [name]: index };
  }
}
