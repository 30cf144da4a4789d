/** Sealing: HPKE base mode (RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM, and the padding of
 * batches (docs/protocol.md section 3). A sealed text is enc (32 bytes) || ciphertext. */

import {concat, equal, own, u32be, utf8} from "./encoding.js";
import {VaultError} from "./errors.js";
import {openingKey, random} from "./keys.js";

/** @typedef {Uint8Array} Raw */
/** @typedef {import("./encoding.js").Bytes} Bytes */
/** @typedef {import("./keys.js").OpeningKey} OpeningKey */

/** The sizes of a padded text. */
export const SMALLEST = 4096, LARGEST = 1 << 20;
const NONE = new Uint8Array(), {subtle} = crypto;
const KEM = "KEM\0\x20", HPKE = "HPKE\0\x20\0\x01\0\x02";

/** LabeledExtract, or LabeledExpand to `n` bytes: WebCrypto's HKDF cannot do the two apart.
 * @param {string} suite @param {Raw} key @param {string} label @param {Raw} data
 * @param {number} [n] */
async function labeled(suite, key, label, data, n) {
  const words = utf8(`HPKE-v1${suite}${label}`), how = {name: "HMAC", hash: "SHA-256"};
  const message = n ? [Uint8Array.of(0, n), words, data, Uint8Array.of(1)] : [words, data];
  // WebCrypto takes no empty HMAC key; 32 zero bytes are the same key.
  const raw = own(key.length ? key : new Uint8Array(32));
  const made = await subtle.importKey("raw", raw, how, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", made, concat(...message))).slice(0, n);
}

/** The AES key and nonce of RFC 9180 section 5.1. @param {CryptoKey} mine @param {Raw} other
 * @param {Raw} context enc || the opener's public key @param {Raw} info */
export async function schedule(mine, other, context, info) {
  const pk = await subtle.importKey("raw", own(other), "X25519", false, []);
  const dh = new Uint8Array(await subtle.deriveBits({name: "X25519", public: pk}, mine, 256));
  if (dh.every(b => !b)) throw new RangeError("low order");
  const shared = await labeled(KEM, await labeled(KEM, NONE, "eae_prk", dh), "shared_secret",
    context, 32);
  const about = concat(Uint8Array.of(0), await labeled(HPKE, NONE, "psk_id_hash", NONE),
    await labeled(HPKE, NONE, "info_hash", info));
  const secret = await labeled(HPKE, shared, "secret", NONE);
  return {key: await labeled(HPKE, secret, "key", about, 32),
    nonce: await labeled(HPKE, secret, "base_nonce", about, 12)};
}

/** @param {"encrypt" | "decrypt"} act @param {{key: Bytes, nonce: Bytes}} made @param {Raw} data */
async function gcm(act, {key, nonce}, data) {
  const aes = await subtle.importKey("raw", key, "AES-GCM", false, [act]);
  return new Uint8Array(await subtle[act]({name: "AES-GCM", iv: nonce}, aes, own(data)));
}

/** enc || ciphertext for the holder of an X25519 key, by a key of one use (given only in tests).
 * @param {Raw} pk @param {Raw} plain @param {Raw} info @param {OpeningKey} [once] */
export async function seal(pk, plain, info, once) {
  const {public: enc, private: mine} = once ?? await openingKey(random(32));
  const made = await schedule(mine, pk, concat(enc, pk), info).catch(() => {
    throw new VaultError("bad-point", "wanted an X25519 key that is not of low order");
  });
  return concat(enc, await gcm("encrypt", made, plain));
}

/** The plain bytes; all of the opener's keys are tried.
 * @param {Iterable<OpeningKey>} keys @param {Raw} sealed @param {Raw} info */
export async function open(keys, sealed, info) {
  const enc = sealed.slice(0, 32);
  for (const {public: pk, private: mine} of keys)
    try {
      return await gcm("decrypt", await schedule(mine, enc, concat(enc, pk), info),
        sealed.slice(32));
    } catch {} // another key may open it
  throw new VaultError("bad-seal", "the sealed text does not open with this key in this context");
}

/** The padded form. @param {Raw} plain */
export function pad(plain) {
  let size = SMALLEST;
  while (size < plain.length + 4) size *= 2;
  if (size > LARGEST) throw new VaultError("too-large", "a batch holds less than 1 MiB");
  const padded = new Uint8Array(size);
  padded.set(concat(u32be(plain.length), plain));
  return padded;
}

/** What pad was given. @param {Raw} padded */
export function unpad(padded) {
  const length = padded.slice(0, 4).reduce((n, b) => n * 256 + b, 0);
  const plain = own(padded.slice(4, 4 + length));
  if (plain.length === length && padded.length <= LARGEST && equal(pad(plain), padded))
    return plain;
  throw new VaultError("bad-seal", "the opened text is not padded as batches are");
}
