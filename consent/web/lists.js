// The lists of what concerns a person: the vault's own, and the auditor's (docs/protocol.md 6).
import { text } from "./encoding.js";
import { isError } from "./errors.js";
import { openListed } from "./history.js";
import { logNamed } from "./logged.js";
import { readListed } from "./monitor.js";
import { openCheckpoint, readVkey } from "./note.js";
import { bad } from "./signers.js";
import { objectsOf, textOf } from "./wire.js";

/** @typedef {import("./wire.js").Wire} Wire */
/** @typedef {import("./directory.js").Directory} Directory */
/** @typedef {import("./history.js").Head} Head */
/** @typedef {{head: Head, names: Map<number, string>, base: number, end: number,
 *   cosignedAt: number | null}} Theirs names: SHA-256 of the texts; end: after the last one seen */

const MOST = 1 << 20;
/** @param {unknown} n @returns {n is number} */
const isWhole = (n) => Number.isSafeInteger(n);

/** The vault's whole list, at most 2^20 entries. @param {Wire} wire */
export async function fetchListed(wire) {
  const entries = [];
  for (let first = 0; ;) {
    const { body } = await wire.get(`/v1/holder/entries?first=${first}`);
    const page = objectsOf(body, "entries"), next = body.next ?? null;
    if (!page.length && next !== null) bad("a page without entries names a next one");
    entries.push(...page);
    if (entries.length > MOST) bad(`the vault lists more than ${MOST} entries of one person`);
    if (next === null) return readListed({ entries });
    first = isWhole(next) && next > first ? next : bad("next: not an index after the page's first");
  }
}

/**
 * The auditor's list of what concerns a key; an unknown key has an empty one.
 * @param {Wire} wire speaks to the auditor's service as that key
 * @param {string} kid @param {Directory} directory @returns {Promise<Theirs>}
 */
export async function fetchAuditors(wire, kid, directory) {
  const body = await wire.get(`/entries?kid=${kid}`).then((answer) => answer.body, (lost) => {
    if (!isError(lost, "not-found")) throw lost;
  });
  const note = body ? textOf(body, "checkpoint") : text(await wire.raw("/checkpoint"));
  const head = await openListed(note, directory), { size, root } = head;
  const { base, key, entry } = logNamed(directory, head.origin), end = base + size;
  if (body && (body.size !== size || body.root !== root))
    bad("size and root of the list are not its checkpoint's", "bad-proof");
  const listed = body ? body.entries : [];
  if (!Array.isArray(listed)) return bad("the answer has no list member entries");
  if (listed.length > MOST) bad(`the auditor lists more than ${MOST} entries of one key`);
  const names = new Map(listed.map((item) => readEntry(item, end)));
  return { head, names, base, end, cosignedAt: await cosignedAt(note, key, entry) };
}

/** @param {unknown} item @param {number} end @returns {[number, string]} */
function readEntry(item, end) {
  if (!Array.isArray(item) || item.length !== 2 || !isWhole(item[0]))
    return bad("wanted an entry [index, SHA-256 in hex]");
  const [index, name] = item;
  if (index < 0 || index >= end) bad(`of ${end} entries none has the index ${index}`);
  if (!/^[0-9a-f]{64}$/.test(name)) bad("wanted 32 bytes of lower-case hex");
  return [index, name];
}

/**
 * @param {string} note @param {import("./note.js").Vkey} log
 * @param {{witnesses: string[], quorum: number}} entry
 */
async function cosignedAt(note, log, { witnesses, quorum }) {
  const keys = new Map(witnesses.map((one) => readVkey(one)).map((one) => [`${one.public}`, one]));
  const { cosigned } = await openCheckpoint(note, log, [...keys.values()]);
  const newest = new Map(cosigned.sort((a, b) => a.time - b.time)
    .map(({ witness, time }) => [witness.name, time]));
  return [...newest.values()].sort((a, b) => b - a)[quorum - 1] ?? null;
}

/**
 * An alarm for each entry that differs in the two lists, as far as the auditor's tree goes.
 * @param {Pick<Theirs, "names" | "end">} theirs
 * @param {Map<number, string>} ours what the vault listed and was verified
 */
export function unlike({ names, end }, ours) {
  /** @type {import("./monitor.js").Alarm[]} */
  const found = [];
  for (const index of new Set([...names.keys(), ...ours.keys()])) {
    const [own, other] = [ours, names].map((list) => list.get(index));
    if (index >= end || own === other) continue;
    const what = other ? own ? "another text of yours" : "an entry" : "nothing of yours";
    const detail = `the auditor has ${what} here${own ? "" : " that the vault does not show you"}`;
    found.push({ index, kind: "unlike", detail });
  }
  return found.sort((a, b) => a.index - b.index);
}
