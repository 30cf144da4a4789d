// What Sources says of a link in a consent.
import assert from "node:assert/strict";
import test from "node:test";

import { noteOf } from "../../consent/web/screens/sources.js";

const OWN = "0a".repeat(16), OLD = "0b".repeat(16), GRANT = "0c".repeat(16);
const directory = /** @type {any} */ ({ find: () => ({ name: "Bank" }) });
const grant = /** @type {any} */ ({ grant: GRANT, org: "bank", platform: "bank.demo", step: 3,
  first: "2026-01", last: "2026-12" });
/** @param {string} begins @param {Partial<import("../../consent/web/tokens.js").LinkFact>} [fact] */
const link = (begins, fact = {}) => ({ link: OWN, name: "Bikes", begins, ending: /** @type {any} */ ({
  link: OWN, org: "bikes", begins, absent: new Set(), ends: null, ...fact }) });
/** @param {[string[], string][]} made windows and the one link in each */
const state = (...made) => /** @type {any} */ ({ minted: made.map(([window, id]) =>
  ({ grant: GRANT, window, cells: [[id, window]] })) });
const Q1 = ["2026-01", "2026-02", "2026-03"], Q2 = ["2026-04", "2026-05", "2026-06"];
const Q3 = ["2026-07", "2026-08", "2026-09"], Q4 = ["2026-10", "2026-11", "2026-12"];

test("a link made after windows were minted counts from the next one not yet minted", () => {
  const said = noteOf(grant, link("2026-04"), state([Q1, OLD], [Q2, OLD]), directory);
  assert.match(said, /^Bank: Bikes counts there from July 2026 on.*up to June 2026/);
});

test("a link that is in every window minted since it began is not spoken of", () => {
  assert.equal(noteOf(grant, link("2026-04"), state([Q1, OLD], [Q2, OWN]), directory), "");
  assert.equal(noteOf(grant, link("2026-04"), state(), directory), "");
});

test("a link is not missed in windows that end before it began, or in which it is absent", () => {
  const gone = link("2026-04", { absent: new Set(Q2) });
  assert.equal(noteOf(grant, gone, state([Q1, OLD], [Q2, OLD]), directory), "");
});

test("a link does not count in a consent whose windows are all minted", () => {
  const all = state([Q1, OLD], [Q2, OLD], [Q3, OLD], [Q4, OLD]);
  assert.match(noteOf(grant, link("2026-05"), all, directory), /does not count there/);
});

test("a source of the platform's own organisation never counts", () => {
  const said = noteOf(grant, link("2026-01", { org: "bank" }), state(), directory);
  assert.match(said, /never counted/);
});
