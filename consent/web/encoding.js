/** Bytes, strict JSON and the strict JWS of everything signed (docs/protocol.md section 3). */

import {checkPoint} from "./commit.js";
import {VaultError} from "./errors.js";
import {verifySignature} from "./keys.js";

/** @typedef {Uint8Array} Raw any bytes */
/** @typedef {Uint8Array<ArrayBuffer>} Bytes bytes that WebCrypto's types take */
/** @typedef {{public: Bytes, sign: (bytes: Raw) => Promise<Bytes>}} SigningKey */
/** A JWS that was read; its signature was not checked yet.
 * @typedef {{text: string, kid: string, typ: string, payload: string,
 *   body: Record<string, unknown>, signature: Bytes}} Envelope */

const HEADER = /^\{"alg":"Ed25519","kid":"([\w-]{43})","typ":"([a-z0-9-]{1,24})"\}$/;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"[ \t\n\r]*:?|-?\d[\d.eE+-]*|[{}[\]]/g;
const LONE = /\p{Cs}/u; // a surrogate without its other half

/** @param {string} detail @param {string} [slug] @returns {never} */
const bad = (detail, slug = "bad-shape") => { throw new VaultError(slug, detail); };

/** The same bytes for WebCrypto's types. @type {(raw: Raw) => Bytes} */
export const own = raw => /** @type {Bytes} */ (raw);

/** The UTF-8 bytes. @param {string} s */
export const utf8 = s => own(new TextEncoder().encode(s));

/** The text of UTF-8 bytes. @param {Raw} raw */
export function text(raw) {
  try {
    return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(raw);
  } catch { return bad("the text is not UTF-8"); }
}

/** Lower-case hex. @param {Raw} raw */
export const hex = raw => Array.from(raw, b => b.toString(16).padStart(2, "0")).join("");

/** The bytes of lower-case hex. @param {string} s @param {number} [size] */
export function unhex(s, size = s.length / 2) {
  if (!/^([0-9a-f]{2})*$/.test(s) || s.length !== 2 * size) bad(`wanted ${size} bytes of hex`);
  return Uint8Array.from({length: size}, (_, i) => parseInt(s.slice(2 * i, 2 * i + 2), 16));
}

/** @param {Raw} raw */
function latin(raw) {
  let s = "";
  for (let i = 0; i < raw.length; i += 4096)
    s += String.fromCharCode(...raw.subarray(i, i + 4096));
  return s;
}

/** Standard base64. @param {Raw} raw */
export const b64 = raw => btoa(latin(raw));

/** The bytes of standard base64 that has exactly one form. @param {string} s */
export function unb64(s) {
  try {
    const found = atob(s), raw = new Uint8Array(found.length);
    for (let i = 0; i < raw.length; i++) raw[i] = found.charCodeAt(i);
    if (b64(raw) === s) return raw;
  } catch {} // other symbols
  return bad("wanted base64 in its only form");
}

