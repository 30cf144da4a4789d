// What a person reads of a consent: where it stands, what becomes of each window, what changes.
import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY } from "../../consent/web/state.js";
import {
  begin, changesOf, comingOf, completeIn, exampleOf, groupsOf, isOver, lastsOf, latestStart, nextOf,
  lastDay, partsOf, scopeWords, standingOf, turnWords, whatWords,
} from "../../consent/web/sharing.js";
import { addWords, setLocale } from "../../consent/web/words.js";
import words from "../../consent/web/words/consents.js";

addWords(words);
const LINK = "01".repeat(16), OTHER = "02".repeat(16), ID = "aa".repeat(16);
const grant = { grant: ID, org: "bank.example", platform: "bank.example", template: "CITY-REWARD",
  purposes: ["PublicBenefit"], categories: [4], step: 1, first: "2026-01", last: "2026-05",
  until: 2000, mode: "total", show_sources: false, exclusive: false, data_life_days: 30 };
const own = (state = "live", proved = false) =>
  ({ grant, state, text: "", count: 0, deletion: null, proved });
const close = (month, travel, food = 0) => ({ month, grams: [0, food, 0, travel, 0, 0, 0] });
const links = [{ link: LINK, source: "a.example", batches: [],
  closes: [close("2026-01", 100, 7), close("2026-02", 250)] }];
const minted = (month, org = grant.org, categories = [4], id = ID) =>
  ({ grant: id, org, categories, window: [month], cells: [[LINK, [month]]] });
const use = (month, index = 9) => ({ release: { grant: ID, window: [month] },
  place: { at: 1, index, cosigned: [] } });
const facts = (changed = {}) => ({ state: { ...EMPTY, minted: ["2026-01", "2026-02", "2026-03"].map(
  (month) => minted(month)) }, standing: "live", uses: [use("2026-01")], links, latest: "2026-04",
failed: null, ...changed });
const turns = (changed) => comingOf(grant, facts(changed)).map(({ turn }) => turn);

test("the last day of a consent is the one before its end", () => {
  setLocale("en");
  const ends = Date.parse("2026-09-01T00:00+08:00") / 1000, now = Date.parse("2026-05-02") / 1000;
  assert.deepEqual(lastDay({ until: ends }, now), { day: "Aug 31, 2026", when: "in 121 days" });
  assert.equal(lastDay({ until: ends + 3600 }).day, "Sep 1, 2026");
});

test("what vault, own state and clock say of a consent comes together", () => {
  const state = (said) => ({ ...EMPTY, statuses: said ? { [ID]: said } : {} });
  const at = (told, said, now = 1000) => standingOf(own(told), state(said), now);
  assert.equal(at("live"), "live");
  assert.equal(at("paused"), "paused");
  assert.equal(at("paused", "paused"), "paused");
  assert.equal(at("revoked", "live"), "revoked");
  assert.equal(at("live", "replaced"), "replaced");
  assert.equal(at("replaced"), "replaced");
  assert.equal(at("live", undefined, 2000), "expired");
  assert.equal(at("paused", undefined, 2000), "expired");
  assert.equal(at("revoked", undefined, 2000), "revoked");
  assert.deepEqual(["live", "paused", "revoked", "replaced", "expired"].map(isOver),
    [false, false, true, true, true]);
});

test("a stop or a pause that the vault neither shows nor proved is not shown as done", () => {
  const at = (told, said, proved, now = 1000) =>
    standingOf(own(told, proved), { ...EMPTY, statuses: { [ID]: said } }, now);
  assert.equal(at("live", "revoked", false), "unconfirmed");
  assert.equal(at("paused", "revoked", false), "unconfirmed");
  assert.equal(at("live", "paused", false), "pausing");
  assert.equal(at("live", "revoked", true), "revoked", "a vault that forgets is not believed");
  assert.equal(at("live", "paused", true), "paused");
  assert.equal(at("live", "revoked", false, 2000), "expired");
  assert.deepEqual(["unconfirmed", "pausing"].map(isOver), [false, false]);
  assert.deepEqual(turns({ standing: "unconfirmed" }),
    ["left", "ready", "open", "ended", "ended"], "its tokens are still at the vault");
});

test("each window has left, may be fetched, is open or comes later", () => {
  assert.deepEqual(turns(), ["left", "ready", "open", "none", "later"]);
  const [left, ready, open] = comingOf(grant, facts());
  assert.equal(left.grams, 100);
  assert.equal(left.use.place.index, 9);
  assert.equal(ready.grams, 250);
  assert.equal(open.grams, null);
});

test("an ended consent lets nothing more leave, what left stays", () => {
  assert.deepEqual(turns({ standing: "revoked" }), ["left", "ended", "ended", "ended", "ended"]);
  assert.equal(nextOf(comingOf(grant, facts({ standing: "revoked" }))), undefined);
});

