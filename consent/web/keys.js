/** Keys: one root per holder, all others derived under a label (docs/protocol.md section 4). */

import {concat, hex, own, sha256, u64be, unb64u, unhex, utf8} from "./encoding.js";
import {VaultError} from "./errors.js";

/** @typedef {Uint8Array} Raw */
/** @typedef {import("./encoding.js").Bytes} Bytes */
/** @typedef {import("./encoding.js").SigningKey} SigningKey */
/** @typedef {{public: Bytes, private: CryptoKey}} OpeningKey */

const ROOT_SIZE = 20, NONCE_SIZE = 12;
const SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", CHECK = SYMBOLS + "*~$=U";

/** Fresh random bytes. @param {number} n */
export const random = n => crypto.getRandomValues(new Uint8Array(n));

/** `n` bytes of HKDF-SHA256 with an empty salt (RFC 5869).
 * @param {Raw} key @param {Raw} info @param {number} n */
export async function kdf(key, info, n) {
  const ikm = await crypto.subtle.importKey("raw", own(key), "HKDF", false, ["deriveBits"]);
  const how = {name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: own(info)};
  return new Uint8Array(await crypto.subtle.deriveBits(how, ikm, 8 * n));
}

/** WebCrypto takes a seed only as PKCS8, and gives the public half only as a JWK.
 * @param {"Ed25519" | "X25519"} kind @param {Raw} seed @param {KeyUsage} usage */
async function privateKey(kind, seed, usage) {
  const oid = kind === "Ed25519" ? "70" : "6e";
  const pkcs8 = concat(unhex(`302e020100300506032b65${oid}04220420`), seed);
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, kind, true, [usage]);
  const {x = ""} = await crypto.subtle.exportKey("jwk", key);
  return {public: unb64u(x, 32), private: key};
}

/** The Ed25519 key of a seed. @param {Raw} seed @returns {Promise<SigningKey>} */
export async function signingKey(seed) {
  const {public: pk, private: key} = await privateKey("Ed25519", seed, "sign");
  return {public: pk,
    sign: async raw => new Uint8Array(await crypto.subtle.sign("Ed25519", key, own(raw)))};
}

/** The X25519 key of a seed: it opens what was sealed to its public half.
 * @param {Raw} seed @returns {Promise<OpeningKey>} */
export const openingKey = seed => privateKey("X25519", seed, "deriveBits");

/** Return when the Ed25519 signature is the key's over the message.
 * @param {Raw} pk @param {Raw} signature @param {Raw} message */
export async function verifySignature(pk, signature, message) {
  const good = await crypto.subtle.importKey("raw", own(pk), "Ed25519", false, ["verify"])
    .then(key => crypto.subtle.verify("Ed25519", key, own(signature), own(message)))
    .catch(() => false);
  if (!good) throw new VaultError("bad-jws", "the signature does not verify under the key");
}

/** @param {Raw} root @param {string} label @param {Raw} [more] */
const derive = (root, label, more = new Uint8Array()) => kdf(root, concat(utf8(label), more), 32);

/** The account key: it is the account. @param {Raw} root */
export const accountKey = async root => signingKey(await derive(root, "cv1/acct"));

/** The AES-256-GCM key of the holder's state. @param {Raw} root */
export const stateKey = async root => gcmKey(await derive(root, "cv1/state"));

/** The stream secret of a link. @param {Raw} root @param {string} link */
export const streamKey = (root, link) => derive(root, "cv1/link/k", unhex(link, 16));

/** The key that opens a link's batches. @param {Raw} root @param {string} link */
export const recordKey = async (root, link) =>
  openingKey(await derive(root, "cv1/link/rec", unhex(link, 16)));

/** The key of all consents towards one organisation. @param {Raw} root @param {string} org */
export const consentKey = async (root, org) =>
  signingKey(await derive(root, "cv1/consent", utf8(org)));

/** @param {Raw} raw */
const gcmKey = raw =>
  crypto.subtle.importKey("raw", own(raw), "AES-GCM", false, ["encrypt", "decrypt"]);

/** @param {CryptoKey} key @param {Raw} plain @param {Raw} aad @param {Raw} nonce */
async function encrypt(key, plain, aad, nonce) {
  const how = {name: "AES-GCM", iv: own(nonce), additionalData: own(aad)};
  return concat(nonce, new Uint8Array(await crypto.subtle.encrypt(how, key, own(plain))));
}

