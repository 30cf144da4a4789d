/** Every message that the app reads or writes, strictly (docs/protocol.md section 5). Parsed:
 * hashes and ids are hex, keys, points and sealed are bytes (keys checked, other points not
 * decoded), scalars BigInt, a cell {masked, commitment}; all else is the JSON value. */

import {checkPoint, readScalar} from "./commit.js";
import {concat, u32be, unb64u, unhex, utf8} from "./encoding.js";
import {VaultError} from "./errors.js";
import {joinWindow, monthsFrom, parseMonth, windowsOf} from "./months.js";
import {refusal} from "./refusals.js";

export const URN = "urn:carbonvault:request:";
export const LIFE = 600;
export const HANDLE = 10;
const MOST = 2 ** 53 - 1;

/** @template T @typedef {(found: unknown) => T} Check */
/** @typedef {Record<string, Check<unknown>>} Members */
/** @template {Members} M @typedef {{[K in keyof M as K extends `${string}?` ? never : K]:
 * ReturnType<M[K]>} & {[K in keyof M as K extends `${infer N}?` ? N : never]?: ReturnType<M[K]>}}
 * Shape */

const bad = refusal("bad-shape");

/** @param {RegExp} pattern @returns {Check<string>} */
export const like = (pattern, most = MOST) => found => {
  if (typeof found !== "string" || found.length > most || !pattern.test(found))
    throw bad(`wanted ${pattern.source}`);
  return found;
};
/** @param {number} least @param {number} most @returns {Check<number>} */
export const int = (least, most) => found => {
  if (typeof found !== "number" || !Number.isInteger(found) || !(found >= least && found <= most))
    throw bad(`wanted an integer in ${least}..${most}`);
  return found;
};
/** @template {string | number | boolean} T @param {...T} values @returns {Check<T>} */
export const only = (...values) => found => {
  const hit = values.find(value => value === found);
  if (hit === undefined) throw bad(`wanted ${values.join(" or ")}`);
  return hit;
};
/** @template T @param {Check<T>} item @returns {Check<T[]>} */
export const list = (item, least = 0, most = Infinity) => found => {
  if (!Array.isArray(found) || found.length < least || found.length > most)
    throw bad(`wanted a list of ${least}..${most}`);
  return found.map(one => item(one));
};
/** @template A, B @param {Check<A>} a @param {Check<B>} b @returns {Check<[A, B]>} */
const pair = (a, b) => found => {
  const [one, two] = list(part => part, 2, 2)(found);
  return [a(one), b(two)];
};
/** @template A, B @param {Check<A>} check @param {(one: A) => B} then @returns {Check<B>} */
const via = (check, then) => found => then(check(found));
/** @param {unknown} found @returns {[string, unknown][]} */
function members(found, most = Infinity) {
  const all = typeof found === "object" && found && !Array.isArray(found) && Object.entries(found);
  if (!all || all.length > most) throw bad("wanted an object");
  return all;
}
/** @template T @param {Check<T>} item @returns {Check<Record<string, T>>} */
export const dict = (item, most = Infinity) => found => Object.fromEntries(
  members(found, most).map(([name, one]) => [name, item(one)]));

/** The check of an object with exactly these members; `name?` may stay away. @template {Members} M
 * @param {M} wanted @param {(out: Shape<M>) => void} [fits] @returns {Check<Shape<M>>} */
export const shape = (wanted, fits) => found => {
  const given = new Map(members(found));
  const out = /** @type {Shape<M>} */ (Object.fromEntries(Object.entries(wanted).flatMap(
    ([key, check]) => {
      const name = key.replace("?", "");
      if (!given.has(name) && name !== key) return [];
      const one = given.get(name);
      given.delete(name);
      return [[name, named(name, () => check(one))]];
    })));
  for (const name of given.keys()) throw bad(`there is no member ${name.slice(0, 40)}`);
  fits?.(out);
  return out;
};

/** @template T @param {string} name @param {() => T} read */
function named(name, read) {
  try {
    return read();
  } catch (e) {
    throw e instanceof VaultError ? new VaultError(e.slug, `${name}: ${e.detail}`) : e;
  }
}

/** @param {(string | number)[]} found @param {string} name */
function sorted(found, name) {
  if (found.some((one, i) => i && one <= found[i - 1])) throw bad(`${name}: sorted, each once`);
}

export const text = like(/^/);
export const id = like(/^[0-9a-f]{32}$/), hash = like(/^[0-9a-f]{64}$/);
export const party = like(/^[a-z0-9.-]{3,64}$/), template = like(/^[A-Z0-9-]{3,40}$/);
const key = via(text, raw => unb64u(raw, 32)), sealed = via(text, raw => unb64u(raw));
const point = via(key, raw => (checkPoint(raw), raw)), scalar = via(key, readScalar);
const cell = via(pair(scalar, key), ([masked, commitment]) => ({masked, commitment}));
const flag = only(true, false);
const unix = int(0, MOST), whole = int(-MOST, MOST), seq = int(0, 2 ** 32 - 1);
const month = via(text, parseMonth), jws = like(/^[\w.-]+$/, 2 ** 21);
/** A list of consecutive months as a window; bad-shape. */
export const checkWindow = via(list(month, 1), months => {
  if (joinWindow(months) !== joinWindow(monthsFrom(months[0], months[months.length - 1])))
    throw bad("a window lists consecutive months");
  return months;
});

