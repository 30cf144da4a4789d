/** Months, zones and the balance chain against the Python's. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";

import * as chain from "../../consent/web/chain.js";
import {VaultError} from "../../consent/web/errors.js";
import * as m from "../../consent/web/months.js";

const V = JSON.parse(readFileSync(new URL("../vectors/web_crypto.json", import.meta.url)));
const slug = wanted => error => error instanceof VaultError && error.slug === wanted;

for (const [zone, {months, moments}] of Object.entries(V.zones))
  test(`months and their slots begin in ${zone} as in Python`, () => {
    for (const [month, begin, ...slot] of months) {
      assert.equal(m.monthBegins(month, zone), begin, month);
      assert.deepEqual(m.closeSlot(month, zone), slot);
    }
    for (const [unix, month, local] of moments) {
      assert.equal(m.monthAt(unix, zone), month);
      assert.equal(m.localTime(unix, zone), local);
    }
  });

test("months add up as in Python", () => {
  for (const [month, n, sum] of V.calendar.added) assert.equal(m.addMonths(month, n), sum);
  for (const [month, n] of V.calendar.over)
    assert.throws(() => m.addMonths(month, n), slug("bad-shape"));
  for (const text of V.calendar.bad) assert.throws(() => m.parseMonth(text), slug("bad-shape"));
});

test("spans are cut into whole windows", () => {
  assert.deepEqual(m.monthsFrom("2026-12", "2027-01"), ["2026-12", "2027-01"]);
  assert.deepEqual(m.monthsFrom("2026-02", "2026-01"), []);
  assert.deepEqual(m.windowsOf("2026-01", "2026-04", 2),
    [["2026-01", "2026-02"], ["2026-03", "2026-04"]]);
  for (const [first, last, step] of [["2026-01", "2026-02", 3], ["2026-02", "2026-01", 1]])
    assert.throws(() => m.windowsOf(first, last, step), slug("bad-shape"));
  assert.equal(m.joinWindow(["2026-01", "2026-02"]), "2026-01/2026-02");
});

test("seconds outside the calendar and unknown zones are refused", () => {
  for (const unix of [0, -1, 2 ** 53 - 1, 2 ** 63, 4102444800 + 86400, NaN])
    assert.throws(() => m.monthAt(unix, "UTC"), slug("bad-shape"));
  for (const zone of V.calendar.no_zone)
    assert.throws(() => m.monthAt(1767196800, zone), slug("bad-shape"), zone);
});

test("settling is the Python's, with debts and caps", () => {
  assert.equal(V.chain.length, 24);
  assert.ok(V.chain.some(([, , , , balances]) => balances.some(mg => mg < 0)));
  for (const [before, sums, caps, grams, balances] of V.chain)
    for (const added of [new Map(sums), Object.fromEntries(sums)])
      assert.deepEqual(chain.settle(before, added, c => caps[c - 1]), {grams, balances});
});

test("a debt is carried and closes zero", () => {
  const first = chain.settle(chain.ZERO, {4: -2500}, () => 1e6);
  assert.deepEqual([first.grams[3], first.balances[3]], [0, -2500]);
  const second = chain.settle(first.balances, {4: 4000}, () => 1e6);
  assert.deepEqual([second.grams[3], second.balances[3]], [1, 500]);
});

test("sums that are not exact are refused", () => {
  assert.throws(() => chain.settle(chain.ZERO.map(() => 2 ** 53 - 1), {1: 1}, () => 1),
    slug("bad-total"));
  assert.throws(() => chain.settle([0, 0], {}, () => 1), slug("bad-total"));
});

test("the digest is the Python's", async () => {
  for (const [pairs, digest] of V.digests) assert.equal(await chain.digestOf(pairs), digest);
});
