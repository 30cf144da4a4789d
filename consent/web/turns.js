/** When a log turns: the way from the pinned log to the one that goes on (docs/protocol.md 6). */

import {checkSuccessor, readDirectory, signerOf} from "./directory.js";
import {logsOf, vkeysOf} from "./logged.js";
import {parse} from "./messages.js";
import {recast, refusal} from "./refusals.js";
import {objectsOf} from "./wire.js";

/** @typedef {import("./directory.js").Directory} Directory */
/** @typedef {import("./messages.js").Body<"turn">} Turn */

const bad = refusal("bad-directory");

/** The turns served with a directory; bad-shape. @param {Record<string, unknown>} body */
export const readTurns = body =>
  "turns" in body ? objectsOf(body, "turns").map(item => parse("turn", item)) : [];

/**
 * Return when the log of this vkey goes on, or turned, once or more, into the one that does;
 * bad-directory, bad-proof, not-witnessed.
 * @param {Directory} fresh
 * @param {Turn[]} turns
 * @param {string} stand the vkey that is pinned, or of the directory held
 * @param {Uint8Array[]} auditors
 * @param {(text: string, proof: string) => Promise<import("./proof.js").Logged>} check
 */
export async function walkTurns(fresh, turns, stand, auditors, check) {
  const vkeys = vkeysOf(fresh), logs = logsOf(fresh), keys = [...auditors], {earlier} = fresh;
  const begin = vkeys.indexOf(stand);
  if (stand === vkeys[earlier.length]) return;
  if (begin < 0 || turns.length !== earlier.length)
    throw bad("the directory names another log than the pinned one");
  let turn = fresh;
  for (let i = begin; i < earlier.length; i++) {
    turn = await recast("bad-input", "bad-directory", `turn ${i + 1}`, () =>
      readTurn(turns[i].directory, keys, fresh.listing.demo));
    if (JSON.stringify(turn.earlier) !== JSON.stringify(earlier.slice(0, i)))
      throw bad(`turn ${i + 1} is of other logs than the directory lists`);
    const place = await check(turn.text, turns[i].proof);
    if (place.origin !== logs[i].key.name || place.index + 1 !== logs[i].end)
      throw bad(`turn ${i + 1} is not the last entry of ${logs[i].key.name}`);
    if (turn.listing.log.vkey !== vkeys[i + 1])
      throw bad(`turn ${i + 1} leads to another log than the directory lists`);
    if (turn.listing.next) keys.push(turn.listing.next);
  }
  checkSuccessor(turn, fresh);
}

/** @param {string} text @param {Uint8Array[]} keys @param {boolean} demo */
async function readTurn(text, keys, demo) {
  const signer = await signerOf(text, keys);
  if (!signer) throw bad("a turn is not signed by the pinned auditor");
  const turn = await readDirectory(text, signer);
  if (turn.listing.demo && !demo) throw bad("a turn is of a demonstration");
  return turn;
}