test("a window without a token says why", () => {
  const state = { ...EMPTY, minted: [minted("2026-04", grant.org, [2, 4], "bb".repeat(16))] };
  assert.equal(turns({ state })[3], "taken");
  const apart = { ...EMPTY, minted: [minted("2026-04", grant.org, [2], "bb".repeat(16)),
    minted("2026-04", "shop.example", [4], "bb".repeat(16))] };
  assert.equal(turns({ state: apart })[3], "none");
  const failed = new Error("no network");
  const [, , , one] = comingOf(grant, facts({ failed }));
  assert.deepEqual([one.turn, one.why], ["failed", failed]);
});

test("the next figure is one that may be fetched, before one that is open or later", () => {
  assert.equal(nextOf(comingOf(grant, facts())).window[0], "2026-02");
  assert.equal(nextOf(comingOf(grant, facts({ links: [] }))).turn, "open");
  const gone = comingOf(grant, facts({ state: EMPTY, uses: [] }));
  assert.equal(nextOf(gone).turn, "later");
  assert.equal(nextOf(gone.slice(0, 2)).turn, "none");
});

test("figures fall into those known, ahead, taken and empty", () => {
  const figure = (grams, sources, taken = false) => ({ window: ["2026-01"], grams, taken,
    cells: Array(sources).fill([LINK, ["2026-01"]]) });
  const zero = figure(0, 1), ahead = figure(null, 2), taken = figure(null, 0, true);
  const none = figure(null, 0);
  assert.deepEqual(groupsOf([zero, ahead, taken, none]),
    { known: [zero], ahead: [ahead], taken: [taken], none: [none] });
});

test("a figure is of the sources that have something in its cells", () => {
  const other = { link: OTHER, source: "b.example", batches: [], closes: [close("2026-02", 0, 5)] };
  const again = { ...other, link: "c".repeat(32), source: "a.example",
    closes: [close("2026-03", 40)] };
  const all = [...links, other, again], months = ["2026-01", "2026-02", "2026-03"];
  const of = (categories, grams, ...cells) => partsOf(all, { cells, grams }, categories);
  const [a, b, c] = all.map(({ link }) => [link, months]);
  assert.deepEqual(of([4], 390, a, b, c), ["a.example"], "one source, linked twice");
  assert.deepEqual(of([2, 4], 400, a, b), ["a.example", "b.example"]);
  assert.deepEqual(of([2, 4], 350, a), ["a.example"], "what is no cell of it is not in it");
  assert.deepEqual(of([2], 5, [LINK, ["2026-02"]], b), ["b.example"], "nor a month that is none");
  assert.deepEqual(of([5], 0, a, b), ["a.example", "b.example"], "where all is 0, each may be");
  assert.deepEqual(of([4], null, a, b, c), ["a.example", "b.example"], "to come: all");
});

test("an example is the newest closed months, as many as a window has, over the categories", () => {
  assert.deepEqual(exampleOf(links, [2, 4], 1), { window: ["2026-02"], grams: 250 });
  const both = [...links, { link: OTHER, source: "b.example", batches: [],
    closes: [close("2026-02", 50, 5)] }];
  assert.deepEqual(exampleOf(both, [2, 4], 1), { window: ["2026-02"], grams: 305 });
  assert.equal(exampleOf(links, [4], 3), null, "two months make no quarter");
  assert.equal(exampleOf([], [4], 1), null);
  assert.deepEqual(exampleOf(both, [4], 1, ["2026-02", "2026-03"]),
    { window: ["2026-01"], grams: 100 }, "a month to come is no example of itself");
  assert.equal(exampleOf(links, [4], 1, ["2026-01", "2026-02"]), null);
});

test("a consent may be ended with each of its windows", () => {
  assert.deepEqual(lastsOf({ first: "2026-01", last: "2026-06", step: 3 }), ["2026-03", "2026-06"]);
  assert.equal(completeIn(["2026-11", "2026-12"]), "2027-01");
  assert.equal(latestStart(Date.parse("2026-11-30T17:00:00Z") / 1000, 3, "Asia/Shanghai"), "2027-03");
});

test("changed terms are marked item by item", () => {
  const after = { ...grant, categories: [2, 4], last: "2026-04", data_life_days: 30 };
  const changed = changesOf(grant, after).filter((one) => one.changed).map(({ member }) => member);
  assert.deepEqual(changed, ["categories", "last"]);
  assert.equal(changesOf(grant, { ...grant }).some((one) => one.changed), false);
});

test("figure and period are said the same way in both languages", () => {
  setLocale("zh-CN");
  assert.equal(whatWords(["2026-10"], [4]), "2026年10月出行减排");
  assert.equal(scopeWords([1, 2, 3, 4, 5, 6, 7]), "全部七类");
  setLocale("en");
  assert.equal(whatWords(["2026-10"], [4]), "October 2026, reduction in travel");
  assert.equal(begin(scopeWords([2, 4])), "Food and travel");
  const said = turnWords({ window: ["2026-10"], turn: "ready", grams: 12500 }, 3);
  assert.equal(said, "They may fetch it now.", "the amount stands beside it");
});
