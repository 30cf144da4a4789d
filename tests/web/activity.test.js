import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  NOBODY_ASKED, askAuditor, auditorsContact, watch,
} from "../../consent/web/activity.js";
import { readDirectory } from "../../consent/web/directory.js";
import { textHash, thumbprint, unb64u, utf8 } from "../../consent/web/encoding.js";
import { VaultError } from "../../consent/web/errors.js";
import { fetchListed, unlike } from "../../consent/web/lists.js";
import { readListed } from "../../consent/web/monitor.js";
import { Signers } from "../../consent/web/signers.js";
import { parseState } from "../../consent/web/state.js";

const FILE = new URL("../vectors/web_activity.json", import.meta.url);
const V = JSON.parse(readFileSync(FILE, "utf8"));
const FIRST = "/v1/holder/entries?first=0";
const account = unb64u(V.account), kid = await thumbprint(account);
const keys = [V.account, ...Object.values(V.consents)].map((pk) => ({ public: unb64u(pk) }));
const directories = Object.fromEntries(await Promise.all(Object.entries(V.directories).map(
  async ([name, text]) => [name, await readDirectory(text, unb64u(V.auditor))])));

/** A vault or an auditor that answers from memory. */
function shelf(answers, raw = {}) {
  const take = (from, path) => {
    if (!Object.hasOwn(from, path)) throw new VaultError("not-found", "nothing is there");
    if (from[path] === "unreachable") throw new VaultError("unreachable", "no answer");
    return from[path];
  };
  return {
    get: async (path) => ({ body: take(answers, path), etag: "" }),
    raw: async (path) => take(raw, path),
  };
}
const tiles = Object.fromEntries(Object.entries(V.tiles).map(([path, raw]) => [path, unb64u(raw)]));
const vault = (entries) => shelf({ [FIRST]: { entries, next: null } }, tiles);

const entriesOf = (one) => one.entries.map((e) =>
  Array.isArray(e) ? { ...V.entries[e[0]], ...e[1] } : V.entries[e]);

function ownOf(one) {
  const own = { ...V.own, ...one.own };
  return {
    account, consent: async (org) => unb64u(V.consents[org]), made: own.made,
    directory: directories[one.quorum ? "quorum" : "plain"],
    state: parseState(JSON.stringify(own.state)),
    look: { checkpoint: own.checkpoint, seen: own.seen },
  };
}

async function askedOf(one, directory) {
  if (!one.auditor) return NOBODY_ASKED;
  const lists = Object.entries(one.auditor).map(([name, body]) => [`/entries?kid=${name}`, body]);
  const notes = Object.entries(one.auditor).map(([name, body]) => [name, utf8(String(body))]);
  const wire = shelf(Object.fromEntries(lists), Object.fromEntries(notes));
  return askAuditor("audit.demo", () => wire, keys, directory);
}

async function look(one, entries = entriesOf(one)) {
  const own = ownOf(one), compared = await askedOf(one, own.directory);
  return watch(vault(entries), () => own, kid, compared);
}

const indexes = (alarms) => alarms.map(({ index }) => index);
const honest = new Map(V.honest.map((row) => [row[0], row]));

for (const one of V.cases)
  test(`${one.name}: the same as the Python implementation finds`, async () => {
    const [found, kept] = await look(one), wanted = one.found;
    assert.equal(wanted.error, undefined);
    // What proofs and JWS say in words is their own modules' matter.
    const told = ({ index, kind, detail }) =>
      [index, kind, kind === "unproved" || index < 0 || / kid|Unknown/.test(detail) ? "" : detail];
    const words = wanted.alarms.map(([index, kind, detail]) => told({ index, kind, detail }));
    assert.deepEqual(found.alarms.map(told), words);
    assert.deepEqual(
      found.entries.map((e) => [e.index, e.typ, e.consent, e.witnessed, e.made, e.act]),
      wanted.entries.map((row) => (Array.isArray(row) ? row : honest.get(row))));
    assert.deepEqual(
      [found.size, [...found.fresh].sort((a, b) => a - b), found.compared, found.comparedTo,
        found.cosignedAt, found.verified, Boolean(found.why)],
      [wanted.size, wanted.fresh, wanted.compared, wanted.compared_to,
        wanted.cosigned_at, wanted.verified, Boolean(wanted.why)]);
    assert.deepEqual(
      [found.foreign, found.withheld, found.differences].map(indexes),
      [wanted.foreign, wanted.withheld, wanted.differences]);
    assert.deepEqual(
      [found.uncompared, found.unwitnessed, found.before, found.elsewhere],
      [wanted.uncompared, wanted.unwitnessed, wanted.before, wanted.elsewhere]);
    assert.deepEqual(await Promise.all(found.notes.map(textHash)), wanted.notes);
    assert.equal(await textHash(kept.checkpoint), wanted.kept.checkpoint);
    // As Python writes it: members in the order of their text.
    const rows = Object.entries(kept.seen).sort(([a], [b]) => Number(a) - Number(b));
    const seen = `{${rows.map(([index, name]) => `"${index}": "${name}"`).join(", ")}}`;
    assert.equal(await textHash(seen), wanted.kept.seen);
  });

const HONEST = V.cases[0];
const LAST = V.honest.findLast((row) => row[4] === "here")[0];
const withoutLast = () => entriesOf(HONEST).filter(({ index }) => index !== LAST);

