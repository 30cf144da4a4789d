// The holder's state: what an app must remember, sealed at the vault (docs/protocol.md section 4).
// A change makes a new state. Two devices merge by key; of windows that overlap the stored stays.
import { b64u, compactJson, hex, sha256, strictObject, utf8 } from "./encoding.js";
import {
  checkWindow, dict, id, int, like, list, only, parse, party, shape,
} from "./messages.js";
import { lessAbsent } from "./tokens.js";
import { fail } from "./wire.js";

/** @typedef {[string, string[]][]} Cells [link, months] */
/** @typedef {{source: string, from: string}} KnownLink */
/** @typedef {"live" | "paused" | "revoked" | "replaced"} Status */
/** @typedef {{grant: string, org: string, categories: number[], window: string[],
 *   cells: Cells}} Minted */
/** @typedef {{links: Record<string, KnownLink>, orgs: string[], minted: Minted[],
 *   statuses: Record<string, Status>, made: Record<string, number>, since: number | null}} State */
/** @typedef {(link: string, month: string) => boolean} Absent */

export const ENDED = /** @type {Set<unknown>} */ (new Set(["revoked", "replaced"]));
export const UNPROVED = -1;
/** @type {State} */
export const EMPTY = { links: {}, orgs: [], minted: [], statuses: {}, made: {}, since: null };
const UNSAID = ["iat", "sealed", "receipt"];
const json = JSON.stringify;

/**
 * The name of an act: 32 hex digits of SHA-256 over its type and what it says.
 * @param {string} typ @param {object} body iat, sealed and receipt do not count
 */
export const mark = (typ, body) => nameOf([typ, Object.fromEntries(Object.entries(body)
  .filter(([name, said]) => said !== undefined && said !== null && !UNSAID.includes(name)).sort()
  .map(([name, said]) => [name, said instanceof Uint8Array ? b64u(said) : said]))]);

/** The name of rejecting a link's close of a month. @param {string} link @param {string} month */
export const markReject = (link, month) => nameOf(["cv1-reject", link, month]);

/** @param {unknown} said */
const nameOf = async (said) => hex(await sha256(utf8(compactJson(said)))).slice(0, 32);

/** What makes two windows the same. @param {Pick<Minted, "org" | "categories" | "window">} one */
export const windowName = ({ org, categories, window }) => json([org, categories, window]);

/** @param {Minted} one */
const atomsOf = ({ org, categories, window }) =>
  categories.flatMap((c) => window.map((month) => json([org, c, month])));

/**
 * The state that also names acts about to be signed.
 * @param {State} state @param {number} now @param {string[]} marks @returns {State}
 */
export function withMade(state, now, ...marks) {
  const fresh = Object.fromEntries(marks.map((name) => [name, UNPROVED]));
  return { ...state, made: { ...fresh, ...state.made }, since: recordedSince(state) ?? now };
}

/** Since when every act is named, unix seconds; null: none was so far. @param {State} state */
export const recordedSince = ({ since, links, orgs, minted, statuses }) => since ??
  ([links, orgs, minted, statuses].some((part) => Object.keys(part).length) ? null : 0);

/**
 * The state that knows the log index of an act it names.
 * @param {State} state @param {string} name @param {number} index @returns {State}
 */
export const withProved = (state, name, index) =>
  Object.hasOwn(state.made, name) ? { ...state, made: { ...state.made, [name]: index } } : state;

/** @param {State} state @param {string} link @param {KnownLink} known @returns {State} */
export const withLink = (state, link, known) =>
  ({ ...state, links: { ...state.links, [link]: known } });

/** @param {State} state @param {string[]} orgs with consent keys bound @returns {State} */
export const withOrg = (state, ...orgs) =>
  ({ ...state, orgs: [...new Set([...state.orgs, ...orgs])].sort() });

/**
 * The state in which a grant is paused, goes on or has ended; what has ended stays ended.
 * @param {State} state @param {string} grant @param {Status} status @returns {State}
 */
