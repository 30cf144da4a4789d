// Requests with a proof of the caller's key (DPoP), answers as JSON or as the error they name
// (docs/protocol.md section 7). After a lost answer send the same bytes again.
import { b64u, compactJson, sha256, strictObject, text, utf8 } from "./encoding.js";
import { VaultError, fromProblem, isError } from "./errors.js";
import { random } from "./keys.js";

/** @import { SigningKey } from "./encoding.js" */
/** @typedef {Record<string, unknown>} Members */
/** @typedef {{status: number, headers: Headers, content: Uint8Array}} Reply */

const LONGEST = 120_000; // ms of a whole exchange
const MOST_JSON = 1 << 26, MOST_RAW = 1 << 20; // bytes of an answer, of a public path
const NOTHING = new Uint8Array();

/** Throw a VaultError. @param {string} slug @param {string} why @returns {never} */
export function fail(slug, why) {
  throw new VaultError(slug, why);
}

/** What work gives, null if it ends with a slug. @template T @param {Promise<T>} work
 * @param {string} slug */
export const unless = (work, slug) => work.catch((error) => {
  if (!isError(error, slug)) throw error;
  return null;
});

/** A text member of an answer. @param {Members} body @param {string} name */
export function textOf(body, name) {
  const found = body[name];
  return typeof found === "string" ? found : fail("bad-shape", `the answer has no text ${name}`);
}

/** A member that is a list of objects. @param {Members} body @param {string} name */
export function objectsOf(body, name) {
  const found = body[name];
  const good = Array.isArray(found) &&
    found.every((one) => one && typeof one === "object" && !Array.isArray(one));
  return good ? /** @type {Members[]} */ (found)
    : fail("bad-shape", `the answer has no list of objects ${name}`);
}

/**
 * The proof header for one request; `url` without its query, `jti` 16 random bytes.
 * @param {SigningKey} key @param {string} method @param {string} url @param {Uint8Array} body
 * @param {number} wall @param {Uint8Array} jti
 */
export async function prove(key, method, url, body, wall, jti) {
  const jwk = { crv: "Ed25519", kty: "OKP", x: b64u(key.public) };
  const bh = body.length ? b64u(await sha256(body)) : undefined;
  const claims = { jti: b64u(jti), htm: method, htu: url, iat: wall, bh };
  const signed = [{ alg: "Ed25519", jwk, typ: "dpop+jwt" }, claims]
    .map((part) => b64u(utf8(compactJson(part)))).join(".");
  return `${signed}.${b64u(await key.sign(utf8(signed)))}`;
}

/** One caller's way to one vault; without a key only in public. */
export class Wire {
  #key;
  #fetch;
  #wall;

  /**
   * @param {string} url the vault's public_url @param {SigningKey | null} [key]
   * @param {{fetch?: typeof fetch, wall?: () => number, templates?: string,
   *   over?: AbortSignal}} [ways] `over`: nothing more is sent
   */
  constructor(url, key = null, ways = {}) {
    this.url = url.replace(/\/+$/, "");
    this.#key = key;
    this.#fetch = ways.fetch ?? ((...asked) => fetch(...asked)); // unbound it is an illegal call
    this.#wall = ways.wall ?? (() => Math.floor(Date.now() / 1000));
    /** The hash that the vault's templates must have; "": any. */
    this.templates = ways.templates ?? "";
    this.over = ways.over ?? new AbortController().signal;
  }

  /** The answer to GET. @param {string} path with its query */
  get(path) {
    return this.send("GET", path);
  }

  /** The answer to POST. @param {string} path @param {string | Uint8Array} body */
  post(path, body) {
    return this.send("POST", path, body);
  }

  /**
   * The answer to one request; a stale proof is made anew once, by the vault's Date.
   * @param {string} method @param {string} path @param {string | Uint8Array} [body]
   * @param {Record<string, string>} [headers]
   */
  async send(method, path, body = NOTHING, headers = {}) {
    const raw = typeof body === "string" ? utf8(body) : body, wall = this.#wall();
    let reply = await this.#once(method, path, wall, raw, headers), found = membersOf(reply);
    if (reply.status === 401 && found.type === "stale-proof") {
      reply = await this.#once(method, path, dateOf(reply) ?? wall, raw, headers);
      found = membersOf(reply);
    }
    if (reply.status >= 400) throw problem(found);
    return { body: found, etag: reply.headers.get("etag") ?? "" };
  }

  /** The vault's wall clock, unix seconds, by its Date header; null when it sends none. */
  async date() {
    return dateOf(await this.#once("GET", "/v1/time", null));
  }

  /** The bytes of a public path, 1 MiB at most. @param {string} path */
  async raw(path) {
    const reply = await this.#once("GET", path, null, NOTHING, {}, MOST_RAW);
    if (reply.status >= 400) throw problem(membersOf(reply));
    return reply.content;
  }

  /**
   * @param {string} method @param {string} path @param {number | null} wall null: without a proof
   * @param {Uint8Array} [body] @param {Record<string, string>} [sent] @param {number} [most]
   */
  async #once(method, path, wall, body = NOTHING, sent = {}, most = MOST_JSON) {
    const url = this.url + path, headers = { ...sent };
    if (this.#key && wall !== null)
      headers.DPoP = await prove(this.#key, method, url.split("?")[0], body, wall, random(16));
    try {
      const reply = await this.#fetch(url, {
        method, headers, body: body.length ? /** @type {BodyInit} */ (body) : undefined,
        credentials: "omit", redirect: "error", referrerPolicy: "no-referrer",
        signal: AbortSignal.any([AbortSignal.timeout(LONGEST), this.over]),
      });
      return { status: reply.status, headers: reply.headers, content: await read(reply, most) };
    } catch (broken) {
      this.over.throwIfAborted();
      return fail("unreachable", `${method} ${path}: ${broken}`);
    }
  }
}

/** The bytes of an answer, so many at most. @param {Response} reply @param {number} most */
export async function read({ body }, most) {
  const reader = body?.getReader(), parts = [];
  for (let part; reader && !(part = await reader.read()).done; parts.push(part.value))
    if ((most -= part.value.length) < 0) throw "the answer is too long";
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** @param {Reply} reply */
function dateOf({ headers }) {
  return Math.floor(Date.parse(headers.get("date") ?? "") / 1000) || null;
}

/** @param {Reply} reply */
function membersOf({ content }) {
  try {
    return strictObject(text(content));
  } catch {
    return fail("unreachable", "the answer is not one of a vault");
  }
}

/** @param {Members} told */
const problem = ({ type, detail = "", statement = "" }) =>
  fromProblem(String(type), String(detail), String(statement));
