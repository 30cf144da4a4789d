/** One history: every tree that was shown is a beginning of the next (docs/protocol.md 6). */

import {logNamed, logsOf} from "./logged.js";
import {proveConsistency, verifyConsistency} from "./merkle.js";
import {openCheckpoint} from "./note.js";
import {recast, refusal} from "./refusals.js";
import {subtrees, tilePath, widthAt} from "./tiles.js";

/** @typedef {import("./directory.js").Directory} Directory */
/** @typedef {import("./wire.js").Wire} Wire */
/** A tree that the log signed, and the whole note.
 * @typedef {{origin: string, size: number, root: string, note: string}} Head */

const no = refusal("bad-proof");

/**
 * The tree of a checkpoint that the log signed; bad-proof.
 * @param {string} note
 * @param {import("./note.js").Vkey} log
 * @returns {Promise<Head>}
 */
async function openHead(note, log) {
  const {origin, size, root} = await recast("bad-shape", "bad-proof",
    "the checkpoint cannot be read", () => openCheckpoint(note, log));
  return {origin, size, root, note};
}

/** The same of a log of the directory. @param {string} note @param {Directory} directory */
export const openListed = async (note, directory) =>
  openHead(note, logNamed(directory, note.split("\n", 1)[0]).key);

/** @param {Wire} wire @param {number} size @param {string} path */
function tileReader(wire, size, path) {
  /** @type {Map<string, Promise<Uint8Array>>} */
  const held = new Map();
  return (/** @type {number} */ level, /** @type {number} */ n) => {
    const width = widthAt(size, level, n), name = `${path}/${tilePath(level, n, width)}`;
    const found = held.get(name) ?? fetchTile(wire, name, width);
    held.set(name, found);
    return found;
  };
}

/** @param {Wire} wire @param {string} name @param {number} width */
async function fetchTile(wire, name, width) {
  const raw = await recast("not-found", "bad-proof", `${name} is not served`, () => wire.raw(name));
  if (raw.length !== width * 32) throw no(`${name} has ${raw.length} bytes`);
  return raw;
}

/**
 * The newest of these trees, and how many entries all logs have up to its end; null for no tree.
 * bad-proof: of an unlisted log, not one history, or beyond the tree that a log ended with.
 * @param {Head[]} heads
 * @param {Directory} directory
 * @param {Wire} wire
 */
export async function checkHistories(heads, directory, wire) {
  const logs = logsOf(directory), other = heads.find(({origin}) =>
    logs.every(({key}) => key.name !== origin));
  let newest = null;
  for (const {key, last, path, base} of logs) {
    const own = heads.filter(({origin}) => origin === key.name);
    if (!own.length) continue;
    const head = await checkOneHistory(own, wire, path);
    if (last && head.size > last.size)
      throw no(`${key.name} ended with ${last.size} entries, found ${head.size}`);
    if (last) await checkOneHistory([head, {...head, ...last}], wire, path);
    newest = {head, size: base + head.size};
  }
  if (other) throw no(`the directory knows no log ${other.origin.slice(0, 200)}`);
  return newest;
}

/**
 * The largest of these trees of one log (at least one), once each is a beginning of it; bad-proof.
 * @param {Head[]} heads
 * @param {Wire} wire
 * @param {string} [path] where the log is served
 */
export async function checkOneHistory(heads, wire, path = "/log") {
  const ordered = [...heads].sort((a, b) => a.size - b.size), newest = ordered[heads.length - 1];
  const find = subtrees(tileReader(wire, newest.size, path));
  for (const {size, root} of ordered.slice(0, -1)) {
    const proof = size < newest.size ? await proveConsistency(size, newest.size, find) : [];
    await recast("bad-proof", "bad-proof", `the log of ${newest.size} entries does not begin with`
      + ` the one of ${size}`,
      () => verifyConsistency(size, newest.size, root, newest.root, proof));
  }
  return newest;
}
