/** Signed notes, checkpoints, cosignatures, quorums (docs/protocol.md section 6; C2SP). */

import {concat, hex, sha256, unb64, utf8} from "./encoding.js";
import {verifySignature} from "./keys.js";
import {recast, refusal} from "./refusals.js";

/** @typedef {{name: string, id: string, alg: number, public: Uint8Array, text: string}} Vkey */
/** @typedef {{witness: Vkey, time: number}} Cosigned */
/** @typedef {{origin: string, size: number, root: string}} Checkpoint */
/** @typedef {{log: Vkey, witnesses: Vkey[], quorum: number}} LogPolicy */

const LOG = 1, WITNESS = 4, LATTICE = 6;
const SIZES = new Map([[LOG, 33], [WITNESS, 33], [LATTICE, 1313]]);
const VKEY = /^([^\p{White_Space}+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u;
const SIGNATURE = /^— ([^\p{White_Space}+]+) ([A-Za-z0-9+/=]+)$/u;
const CONTROL = /[\p{Cs}\0-\x09\x0b-\x1f]/u;
const bad = refusal("bad-shape");
const no = refusal("bad-proof");

/** A decimal below 2^53 without leading zeroes; bad-shape. @param {string} text */
export function readNumber(text) {
  if (!/^(0|[1-9]\d{0,15})$/.test(text) || !Number.isSafeInteger(+text))
    throw bad(`wanted a decimal number, found ${text.slice(0, 20)}`);
  return +text;
}

/** The key that a vkey line names; openCheckpoint checks its id. bad-shape. @param {string} text */
export function readVkey(text) {
  const found = VKEY.exec(text);
  if (!found || CONTROL.test(text)) throw bad("wanted a verifier key: name+hex+base64");
  const [, name, id, key] = found, [alg] = unb64(key), raw = unb64(key);
  if (raw.length !== SIZES.get(alg)) throw bad("wanted a key of type 01, 04 or 06");
  return {name, id, alg, public: raw.slice(1), text};
}

/** Return when the id is the one of its name and key; bad-shape. @param {Vkey} key */
export async function checkVkey({name, id, alg, public: pk}) {
  const named = await sha256(concat(utf8(`${name}\n`), Uint8Array.of(alg), pk));
  if (hex(named).slice(0, 8) !== id) throw bad("the verifier key's id is another");
}

/** The text and the signature lines of a note; bad-shape. @param {string} signed */
export function readNote(signed) {
  const end = signed.lastIndexOf("\n\n"), lines = signed.slice(end + 2).split("\n");
  if (CONTROL.test(signed) || end < 0 || lines.pop() !== "" || !lines.length)
    throw bad("wanted a text, an empty line and signature lines");
  if (lines.length > 100) throw bad("a note has at most 100 signatures");
  return {text: signed.slice(0, end + 1), signatures: lines.map(readSignature)};
}

/** @param {string} line */
function readSignature(line) {
  const [, name, value] = SIGNATURE.exec(line) ?? [], raw = unb64(value ?? "");
  if (raw.length <= 4) throw bad(`wanted a signature line, found ${line.slice(0, 20)}`);
  return {name, id: hex(raw.slice(0, 4)), value: raw.slice(4)};
}

/** The checkpoint of a note's text; bad-shape. @param {string} text @returns {Checkpoint} */
export function readCheckpoint(text) {
  const [origin, size, root, end, ...more] = text.split("\n");
  if (!origin || end !== "" || more.length) throw bad("wanted a checkpoint of three lines");
  const raw = unb64(root);
  if (raw.length !== 32) throw bad("a root has 32 bytes");
  return {origin, size: readNumber(size), root: hex(raw)};
}

/**
 * The checkpoint that the log signed, and who of these witnesses cosigned it; bad-shape, bad-proof.
 * @param {string} signed
 * @param {Vkey} log
 * @param {Vkey[]} [witnesses]
 */
export async function openCheckpoint(signed, log, witnesses = []) {
  const {text, signatures} = readNote(signed), head = readCheckpoint(text);
  await Promise.all([log, ...witnesses].map(checkVkey));
  const linesOf = (/** @type {Vkey} */ key) =>
    signatures.filter(line => line.name === key.name && line.id === key.id);
  const own = linesOf(log);
  for (const {value} of own) await verifyLine(log, LOG, value, text);
  const cosigned = [];
  // WebCrypto has no ML-DSA-44: what such a key signed counts for nothing.
  for (const witness of witnesses.filter(({alg}) => alg !== LATTICE))
    for (const {value} of linesOf(witness)) cosigned.push(await cosignature(witness, value, text));
  if (!own.length || head.origin !== log.name) throw no(`wanted a checkpoint by ${log.name}`);
  return {...head, cosigned};
}

/** @param {Vkey} witness @param {Uint8Array} value @param {string} text */
async function cosignature(witness, value, text) {
  if (value.length !== 72) throw no(`wanted a cosignature by ${witness.name}`);
  const time = BigInt(`0x${hex(value.slice(0, 8))}`);
  if (!time || time >> 63n) throw no("a cosignature's time lies in 1..2^63-1");
  await verifyLine(witness, WITNESS, value.slice(8), `cosignature/v1\ntime ${time}\n${text}`);
  return {witness, time: Number(time)};
}

/** @param {Vkey} key @param {number} alg @param {Uint8Array} signature @param {string} text */
async function verifyLine(key, alg, signature, text) {
  if (key.alg !== alg) throw no(`wanted a key of type ${alg}, found ${key.alg}`);
  await recast("bad-jws", "bad-proof", `by ${key.name}`, () =>
    verifySignature(key.public, signature, utf8(text)));
}

/**
 * The policy of a directory's log; a key that is listed under two names is one witness.
 * @param {Vkey} log
 * @param {Vkey[]} witnesses
 * @param {number} quorum
 * @returns {LogPolicy}
 */
export const policyOf = (log, witnesses, quorum) =>
  ({log, witnesses: [...new Map(witnesses.map(key => [hex(key.public), key])).values()], quorum});

/** Whether these make the quorum; one name is one witness. @param {Cosigned[]} cosigned */
export const enough = (/** @type {LogPolicy} */ {witnesses, quorum}, cosigned) =>
  new Set(cosigned.map(({witness}) => witness).filter(({text}) =>
    witnesses.some(key => key.text === text)).map(({name}) => name)).size >= quorum;

/** Return when these make the quorum; not-witnessed. @param {Cosigned[]} cosigned */
export function checkQuorum(/** @type {LogPolicy} */ policy, cosigned) {
  const names = cosigned.map(({witness}) => witness.name).join(", ");
  if (!enough(policy, cosigned))
    throw refusal("not-witnessed")(`wanted ${policy.quorum} witnesses; found ${names}`);
}