test("a second look over what was kept has nothing fresh and no alarm", async () => {
  const [, kept] = await look(HONEST);
  const again = { ...HONEST, own: { checkpoint: kept.checkpoint, seen: kept.seen } };
  const [found] = await look(again);
  assert.deepEqual([found.alarms, found.fresh.size], [[], 0]);
});

test("what comes between list and state is looked for once more", async () => {
  const all = entriesOf(HONEST), lists = [withoutLast(), all];
  const own = ownOf(HONEST);
  const get = async () => ({ body: { entries: lists.shift(), next: null } });
  const wire = { ...vault(all), get };
  const [found] = await watch(wire, () => own, kid, NOBODY_ASKED);
  assert.deepEqual([found.alarms, lists.length], [[], 0]);
});

test("what stays away at the second list too is withheld", async () => {
  const own = ownOf(HONEST), wire = vault(withoutLast());
  let asked = 0;
  const counted = { ...wire, get: (path) => (asked++, wire.get(path)) };
  const [found] = await watch(counted, () => own, kid, NOBODY_ASKED);
  assert.deepEqual([found.withheld.length, asked], [1, 2]);
});

test("an error that is none of a vault's is not taken for an alarm", async () => {
  const broken = { ...ownOf(HONEST), consent: () => { throw new TypeError("broken"); } };
  await assert.rejects(watch(vault(entriesOf(HONEST)), () => broken, kid, NOBODY_ASKED), TypeError);
});

const refused = (slug) => (error) => error instanceof VaultError && error.slug === slug;

test("the list comes in pages", async () => {
  const all = entriesOf(HONEST);
  const wire = shelf({
    [FIRST]: { entries: all.slice(0, 3), next: 7 },
    "/v1/holder/entries?first=7": { entries: all.slice(3), next: null },
  });
  assert.deepEqual((await fetchListed(wire)).map(({ index }) => index), indexes(all));
});

for (const [name, body] of Object.entries({
  "a page that does not go forward": { entries: [V.entries[0]], next: 0 },
  "an empty page that names a next one": { entries: [], next: 5 },
  "a next one that is no index": { entries: [V.entries[0]], next: "7" },
  "a page without a list": { next: null },
  "a list of something else": { entries: [1], next: null },
}))
  test(`${name} is refused`, async () => {
    await assert.rejects(fetchListed(shelf({ [FIRST]: body })), refused("bad-shape"));
  });

for (const [member, value] of [
  ["index", -1], ["index", "3"], ["index", 1.5], ["at", null], ["salt", "00"], ["text", 7],
  ["salt", "0".repeat(31) + "G"], ["proof", undefined],
])
  test(`an entry with ${member} ${value} is refused`, () => {
    const entries = [{ ...V.entries[0], [member]: value }];
    assert.throws(() => readListed({ entries }), refused("bad-shape"));
  });

test("only what the auditor's tree holds is compared", () => {
  const ours = new Map([[1, "a"], [2, "b"], [9, "c"]]);
  const unlikeOf = (names, end) => indexes(unlike({ names: new Map(names), end }, ours));
  assert.deepEqual(unlikeOf([[1, "a"], [2, "b"], [9, "c"]], 10), []);
  assert.deepEqual(unlikeOf([[1, "a"], [2, "b"]], 9), []);
  assert.deepEqual(unlikeOf([[1, "a"]], 9), [2]);
  assert.deepEqual(unlikeOf([[1, "a"], [2, "x"], [3, "d"]], 9), [2, 3]);
});

test("the auditor's contact counts only when it is an https URL", () => {
  const { listing } = directories.plain;
  assert.deepEqual(auditorsContact(directories.plain), ["audit.demo", null]);
  const contact = (told) => auditorsContact({ listing: { ...listing, entries: listing.entries.map(
    (one) => (one.roles.includes("auditor") ? { ...one, contact: told } : one)) } });
  assert.deepEqual(contact("https://audit.demo"), ["audit.demo", "https://audit.demo"]);
  assert.deepEqual(contact("http://audit.demo"), ["audit.demo", null]);
  assert.deepEqual(auditorsContact({ listing: { ...listing, entries: [] } }), ["auditor", null]);
});

test("a release after this person's stop is an alarm, whether the log holds the stop or not",
  async () => {
    const entries = entriesOf(HONEST);
    const bodyOf = ({ text }) =>
      JSON.parse(Buffer.from(text.split(".")[1], "base64url").toString());
    const one = entries.find(({ text }) => atob(text.split(".")[0]).includes('cv1-release"'));
    const { grant } = bodyOf(one), compared = NOBODY_ASKED;
    const alarms = async (stopped) => {
      const own = { ...ownOf(HONEST), stops: { [grant]: stopped } };
      const [found] = await watch(vault(entries), () => own, kid, compared);
      return found.alarms.filter(({ index, kind }) => index === one.index && kind === "strange");
    };
    assert.equal((await alarms(one.at - 601)).length, 1);
    assert.equal((await alarms(one.at - 599)).length, 0, "clocks differ a little");
    assert.equal((await alarms(one.at + 5)).length, 0, "it had left before");
  });

test("nothing is done under a grant that was stopped or replaced", async () => {
  const own = ownOf(HONEST), signers = new Signers(own, kid);
  const all = entriesOf(HONEST);
  for (const { text } of all) await signers.read(text);
  const again = all.filter(({ text }) => /cv1-(grant|token|pause|resume|revoke|release)"/.test(
    atob(text.split(".")[0])));
  assert.ok(again.length > 5);
  for (const { text } of again)
    await assert.rejects(signers.read(text), refused("bad-shape"));
});