export const withStatus = (state, grant, status) => ENDED.has(state.statuses[grant]) ? state
  : { ...state, statuses: { ...state.statuses, [grant]: status } };

/**
 * The state that also holds a window, or one made again less `absent`; atom-used (the guard).
 * @param {State} state @param {Minted} entry @param {Absent} [absent] @returns {State}
 */
export function withMinted(state, entry, absent = () => false) {
  if (state.minted.some((one) => json(one) === json(entry))) return state;
  const name = windowName(entry), mine = atomsOf(entry);
  const [used] = state.minted.filter((one) => windowName(one) !== name).flatMap(atomsOf)
    .filter((atom) => mine.includes(atom)).sort();
  if (used) {
    const [org, category, month] = JSON.parse(used);
    fail("atom-used", `${org} already has a window with category ${category} in ${month}`);
  }
  const last = lastOf(state, name);
  if (last && json(entry.cells) !== json(lessAbsent(last.cells, absent)))
    fail("atom-used", `${entry.org} had this window before, with other cells`);
  return { ...state, minted: [...state.minted, entry] };
}

/** The last entry of a window. @param {State} state @param {string} name its windowName */
export const lastOf = (state, name) =>
  state.minted.filter((one) => windowName(one) === name).at(-1);

/** The last of its window. @param {State} state @param {string} grant @param {string[]} window */
export const mintedFor = (state, grant, window) => state.minted
  .filter((one) => one.grant === grant && json(one.window) === json(window)).at(-1);

/**
 * The union of two devices' states; of windows that overlap, the stored one stays.
 * @param {State} mine @param {State} stored @returns {State}
 */
export function merge(mine, stored) {
  let merged = withOrg(stored, ...mine.orgs);
  merged.links = { ...mine.links, ...stored.links };
  merged.made = mergeMade(mine.made, stored.made);
  merged.since = stored.since ?? mine.since;
  for (const [grant, status] of Object.entries(mine.statuses))
    if (!Object.hasOwn(stored.statuses, grant) || ENDED.has(status))
      merged = withStatus(merged, grant, status);
  for (const entry of mine.minted)
    try {
      merged = withMinted(merged, entry);
    } catch {} // only atom-used
  return merged;
}

/**
 * Every act that either names; an index that one of them knows stays known.
 * @param {Record<string, number>} mine @param {Record<string, number>} stored
 */
export const mergeMade = (mine, stored) => Object.fromEntries(Object.keys({ ...stored, ...mine })
  .map((name) => [name, Math.max(mine[name] ?? UNPROVED, stored[name] ?? UNPROVED)]));

/** Its bytes, to be sealed. @param {State} state */
export function writeState({ links, orgs, minted, statuses, made, since }) {
  const more = { made: Object.keys(made).length ? made : undefined, since: since ?? undefined };
  return utf8(compactJson({ links, orgs, minted, statuses, ...more }));
}

const ZEROS = "0".repeat(64);
const NOWHERE = { iat: 0, grant: ZEROS.slice(32), window: ["2000-01"], sealed: ZEROS };
const MOST = Number.MAX_SAFE_INTEGER, month = like(/^20\d\d-(0[1-9]|1[0-2])$/);
const read = shape({
  links: dict(shape({ source: party, from: month })),
  orgs: list(party),
  minted: list(shape({
    grant: id, org: party, categories: list(int(-MOST, MOST)), window: checkWindow,
    cells: (found) => parse("cv1-token", { ...NOWHERE, cells: found }).cells,
  })),
  statuses: dict(only("live", "paused", "revoked", "replaced")),
  "made?": dict(int(UNPROVED, MOST)), "since?": int(0, MOST),
}, ({ links, statuses, made }) => {
  Object.keys({ ...links, ...statuses, ...made }).forEach(id);
  if (made && !Object.keys(made).length) fail("bad-shape", "made: wanted some");
});

/** The state of these bytes' text; strict. @param {string} raw @returns {State} */
export const parseState = (raw) => ({ made: {}, since: null, ...read(strictObject(raw)) });
