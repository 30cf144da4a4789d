// What a person takes away: the same bytes as the Python commands give, and a signed archive.
import assert from "node:assert/strict";
import test from "node:test";
import { makeArchive, recordsCsv, recordsJson, rowsOf } from "../../consent/web/archive.js";
import { hex, readEnvelope, sha256, text, thumbprint, unb64u, unhex, utf8, verify }
  from "../../consent/web/encoding.js";
import { readDirectory } from "../../consent/web/directory.js";
import { accountKey } from "../../consent/web/keys.js";
import { fetchRelease } from "../../consent/web/methodology.js";
import { makeReceipt } from "../../consent/web/receipts.js";
import { openLink } from "../../consent/web/records.js";
import { Shelf, slugOf, vectors } from "./shelf.js";

const { vault: found, fork } = vectors("web_records.json"), root = unhex(found.root);
const shelf = new Shelf({});
shelf.get = async (path) => found.answers[path];
const { directory: signed } = found.answers["/v1/directory"].body;
const directory = await readDirectory(signed, unb64u(found.policy.auditor));
const releaseOf = (id) => fetchRelease(shelf, directory, id);

async function own() {
  const { links } = found.answers["/v1/holder/links"].body;
  // In the order in which Python's state holds them: links are sorted by their ids there too.
  return Promise.all(links.map(({ link, source }) =>
    openLink(shelf, root, { directory, link, source }, releaseOf)));
}

test("records are the rows of `carbonvault holder records --json`", async () => {
  const rows = await rowsOf(await own(), releaseOf, directory.listing.zone);
  const sorted = (all) => all.map((row) => JSON.stringify(row)).sort();
  assert.deepEqual(sorted(rows), sorted(found.rows));
  assert.deepEqual(rows.map((r) => r.start), found.rows.map((r) => r.start));
  assert.ok(rows.some((row) => row.reason === "counted-before" && row.mg === 0));
  assert.ok(rows.some((row) => row.mg < 0));
  assert.deepEqual(JSON.parse(recordsJson(rows)), { records: rows });
});

test("the table is the one of `carbonvault holder records --csv`", () => {
  assert.equal(recordsCsv(found.rows), found.csv);
});

test("a text that a spreadsheet would run begins with an apostrophe", () => {
  const row = { start: "2026-01-01 08:00", source: "=1+1", behaviour: "+1", category: 4, mg: -5,
    reason: "@x", activity: { "-m": 1 }, detail: { "\tnote": 'a "b", c\r\nd' } };
  assert.equal(recordsCsv([row]).split("\r\n").slice(1).join("\r\n"),
    "2026-01-01 08:00,'=1+1,'+1,4,-5,'@x,'-m: 1,\"'\tnote: a \"\"b\"\", c\r\nd\"\r\n");
});

test("totals of the closes are those of Python", async () => {
  const totals = Object.fromEntries((await own()).map(({ link, closes }) =>
    [link, Object.fromEntries(closes.map(({ month, grams }) => [month, grams]))]));
  assert.deepEqual(totals, found.totals);
});

test("the last line is the account's word over all lines before", async () => {
  const key = await accountKey(root), made = await makeArchive(shelf, key, found.vault, found.now);
  const lines = made.split("\n"), last = JSON.parse(lines.at(-2)), head = JSON.parse(lines[0]);
  const envelope = readEnvelope(last.archive, "cv1-archive");
  await verify(envelope, key.public);
  assert.equal(head.account, await thumbprint(key.public));
  assert.equal(lines.at(-1), "");
  assert.deepEqual([envelope.body.lines, envelope.body.vault], [lines.length - 2, found.vault]);
  const before = lines.slice(0, -2).map((line) => `${line}\n`).join("");
  assert.equal(envelope.body.sha256, hex(await sha256(utf8(before))));
  const types = new Set(lines.slice(0, -1).map((line) => JSON.parse(line).type));
  assert.deepEqual([...types], ["archive", "directory", "link", "batch", "close", "absent",
    "entry", "grant", "token", "release", "wrap", "state", "end"]);
});

test("a line has the type it was asked for, whatever the vault sends", async () => {
  const lying = new Shelf({}), key = await accountKey(root);
  lying.get = async (path) => {
    const answer = structuredClone(found.answers[path]);
    for (const item of answer.body.grants ?? []) item.type = "end";
    return answer;
  };
  const made = await makeArchive(lying, key, found.vault, found.now);
  assert.equal(made.match(/"type":"end"/g).length, 1);
});

test("a page that does not go forward ends the archive, unsigned", async () => {
  const stuck = new Shelf({}), key = await accountKey(root);
  for (const next of [0, "1", 1.5]) {
    stuck.get = async (path) => {
      const answer = structuredClone(found.answers[path.replace("first=1", "first=0")]);
      if (path.includes("/entries")) answer.body.next = next === 1.5 ? -1 : next;
      return answer;
    };
    assert.equal(await slugOf(() => makeArchive(stuck, key, found.vault, 0)), "bad-shape");
  }
});

const receipt = JSON.parse(found.receipt), given = { text: receipt.grant, proof: receipt.proof };
const { templates } = found;

test("a receipt has the bytes of Python's", async () => {
  const made = (turns) =>
    makeReceipt(given, directory, receipt.directory_proof, templates, turns).then(text);
  assert.equal(await made(), found.receipt);
  assert.equal(await made(JSON.parse(found.receipt_turns).turns), found.receipt_turns);
});

test("a receipt is made of nothing that does not verify", async () => {
  const made = (change, by = directory, proof = receipt.directory_proof, words = templates) =>
    slugOf(() => makeReceipt({ ...given, ...change }, by, proof, words));
  const [first, second] = found.answers["/v1/holder/entries?first=0"].body.entries;
  assert.equal(await made({}), null);
  assert.equal(await made({ proof: first.proof }), "bad-proof");
  assert.equal(await made({ text: second.text, proof: second.proof }), "bad-type");
  assert.equal(await made({}, directory, receipt.proof), "bad-proof");
  const find = (id) => ({ ...directory.find(id), org: "another.demo" });
  const other = Object.assign(Object.create(directory), { find });
  assert.equal(await made({}, other), "bad-directory");
  const listing = { ...directory.listing, version: 1 }; // the first stands at index 0
  const first0 = Object.assign(Object.create(directory), { listing });
  assert.equal(await made({}, first0), "bad-directory");
});

test("a receipt leaves a notice out whose words are others now", async () => {
  const words = structuredClone(templates);
  const made = async () =>
    JSON.parse(text(await makeReceipt(given, directory, receipt.directory_proof, words)));
  const before = await made();
  assert.ok(before.notice);
  for (const template of Object.values(words)) template.text.en.purpose = "something else";
  const { notice, ...others } = before;
  assert.deepEqual(await made(), others);
  assert.ok(notice);
});

test("a receipt of two histories of one log is not made", async () => {
  const { receipt: one, other, slug } = fork;
  const held = await readDirectory(one.directory, unb64u(found.policy.auditor));
  const made = ({ grant, proof }) =>
    slugOf(() => makeReceipt({ text: grant, proof }, held, one.directory_proof, templates));
  assert.equal(await made(one), null);
  assert.equal(await made(other), slug);
  assert.equal(slug, "bad-proof");
});
