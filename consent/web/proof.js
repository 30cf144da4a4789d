/** The proof file: what shows, offline, that a text stands in the log (protocol 6; C2SP). */

import {concat, sha256, u64be, unb64, utf8} from "./encoding.js";
import {leafHash, verifyInclusion} from "./merkle.js";
import {openCheckpoint, readNumber} from "./note.js";
import {recast, refusal} from "./refusals.js";

/** @typedef {import("./note.js").Vkey} Vkey */
/**
 * Where a text stands: its index and time, in the tree of this size and root of the log `origin`.
 * @typedef {{index: number, at: number, size: number, root: string, origin: string,
 *   cosigned: import("./note.js").Cosigned[]}} Logged
 */

export const UNREADABLE = "the proof file cannot be read";
const HEADER = "c2sp.org/tlog-proof@v1";
const bad = refusal("bad-shape");

/** The entry of a leaf. @param {Uint8Array} salt @param {number} at @param {string} text */
export const leafData = (salt, at, text) => sha256(concat(salt, u64be(at), utf8(text)));

/** The parts of a proof file, nothing verified yet; bad-shape. @param {string} text */
export function readProof(text) {
  const end = text.indexOf("\n\n"), [header, ...lines] = text.slice(0, end).split("\n");
  if (end < 0 || header !== HEADER || lines.length < 2 || lines.length > 65)
    throw bad(`wanted a proof file ${HEADER}`);
  const [extra, index, ...path] = lines, raw = sized(member(extra, "extra "), 24);
  const at = BigInt(raw.slice(16).reduce((hex, x) => hex + x.toString(16).padStart(2, "0"), "0x"));
  const checkpoint = text.slice(end + 2);
  return {
    origin: checkpoint.split("\n", 1)[0], salt: raw.slice(0, 16), at: readNumber(`${at}`),
    index: readNumber(member(index, "index ")), path: path.map(line => sized(line, 32)), checkpoint,
  };
}

/** @param {string} line @param {string} name */
function member(line, name) {
  if (!line.startsWith(name)) throw bad(`wanted a line ${name}`);
  return line.slice(name.length);
}

/** @param {string} text @param {number} size */
function sized(text, size) {
  const raw = unb64(text);
  if (raw.length !== size) throw bad(`wanted ${size} bytes of base64`);
  return raw;
}

/**
 * Where and when the log holds this text, once all of the proof file verifies; bad-proof.
 * @param {string} proof
 * @param {string} text
 * @param {Vkey} log
 * @param {Vkey[]} [witnesses]
 * @returns {Promise<Logged>}
 */
export async function verifyProof(proof, text, log, witnesses) {
  const {head, salt, at, index, path} = await recast("bad-shape", "bad-proof", UNREADABLE,
    async () => {
      const found = readProof(proof);
      return {...found, head: await openCheckpoint(found.checkpoint, log, witnesses)};
    });
  if (/[^\0-\x7f]/.test(text))
    throw refusal("bad-proof")("a logged text is a compact JWS in ASCII");
  const leaf = await leafHash(await leafData(salt, at, text));
  await verifyInclusion(index, head.size, leaf, path, head.root);
  return {index, at, ...head};
}
