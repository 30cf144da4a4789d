// Records of consents: the histories, records and refusals of the Python implementation.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { readDirectory } from "../../consent/web/directory.js";
import { exportRecord, historyOf } from "../../consent/web/dpv.js";
import { readEnvelope, unb64u } from "../../consent/web/encoding.js";
import { open } from "../../consent/web/messages.js";

const V = JSON.parse(readFileSync(new URL("../vectors/web_dpv.json", import.meta.url)));
const grantOf = ({ grant }) => open(readEnvelope(grant, "cv1-grant"), "cv1-grant");
const recordOf = async (one) => exportRecord(grantOf(one),
  await readDirectory(one.directory, unb64u(one.auditor)), V.templates,
  await historyOf(grantOf(one), one.entries, one.now), one.notice);

for (const one of V.cases)
  test(`${one.name}: ${one.slug ? `refused, ${one.slug}` : "the same record"}`, async () => {
    if (one.slug) await assert.rejects(recordOf(one), { name: "VaultError", slug: one.slug });
    else assert.deepEqual(JSON.parse(JSON.stringify(await recordOf(one))), one.record);
  });

test("the order in which entries come changes nothing", async () => {
  const [one] = V.cases.filter(({ name }) => name === "stopped");
  assert.deepEqual(await recordOf({ ...one, entries: [...one.entries].reverse() }), await recordOf(one));
});

test("a record with another notice, or of no events, is refused", async () => {
  const [one] = V.cases, directory = await readDirectory(one.directory, unb64u(one.auditor));
  await assert.rejects(recordOf({ ...one, notice: "something else" }), { slug: "bad-shape" });
  await assert.rejects(exportRecord(grantOf(one), directory, V.templates, [], null),
    { slug: "bad-shape" });
});