const purposes = list(text, 1, 8), category = list(int(1, 7), 1);
const kind = only("carbon_reduction_total");
const PERIOD = {
  step: only(1, 3, 12), first: month, last: month, until: unix, mode: only("total", "cohort"),
  show_sources: flag, exclusive: flag, data_life_days: int(1, 3660),
};
const TERMS = {platform: party, template, purposes, categories: category, ...PERIOD};
/** @typedef {{first: string, last: string, step: number}} Period */
/** @param {Period & {purposes: string[], categories: number[]}} t */
const fitsTerms = t => {
  sorted(t.purposes, "purposes");
  sorted(t.categories, "categories");
  windowsOfGrant(t);
};
const terms = shape(TERMS, fitsTerms);
/** @typedef {ReturnType<typeof terms>} Terms */

const asked = via(shape({"required?": category, "optional?": category}), asks => {
  const {required = [], optional = []} = asks, all = [...required, ...optional];
  sorted(required, "required");
  sorted(optional, "optional");
  if (!all.length || new Set(all).size !== all.length)
    throw bad("a category is required or optional, and there is one");
  return {required, optional};
});
const spoken = like(/^(?=.*\S)[^\p{C}\p{Zl}\p{Zp}]{1,400}$/u);
const details = shape({
  type: kind, purposes, categories: asked, ...PERIOD, "replaces?": id,
  reasons: dict(shape({"zh-CN": spoken, en: spoken}), 10),
}, ({reasons, categories: {required, optional}}) => {
  const needed = ["purpose", ...required.map(String)], given = Object.keys(reasons);
  const may = [...needed, "show_sources", ...optional.map(String)];
  if (!needed.every(n => given.includes(n)) || !given.every(n => may.includes(n)))
    throw bad("reasons: for the purpose and each required category");
});

const cells = via(list(pair(id, list(month, 1)), 1), all => {
  sorted(all.map(([link]) => link), "links");
  for (const [, months] of all) sorted(months, "months");
  return all;
});

const keyTimes = list(shape({pk: key, from: unix, until: unix}, k => {
  if (k.from >= k.until) throw bad("a key is valid from a second before its until");
}));
const entry = shape({
  id: party, org: party, name: like(/^[^\p{C}\p{Zl}\p{Zp}]{1,200}$/u), roles: list(text, 1, 8),
  "cadence?": only("daily", "weekly", "monthly"), "books_for?": list(party),
  "redirects?": list(like(new RegExp("^(?=.{1,400}$)(https://[a-z0-9.-]+(:\\d{1,5})?|"
    + "http://(localhost|127\\.0\\.0\\.1)(:\\d{1,5})?)/[!$-\\[\\]-~]*$")), 1, 16),
  "contact?": like(/^[^\p{C}\p{Zl}\p{Zp}]{3,200}$/u), sig: keyTimes, hpke: keyTimes,
});
/** @typedef {ReturnType<typeof entry>} Party */
const LOG = {origin: text, vkey: text, witnesses: list(text), quorum: int(0, 64)};

