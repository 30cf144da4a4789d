// Methodology releases as the directory pins them, and what an act counts (docs/methodology.md).
import { hex, sha256, text } from "./encoding.js";
import { VaultError } from "./errors.js";
import { localTime } from "./months.js";
import { parseToml } from "./toml.js";

/** @typedef {{raw: (path: string) => Promise<Uint8Array>}} Files a `Wire` */
/** @typedef {Record<string, any>} Table */
/** @typedef {{id: string, rev: number, sha256: string}} Pin */
/** @typedef {Table & {id: string, behaviours: Pin[]}} Listed the members of a release's file */
/** @typedef {Table & {id: string, rev: number, zone: string, units: string[], formula: Table,
 *   names: Record<string, string>, occupies: boolean, factors?: Table[], exclusions?: Table[],
 *   bounds?: Table[]}} Behaviour the members of its file; `occupies`: its act is a trip */
/** @typedef {{activity: Record<string, number>, start: number, region: string,
 *   evidence: string}} Act */

const NAMES = ["clothing", "food", "home", "travel", "use", "office", "fin"];
/** @type {Map<string, any>} files read before, by format and SHA-256 */
const kept = new Map();

/** @param {string} why @returns {never} */
const bad = (why) => {
  throw new VaultError("bad-methodology", why);
};

/** @param {Files} wire @param {string} path @param {string} sha @param {string} format */
async function read(wire, path, sha, format) {
  if (kept.has(format + sha)) return kept.get(format + sha);
  const raw = await wire.raw(`/v1/methodology/${path}`).catch((lost) => {
    // Elsewhere not-found tells that a link is gone; here a file is withheld.
    throw lost.slug === "not-found" ? new VaultError("bad-methodology", `no ${path}`) : lost;
  });
  if (hex(await sha256(raw)) !== sha) bad(`${path} is not the file that is signed`);
  const found = parseToml(text(raw));
  if (found.format !== `carbonvault-${format}/1`) bad(`${path} is no ${format}`);
  kept.set(format + sha, found);
  return found;
}

/**
 * Return the release of this id, its file the one that the directory names.
 * @param {Files} wire @param {{listing: {releases: {id: string, sha256: string}[]}}} directory
 * @param {string} id
 */
export async function fetchRelease(wire, directory, id) {
  const entry = directory.listing.releases.find((each) => each.id === id);
  if (!entry) return bad(`the directory lists no methodology release ${id.slice(0, 64)}`);
  /** @type {Listed} */
  const listed = await read(wire, id, entry.sha256, "release");
  const names = listed.behaviours?.map((pin) => pin.id);
  if (listed.id !== id || !names?.length || new Set(names).size !== names.length)
    bad(`the file is not of ${id}, or lists none or one behaviour twice`);
  return new Release(wire, listed, entry.sha256);
}

/** A release; a behaviour's file is fetched when it is asked for. */
export class Release {
  #wire;
  /** @param {Files} wire @param {Listed} listed @param {string} sha256 of its file */
  constructor(wire, listed, sha256) {
    this.#wire = wire;
    this.id = listed.id;
    this.listed = listed;
    this.sha256 = sha256;
  }

  /** The file of a behaviour that is pinned. @param {string} name */
  pin(name) {
    return this.listed.behaviours.find((pin) => pin.id === name)
      ?? bad(`release ${this.id} has no behaviour ${name.slice(0, 64)}`);
  }

  /** The category, 1 to 7, of a behaviour. @param {string} name */
  category(name) {
    return NAMES.indexOf(this.pin(name).id.split(".")[0]) + 1 || bad(`${name} has no category`);
  }

  /** The grams a month that one link may count. @param {number} category */
  cap(category) {
    return this.listed.caps?.grams[NAMES[category - 1]] ?? 2 ** 40 - 1;
  }

