// What the log holds of a person, beside what their devices know (docs/protocol.md section 6).
import { hex, textHash, thumbprint } from "./encoding.js";
import { VaultError, isError } from "./errors.js";
import { checkLogged } from "./logged.js";
import { readProof } from "./proof.js";
import { Signers, bad } from "./signers.js";
import { mergeMade, recordedSince } from "./state.js";
import { objectsOf, textOf } from "./wire.js";

/** @typedef {import("./history.js").Head} Head */
/** @typedef {"unproved" | "strange" | "foreign" | "withheld" | "history" | "unlike"} Kind */
/** @typedef {"here" | "elsewhere" | "before" | "foreign" | "other"} Origin */
/** @typedef {{index: number, at: number, salt: string, text: string, proof: string}} Listed */
/** @typedef {{checkpoint: string, seen: Record<string, string>}} Look what a device saw */
/** @typedef {import("./signers.js").Person & {made: Record<string, number>, look: Look,
 *   stops?: Record<string, number>}} Own stops: when grants were first known here to be stopped */
/** @typedef {{index: number, kind: Kind, detail: string}} Alarm index -1: of no one entry */
/** @typedef {{index: number, at: number, typ: string, text: string, name: string, consent: string,
 *   witnessed: boolean, made: Origin, act: string}} Shown name: the text's SHA-256 */

const TOLERANCE = 600; // seconds that a device's clock may be behind the vault's

/** @param {unknown} n @returns {n is number} */
const isCount = (n) => Number.isSafeInteger(n) && Number(n) >= 0;

/**
 * The entries of a page or of the whole list; nothing is verified yet.
 * @param {Record<string, unknown>} body @returns {Listed[]}
 */
export const readListed = (body) => objectsOf(body, "entries").map((item) => {
  const { index, at } = item, salt = textOf(item, "salt");
  if (!isCount(index) || !isCount(at)) return bad("an entry of the log has an index and a time");
  if (!/^[0-9a-f]{32}$/.test(salt)) bad("wanted 16 bytes of lower-case hex");
  return { index, at, salt, text: textOf(item, "text"), proof: textOf(item, "proof") };
});

/** Alarms by index, kind and detail, each once. @param {Alarm[]} alarms */
export function sortAlarms(alarms) {
  const key = (/** @type {Alarm} */ { kind, detail }) => `${kind} ${detail}`;
  const once = new Map(alarms.map((one) => [`${one.index} ${key(one)}`, one]));
  return [...once.values()].sort((a, b) => a.index - b.index || (key(a) < key(b) ? -1 : 1));
}

/**
 * Every entry that verifies, and an alarm for each thing that is wrong.
 * @param {Own} own @param {Listed[]} listed
 */
export async function checkEntries(own, listed) {
  const judge = new Judge(own, await thumbprint(own.account));
  for (const entry of [...listed].sort((a, b) => a.index - b.index)) await judge.take(entry);
  judge.lookBack();
  return { entries: judge.entries, alarms: sortAlarms(judge.alarms), heads: judge.heads };
}

class Judge {
  /** @type {Shown[]} */
  entries = [];
  /** @type {Alarm[]} */
  alarms = [];
  /** @type {Head[]} */
  heads = [];
  /** @type {Set<unknown>} indexes, names and acts */
  #listed = new Set();

  /** @param {Own} own @param {string} kid */
  constructor(own, kid) {
    this.own = own;
    this.proved = new Map(Object.entries(mergeMade(own.made, own.state.made)));
    this.signers = new Signers(own, kid);
  }

  /** @param {number} index @param {Kind} kind @param {string} detail */
  #raise(index, kind, detail) {
    this.alarms.push({ index, kind, detail });
  }

  /** @param {Listed} entry */
  async take(entry) {
    const { index, at, text } = entry;
    /** @type {Kind} */
    let kind = "unproved";
    try {
      const name = /^[\x00-\x7f]*$/.test(text) ? await textHash(text) : "not ASCII";
      const { place, witnessed } = await this.#place(entry, name);
      kind = "history";
      this.#checkRoot(place, entry.proof);
      kind = "strange";
      const { envelope, consent } = await this.signers.read(text);
      const act = await this.signers.nameAct(envelope), { typ } = envelope;
      const proved = this.proved.get(act) ?? -1;
      // A text that was signed once can be logged again: only at its first place is it the act.
      if (proved !== -1 && proved !== index)
        bad(`this was done once, and was proved to be entry ${proved}`);
      const made = this.#origin(entry, typ, act);
      this.entries.push({ index, at, typ, text, name, consent, witnessed, made, act });
      // The log may hold no stop yet: the vault may have kept it away.
      const stopped = typ === "cv1-release" && this.own.stops?.[String(envelope.body.grant)];
      if (stopped && at > stopped + TOLERANCE)
        this.#raise(index, "strange", "a release under a grant that this person had stopped");
    } catch (broken) {
      if (!(broken instanceof VaultError)) throw broken;
      this.#raise(index, kind, broken.detail);
    }
  }

  /** @param {Listed} entry @param {string} name */
  async #place({ index, at, salt, text, proof }, name) {
    const { directory } = this.own;
    if (this.#listed.has(index) || this.#listed.has(name))
      bad("the vault lists this entry twice", "bad-proof");
    this.#listed.add(index).add(name);
    let witnessed = true;
    const place = await checkLogged(directory, text, proof).catch((broken) => {
      if (!isError(broken, "not-witnessed")) throw broken;
      return checkLogged(directory, text, proof, { witnessed: (witnessed = false) });
    });
    if (index !== place.index || at !== place.at || salt !== hex(readProof(proof).salt))
      bad("index, time or salt of the list are not those of the proof", "bad-proof");
    return { place, witnessed };
  }

  /** @param {Omit<Head, "note">} place @param {string} proof */
  #checkRoot({ origin, size, root }, proof) {
    const same = this.heads.filter((one) => one.origin === origin && one.size === size);
    if (!same.some((one) => one.root === root))
      this.heads.push({ origin, size, root, note: readProof(proof).checkpoint });
    if (same.length && same[0].root !== root)
      bad(`the vault shows two different logs of ${size} entries`, "bad-proof");
  }

  /** @param {Listed} entry @param {string} typ @param {string} act @returns {Origin} */
  #origin({ index, at }, typ, act) {
    const { made, state } = this.own, since = recordedSince(state);
    if (!act) return "other";
    this.#listed.add(act);
    if (Object.hasOwn(made, act)) return "here";
    if (Object.hasOwn(state.made, act)) return "elsewhere";
    if (since === null || at < since) return "before";
    this.#raise(index, "foreign", typ);
    return "foreign";
  }

  lookBack() {
    const missing = new Map();
    for (const [act, index] of this.proved)
      if (index > -1 && !this.#listed.has(act))
        missing.set(index, "a device of yours did this, and it was proved to be in the log");
    const shown = new Map(this.entries.map(({ index, name }) => [index, name]));
    for (const [text, name] of Object.entries(this.own.look.seen)) {
      const index = Number(text);
      if ((shown.get(index) ?? name) !== name)
        this.#raise(index, "history", "another text stood here before");
      else if (!this.#listed.has(index)) missing.set(index, "this device saw it listed before");
    }
    for (const [index, why] of missing) this.#raise(index, "withheld", why);
  }
}