const iat = unix;
const stop = shape({iat, grant: id, n: int(1, MOST)});
const TYPES = {
  "cv1-account": shape({iat, pk: point, vault: party, over14: only(true)}),
  "cv1-bind": shape({iat, org: party, pk: point}),
  "cv1-attach": shape({iat, link: id, receipt: jws}),
  "cv1-unlink": shape({iat, link: id}),
  "cv1-erase": shape({iat, pk: point}),
  "cv1-erased": shape({iat, erase: hash, indexes: list(unix, 0, 2 ** 20)}),
  "cv1-link": shape({iat, link: id, source: party, msg: hash, from: month}),
  "cv1-batch": shape({iat, link: id, seq, tags: list(id, 8, 4096), sealed}),
  "cv1-receipt": shape({iat, of: hash, "taken?": list(int(0, 4095))}),
  "cv1-close": shape({iat, link: id, month, methodology: party, cells: list(cell, 7, 7),
    upto: int(-1, 2 ** 32 - 1), batches: hash}),
  "cv1-absent": shape({iat, link: id, month}),
  "cv1-reject": shape({iat, close: hash}),
  "cv1-request": shape({iat, client_id: party, "redirect_uri?": like(/^[^]{8,400}$/u),
    state: like(/^[\w.~-]{16,200}$/), template, authorization_details: list(details, 1, 1)}),
  "cv1-grant": shape({iat, ...TERMS, type: kind, grant: id, pk: point, org: party,
    notice: shape({sha256: hash, locale: only("zh-CN", "en")}), "request?": hash,
    "replaces?": id}, t => fitsTerms(t)),
  "cv1-token": shape({iat, grant: id, window: checkWindow, cells, sealed: hash}),
  "cv1-revoke": stop,
  "cv1-pause": stop,
  "cv1-resume": stop,
  "cv1-refusal": shape({iat, "grant?": id, "window?": checkWindow, "request?": hash,
    reason: like(/^[^]{1,40}$/u)}, ({grant, window, request}) => {
    if (!grant !== !!request || !window !== !!request)
      throw bad("a refusal names a grant and window, or a request");
  }),
  "cv1-release": shape({iat, grant: id, window: checkWindow, purpose: text, c: scalar, C: key,
    token: hash, closes: hash, methodology: list(text, 1)}),
  "cv1-directory": shape({
    iat, version: int(1, MOST), prev: hash, expires: unix,
    next: found => found === null ? null : point(found),
    demo: flag, zone: text, vault: party, log: shape(LOG),
    "earlier?": list(shape({...LOG, size: int(1, MOST), root: hash}), 1),
    releases: list(shape({id: text, sha256: hash, from: month})), entries: list(entry),
    knet: list(shape({year: int(2000, 2099), source: party, sealed})),
  }),
  "cv1-report": shape({iat, from: unix, to: unix, root: hash, findings: list(pair(whole, text)),
    unseen: list(whole), "json?": hash}),
  "cv1-web": shape({iat, version: like(/^[0-9a-f]{16}$/), files: list(pair(
    like(/^(headers|\/|(\/[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*)+)$/, 200), hash), 3, 1000)},
  ({files}) => {
    const paths = files.map(([path]) => path);
    sorted(paths, "files");
    if (!["/", "/sw.js", "headers"].every(path => paths.includes(path)))
      throw bad("files: with the page, its worker and its headers");
  }),
  linkcode: shape({link: id, k: key, rec: key, vault: party, nonce: id}),
  turn: shape({directory: jws, proof: like(/^[^]/, 65536)}),
  record: shape({
    act: id, behaviour: text, rev: whole, release: text, activity: dict(whole), start: unix,
    end: unix, operator: party, receipt: text, tag: id, evidence: only("E3", "E4"), mg: whole,
    "reason?": text, "corrects?": id, "detail?": dict(text),
  }, ({mg, corrects}) => {
    if (corrects ? mg > 0 : mg < 0)
      throw bad("only a record that takes another back has negative milligrams");
  }),
};
/** @typedef {typeof TYPES} Types */
/** @template {keyof Types} T @typedef {ReturnType<Types[T]>} Body */

/** The members of an object of this type; bad-shape, bad-point or bad-scalar when it is not.
 * @template {keyof Types} T @param {T} typ @param {unknown} found @returns {Body<T>} */
export const parse = (typ, found) => /** @type {Body<T>} */ (TYPES[typ](found));

/** The body of an envelope that the caller verifies; when `typ` is given it must be of that type.
 * @template {keyof Types} [T=any] @param {import("./encoding.js").Envelope} envelope @param {T}
 * [typ] */
export function open(envelope, typ) {
  if (typ && typ !== envelope.typ)
    throw new VaultError("bad-type", `wanted ${typ}, found ${envelope.typ}`);
  return parse(/** @type {T} */ (envelope.typ), envelope.body);
}

/** The terms of a request with these optional categories, up to `last` when that is earlier. @param
 * {Body<"cv1-request">} request @param {number[]} optional @param {string | null} [last] */
export function termsOf(request, optional, last) {
  const {client_id: platform, template, authorization_details: [{categories, ...rest}]} = request;
  if (optional.some(c => !categories.optional.includes(c)))
    throw bad("categories: one of them is not optional in this request");
  if (last && last > rest.last) throw bad(`last: at most ${rest.last}`);
  const all = [...new Set([...categories.required, ...optional])].sort();
  const given = {...rest, platform, template, categories: all, last: last || rest.last};
  return terms(Object.fromEntries(Object.entries(given).filter(([name]) => name in TERMS)));
}

/** The windows of a grant or of terms, ascending. @param {Period} grant */
export const windowsOfGrant = grant => windowsOf(grant.first, grant.last, grant.step);

/** Return when the window is one of the grant's. @param {Period} grant @param {string[]} window */
export function checkGrantWindow(grant, window) {
  if (!windowsOfGrant(grant).map(joinWindow).includes(joinWindow(window)))
    throw bad(`${joinWindow(window)} is no window of this grant`);
}

/** The HPKE info of a link code. @param {string} source */
export const linkInfo = source => utf8(`cv1/link${source}`);

/** The HPKE info of a batch. @param {string} link @param {number} n */
export const batchInfo = (link, n) => concat(utf8("cv1/batch"), unhex(link), u32be(n));
