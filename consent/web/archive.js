// What a person takes away: their records as JSON and CSV, and the raw signed archive
// (docs/archive.md).
import { b64u, compactJson, hex, sha256, signJws, thumbprint, utf8 } from "./encoding.js";
import { VaultError } from "./errors.js";
import { localTime } from "./months.js";
import { objectsOf, textOf } from "./wire.js";

/** @import { Getter, OwnLink } from "./records.js" */
/** @import { ReleaseOf } from "./recompute.js" */
/** @typedef {Record<string, unknown>} Members */

const COLUMNS = ["start", "source", "behaviour", "category", "mg", "reason", "activity", "detail"];

/**
 * Return every record as `carbonvault holder records --json` names its members, by start.
 * @param {OwnLink[]} links @param {ReleaseOf} releaseOf @param {string} zone the directory's
 */
export async function rowsOf(links, releaseOf, zone) {
  const rows = [];
  for (const { source, batches } of links) for (const gone of [false, true])
    for (const r of batches.flatMap(({ records, voided }) => (gone ? voided : records))) rows.push({
      start: localTime(r.start, zone), source, behaviour: r.behaviour,
      category: (await releaseOf(r.release)).category(r.behaviour), mg: gone ? 0 : r.mg,
      reason: gone ? "counted-before" : r.reason ?? null, activity: r.activity,
      start_unix: r.start, end_unix: r.end, region: r.detail?.region ?? null, evidence: r.evidence,
      release: r.release, rev: r.rev, detail: r.detail ?? {},
    });
  return rows.sort((a, b) => (a.start < b.start ? -1 : Number(a.start > b.start)));
}

/** Return rows as JSON. @param {Members[]} rows */
export const recordsJson = (rows) => JSON.stringify({ records: rows }, null, 1);

/** Return rows as a table for a spreadsheet. @param {Members[]} rows */
export const recordsCsv = (rows) =>
  [COLUMNS, ...rows.map((row) => COLUMNS.map((name) => cell(row[name])))].map((line) =>
    `${line.map((text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text))}\r\n`)
    .join("");

/** @param {unknown} found a text that a spreadsheet would run begins with an apostrophe */
function cell(found) {
  if (typeof found === "number") return String(found);
  const text = typeof found === "object" && found
    ? Object.entries(found).map(([name, value]) => `${name}: ${value}`).join("; ")
    : String(found ?? "");
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

/**
 * Return the raw archive: what the vault has of this person, with its proofs, signed by them.
 * @param {Getter} wire speaks as the account @param {import("./encoding.js").SigningKey} key its
 * @param {string} vault the directory's id of it @param {number} iat unix seconds
 */
export async function makeArchive(wire, key, vault, iat) {
  /** @type {string[]} */
  const lines = [], pk = b64u(key.public), account = await thumbprint(key.public);
  /** @param {string} type @param {Members} members whatever type they say themselves */
  const add = (type, members) =>
    lines.push(`${compactJson(Object.assign({ type }, members, { type }))}\n`);
  /** @param {string} path */
  const get = async (path) => (await wire.get(`/v1/${path}`)).body;

  add("archive", { format: "carbonvault-archive/1", vault, account, iat });
  add("directory", await get("directory"));
  for (const own of objectsOf(await get("holder/links"), "links")) {
    const link = textOf(own, "link"), path = `holder/links/${link}`;
    add("link", own);
    for await (const item of pages(get, `${path}/batches`, "batches"))
      add("batch", { link, ...item });
    const body = await get(`${path}/closes`);
    for (const item of objectsOf(body, "closes")) add("close", { link, ...item });
    for (const item of objectsOf(body, "absents")) add("absent", { link, ...item });
  }
  for await (const item of pages(get, "holder/entries", "entries")) add("entry", item);
  for (const type of ["grant", "token", "release", "request", "wrap"])
    for (const item of objectsOf(await get(`holder/${type}s`), `${type}s`)) add(type, item);
  const { body, etag } = await wire.get("/v1/holder/state");
  add("state", { counter: Number(etag.replaceAll("\"", "")), ...body });
  const sum = hex(await sha256(utf8(lines.join(""))));
  const signed = { iat, pk, vault, lines: lines.length, sha256: sum };
  add("end", { archive: await signJws("cv1-archive", signed, key) });
  return lines.join("");
}

/** @param {(path: string) => Promise<Members>} get @param {string} path @param {string} list */
async function* pages(get, path, list) {
  for (let first = 0; ;) {
    const body = await get(`${path}?first=${first}`), { next } = body;
    yield* objectsOf(body, list);
    if (next === null || next === undefined) return;
    if (typeof next !== "number" || next <= first)
      throw new VaultError("bad-shape", "next: not a number after the page's first");
    first = next;
  }
}