/** @param {CryptoKey} key @param {Raw} blob @param {Raw} aad @param {string} what */
async function decrypt(key, blob, aad, what) {
  const how = {name: "AES-GCM", iv: own(blob.slice(0, NONCE_SIZE)), additionalData: own(aad)};
  try {
    return new Uint8Array(await crypto.subtle.decrypt(how, key, own(blob.slice(NONCE_SIZE))));
  } catch { throw new VaultError("bad-seal", `the ${what} does not open with this key`); }
}

/** @param {number} counter */
const stateAad = counter => concat(utf8("cv1/state"), u64be(counter));

/** nonce || AES-256-GCM of the state; the counter is bound.
 * @param {CryptoKey} key @param {number} counter @param {Raw} plain @param {Raw} nonce */
export const sealState = (key, counter, plain, nonce) =>
  encrypt(key, plain, stateAad(counter), nonce);

/** The state's bytes. @param {CryptoKey} key @param {number} counter @param {Raw} blob */
export const openState = (key, counter, blob) => decrypt(key, blob, stateAad(counter), "state");

/** @param {Raw} secret @returns {Promise<[CryptoKey, Bytes]>} */
const wrapKey = async secret => [await gcmKey(await kdf(secret, utf8("cv1/wrap/key"), 32)),
  await kdf(secret, utf8("cv1/wrap/id"), 16)];

/** The public name of a wrap, from its 20 or 32 byte secret. @param {Raw} secret */
export const wrapId = async secret => hex((await wrapKey(secret))[1]);

/** The blob the vault keeps for this wrap: nonce || AES-256-GCM of the root.
 * @param {Raw} secret @param {Raw} root @param {Raw} nonce */
export async function wrapRoot(secret, root, nonce) {
  const [key, id] = await wrapKey(secret);
  return encrypt(key, root, id, nonce);
}

/** The root from a wrap's blob. @param {Raw} secret @param {Raw} blob */
export async function unwrapRoot(secret, blob) {
  const [key, id] = await wrapKey(secret);
  return decrypt(key, blob, id, "wrap");
}

/** 20 bytes as a recovery code. @param {Raw} secret */
export function writeCode(secret) {
  if (secret.length === ROOT_SIZE) return writeSymbols(secret);
  throw new VaultError("bad-shape", `a recovery code holds 20 bytes, found ${secret.length}`);
}

/** The 20 bytes of a recovery code. @param {string} code */
export const readCode = code => readSymbols(code, ROOT_SIZE);

/** Bytes (a multiple of 5) as Crockford base32 in fours, one check symbol. @param {Raw} raw */
export function writeSymbols(raw) {
  const number = BigInt("0x0" + hex(raw));
  const symbols = Array.from({length: raw.length * 8 / 5},
    (_, i) => SYMBOLS[Number(number >> BigInt(5 * i) & 31n)]).reverse().join("");
  return symbols.replace(/.{4}(?=.)/g, "$&-") + "-" + CHECK[Number(number % 37n)];
}

/** The `size` bytes of a code; case, spaces and dashes do not matter.
 * @param {string} code @param {number} size */
export function readSymbols(code, size) {
  const symbols = [...code.replace(/[\s-]/g, "").toUpperCase().replace(/O/g, "0")
    .replace(/[IL]/g, "1")];
  const count = size * 8 / 5, check = CHECK.indexOf(symbols[count]);
  const values = symbols.slice(0, count).map(symbol => SYMBOLS.indexOf(symbol));
  const number = values.reduce((n, value) => n << 5n | BigInt(value), 0n);
  const wrong = symbols.length !== count + 1 ? `has ${count + 1} symbols, found ${symbols.length}`
    : check < 0 || values.includes(-1) ? "holds no such symbol"
    : number % 37n !== BigInt(check) ? "ends with another symbol: one was mistyped" : "";
  if (wrong) throw new VaultError("bad-code", `a code of this kind ${wrong}`);
  return unhex(number.toString(16).padStart(2 * size, "0"));
}

/** The six digits both apps show for a link code. @param {Raw} code */
export async function sixDigits(code) {
  const first = new DataView((await sha256(code)).buffer).getUint32(0);
  return String(first % 1e6).padStart(6, "0");
}