  /** The members of a behaviour's file. @param {string} name @returns {Promise<Behaviour>} */
  async behaviour(name) {
    const pin = this.pin(name);
    const found = await read(this.#wire, `${this.id}/${name}`, pin.sha256, "behaviour");
    if (found.id !== pin.id || found.rev !== pin.rev) bad(`wanted ${name} revision ${pin.rev}`);
    return { ...found, names: found.name, occupies: found.dedupe?.person_time === true };
  }
}

const ONE = 10n ** 9n, DAY = 86400n;
/** @typedef {(name: string) => bigint} Of q: the amount of a unit; f: a figure in billionths */
/** @type {Record<string, [(x: Table) => string, (x: Table, q: Of, f: Of) => bigint[]]>} equation,
 * numerator and denominator */
const SHAPES = {
  linear: [
    (x) => `${x.unit} × mg_per_unit`,
    (x, q, f) => [q(x.unit) * f("mg_per_unit"), ONE],
  ],
  difference: [
    (x) => `max(0, ${x.baseline} × baseline_mg_per_unit − ${x.project} × project_mg_per_unit)`,
    (x, q, f) => [q(x.baseline) * f("baseline_mg_per_unit")
      - q(x.project) * f("project_mg_per_unit"), ONE],
  ],
  energy_displacement: [
    (x) => `max(0, ${x.unit} × (efficiency ÷ wh_per_m × ml_per_m × mg_per_ml − mg_per_wh))`,
    (x, q, f) => [q(x.unit) * (f("efficiency") * f("ml_per_m") * f("mg_per_ml")
      - f("mg_per_wh") * f("wh_per_m") * ONE), f("wh_per_m") * ONE * ONE],
  ],
  metered_baseline: [
    (x) => `max(0, ${x.persons} × ${x.seconds} ÷ 86400 × wh_per_person_day − ${x.use})`
      + " × mg_per_wh",
    (x, q, f) => [(q(x.persons) * q(x.seconds) * f("wh_per_person_day") - q(x.use) * DAY * ONE)
      * f("mg_per_wh"), DAY * ONE * ONE],
  ],
  production_x_rate: [
    (x) => `${x.unit} × production_mg_per_unit × rate`,
    (x, q, f) => [q(x.unit) * f("production_mg_per_unit") * f("rate"), ONE * ONE],
  ],
  zero: [() => "0", () => [0n, 1n]],
};

/** A formula's equation, with the names of units and figures. @param {Table} formula */
export const equation = (formula) => (SHAPES[formula.shape] ?? bad("no such shape"))[0](formula);

/** An exact decimal text in billionths. @param {string} decimal */
export function billionths(decimal) {
  const [whole, part = ""] = decimal.split(".");
  return BigInt(whole + part.padEnd(9, "0"));
}

/**
 * Return what a formula gives as numerator and denominator, not rounded; never below 0.
 * @param {Table} formula @param {Table} activity @param {Table} factor
 */
export function exact(formula, activity, factor) {
  const [n, d] = SHAPES[formula.shape][1](
    formula, (name) => BigInt(activity[name]), (name) => billionths(factor[name]));
  return [n > 0n ? n : 0n, d];
}

/**
 * Return the factor for a place and time, or the reason there is none.
 * @param {Behaviour} behaviour @param {Act} act
 */
export function factorFor({ factors = [], zone }, { region, start }) {
  const day = localTime(start, zone).slice(0, 10);
  const near = factors.filter((each) => `${region}-`.startsWith(`${each.region}-`));
  return near.filter((each) => each.valid_from <= day && !(each.valid_until <= day))
    .sort((a, b) => b.region.length - a.region.length)[0]
    ?? (near.length ? "no-factor-for-date" : "no-factor-for-region");
}

/** @param {Table} activity @returns {(rule: Table) => boolean} */
const fits = (activity) => ({ rule, unit, limit, per, span }) => {
  const most = BigInt(limit) * BigInt(per ? activity[per] : 1);
  const found = BigInt(activity[unit]) * BigInt(span ?? 1);
  return rule === "under" ? found < most : found > most;
};

/**
 * Return what an act counts by a release's rule, or 0 and why; `refused`: no record is made of it.
 * @param {Release} release @param {Behaviour} behaviour @param {Act} act
 * @returns {{mg: bigint, reason: string | null, refused?: boolean}}
 */
export function count(release, behaviour, act) {
  const { tier, evidence = "E3", exclusions, bounds, formula, caps } = behaviour;
  const rule = fits(act.activity), accepted = release.listed.accepted ?? [];
  const weak = act.evidence < evidence && (act.evidence === "E3" ? "not-metered" : "weak-evidence");
  const why = tier === "Z" ? "no-published-factor"
    : tier === "B" && !accepted.some((/** @type {Table} */ a) => a.id === behaviour.id)
      ? "not-accepted"
    : weak || exclusions?.find(rule)?.reason;
  if (why) return { mg: 0n, reason: why };
  const bound = bounds?.find(rule);
  if (bound) return { mg: 0n, reason: bound.reason, refused: true };
  const factor = factorFor(behaviour, act);
  if (typeof factor === "string") return { mg: 0n, reason: factor };
  const [n, d] = exact(formula, act.activity, factor), mg = n / d;
  const most = caps?.act_g === undefined ? mg : 1000n * BigInt(caps.act_g);
  if (mg > most) return { mg: most, reason: "act-cap" };
  return { mg, reason: mg ? null : "below-one-milligram" };
}