/** Base64url without padding. @param {Raw} raw */
export const b64u = raw => b64(raw).replace(/=/g, "").replace(/\+/g, "-").replace(/\//g, "_");

/** The bytes of base64url that has exactly one form. @param {string} s @param {number} [size] */
export function unb64u(s, size) {
  if (!/^[\w-]*$/.test(s)) bad("wanted base64url without padding");
  const raw = unb64(s.replace(/-/g, "+").replace(/_/g, "/") + "=".repeat(-s.length & 3));
  if (raw.length !== (size ?? raw.length))
    bad(`wanted ${size} bytes of base64url, found ${raw.length}`);
  return raw;
}

/** One after the other. @param {...Raw} parts */
export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Eight bytes, the highest first. @param {number} n */
export const u64be = n => unhex(n.toString(16).padStart(16, "0"));

/** Four bytes, the highest first. @param {number} n */
export const u32be = n => u64be(n).slice(4);

/** Whether the bytes are the same. @param {Raw} a @param {Raw} b */
export const equal = (a, b) =>
  a.length === b.length && !a.reduce((diff, x, i) => diff | x ^ b[i], 0);

/** The SHA-256. @param {Raw} raw */
export const sha256 = async raw => new Uint8Array(await crypto.subtle.digest("SHA-256", own(raw)));

/** The SHA-256 in hex of a compact JWS: its name everywhere. @param {string} s */
export const textHash = async s => hex(await sha256(utf8(s)));

/** The RFC 7638 thumbprint of an Ed25519 key: its `kid`. @param {Raw} pk */
export const thumbprint = async pk =>
  b64u(await sha256(utf8(`{"crv":"Ed25519","kty":"OKP","x":"${b64u(pk)}"}`)));

/** JSON without spaces; an engine lists members such as "4" first. @param {unknown} value */
export const compactJson = value => JSON.stringify(value);

/** Parsed JSON of one reading: nothing doubled, no float, 2^53, -0 or lone surrogate.
 * @param {string} s @returns {unknown} */
export function strictJson(s) {
  try {
    const parsed = JSON.parse(s);
    if (!LONE.test(s)) return checkTokens(s), parsed;
  } catch (error) {
    if (error instanceof VaultError) throw error;
  }
  return bad("the body is not UTF-8 JSON");
}

/** What JSON.parse lets pass. @param {string} s */
function checkTokens(s) {
  /** @type {Set<string>[]} */
  const open = [];
  for (const [token] of s.matchAll(TOKEN))
    if (/[}\]]/.test(token[0])) open.pop();
    else if (/[{[]/.test(token[0])) {
      if (open.push(new Set()) > 500) bad("the body is nested too deeply");
    } else if (token[0] === '"') checkString(token, open[open.length - 1]);
    else if (!Number.isSafeInteger(Number(token)) || !/^(?!-0)-?\d+$/.test(token))
      bad(`integers stay below 2^53 and zero has no sign, found ${token.slice(0, 20)}`);
}

/** @param {string} token @param {Set<string>} members of the object that is open */
function checkString(token, members) {
  const named = token.endsWith(":");
  if (!named && !token.includes("\\u")) return;
  const string = JSON.parse(named ? token.slice(0, -1) : token);
  if (LONE.test(string)) bad("the body is not UTF-8 JSON");
  if (named && members.size === members.add(string).size) bad("a member stands twice");
}

/** A parsed JSON object, as strictJson. @param {string} s */
export function strictObject(s) {
  const found = strictJson(s);
  return found instanceof Object && !Array.isArray(found)
    ? /** @type {Record<string, unknown>} */ (found) : bad("wanted a JSON object");
}

/** The JWS apart, its header the only allowed one; the signature is not checked.
 * @param {string} jws @param {...string} types @returns {Envelope} */
export function readEnvelope(jws, ...types) {
  const [header, payload, signature] = segments(jws);
  const [, kid, typ] = HEADER.exec(latin(header))
    ?? bad('the header is not {"alg":"Ed25519","kid":K,"typ":T}', "bad-jws");
  if (!types.includes(typ)) bad(`wanted ${types.join(" or ")}, found ${typ}`, "bad-type");
  if (signature.length !== 64)
    bad(`a signature has 64 bytes, found ${signature.length}`, "bad-jws");
  const string = text(payload);
  return {text: jws, kid, typ, payload: string, body: strictObject(string), signature};
}

/** @param {string} jws */
function segments(jws) {
  try {
    const parts = jws.split(".").map(part => unb64u(part));
    if (parts.length === 3) return parts;
  } catch {} // not base64url
  return bad("wanted a compact JWS of three base64url segments", "bad-jws");
}

/** Return when the signature is this key's. @param {Envelope} envelope @param {Raw} pk */
export async function verify({text: jws, kid, signature}, pk) {
  if (await thumbprint(pk) !== kid) bad("the key does not hash to the message's kid", "bad-jws");
  await verifySignature(pk, signature, utf8(jws.slice(0, jws.lastIndexOf("."))));
}

/** The key that the message introduces as `pk` and is signed with. @param {Envelope} envelope */
export async function verifyIntroduced(envelope) {
  const {pk} = envelope.body;
  const key = unb64u(typeof pk === "string" ? pk : bad("wanted a member pk"), 32);
  checkPoint(key);
  await verify(envelope, key);
  return key;
}

/** The compact JWS of the body under the key.
 * @param {string} typ @param {object} body @param {SigningKey} key */
export async function signJws(typ, body, key) {
  const header = `{"alg":"Ed25519","kid":"${await thumbprint(key.public)}","typ":"${typ}"}`;
  const signed = `${b64u(utf8(header))}.${b64u(utf8(compactJson(body)))}`;
  return `${signed}.${b64u(await key.sign(utf8(signed)))}`;
}
