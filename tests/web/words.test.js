// Words and numbers as people read them, in both languages.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { VaultError } from "../../consent/web/errors.js";
import {
  addWords, away, category, day, listed, locale, mass, monthName, number, pickLocale, sentence,
  setLocale, setZone, span, t, time,
} from "../../consent/web/words.js";

const plain = (text) => text.replace(/[\u00a0\u202f]/g, " ");
const both = (make) => {
  const made = ["en", "zh-CN"].map((one) => {
    setLocale(one);
    return plain(make());
  });
  setLocale("en");
  return made;
};

beforeEach(() => {
  setLocale("en");
  setZone("Asia/Shanghai");
});

addWords({
  "test.days": ["{n:day|days} left for {who}", "{who}还剩 {n} 天"],
  "test.braces": ["{a} and {a}", "{a}和{a}"],
});

test("members are put in, and counted ones take their plural", () => {
  assert.equal(t("test.days", { n: 1, who: "A" }), "1 day left for A");
  assert.equal(t("test.days", { n: 1200, who: "A" }), "1,200 days left for A");
  setLocale("zh-CN");
  assert.equal(t("test.days", { n: 1, who: "甲" }), "甲还剩 1 天");
});

test("a member's text is not read as a placeholder, and its $ means nothing", () => {
  assert.equal(t("test.braces", { a: "{a}$&" }), "{a}$& and {a}$&");
});

test("what is counted reads right for one too", async () => {
  for (const name of ["activity", "consents", "figures", "home", "public", "records", "settings",
    "shell", "sources", "start"]) {
    const { default: words } = await import(`../../consent/web/words/${name}.js`);
    for (const [key, [text]] of Object.entries(words).filter(([, [text]]) => /\{\w+:/.test(text)))
      assert.doesNotMatch(text, /\b(each|them|they|these)\b|\{\w+:it\|/i, key);
  }
});

test("a key without words is a mistake that shows", () => {
  assert.throws(() => t("no.such"), /no words for no\.such/);
  assert.throws(() => t("toString"), /no words/);
});

test("the language is the first wish that we speak, else English", () => {
  assert.equal(pickLocale(["fr", "zh-TW", "en"]), "zh-CN");
  assert.equal(pickLocale(["en-GB", "zh"]), "en");
  assert.equal(pickLocale(["fr"]), "en");
  assert.equal(pickLocale([]), "en");
  assert.equal(locale(), "en");
});

test("grams below a kilogram are whole, above it kg with one decimal", () => {
  assert.deepEqual(both(() => mass(0)), ["0 g", "0克"]);
  assert.deepEqual(both(() => mass(999)), ["999 g", "999克"]);
  assert.deepEqual(both(() => mass(1000)), ["1.0 kg", "1.0千克"]);
  assert.deepEqual(both(() => mass(12_480n)), ["12.5 kg", "12.5千克"]);
  assert.deepEqual(both(() => mass(-1500)), ["−1.5 kg", "−1.5千克"]);
  assert.deepEqual(both(() => mass(1_234_567)), ["1,234.6 kg", "1,234.6千克"]);
  assert.equal(plain(mass(20_000, 0)), "20 kg");
});

test("months, days and spans are written as each language does", () => {
  assert.deepEqual(both(() => monthName("2026-10")), ["October 2026", "2026年10月"]);
  assert.deepEqual(both(() => monthName("2026-01", true)), ["Jan", "1月"]);
  assert.deepEqual(both(() => span("2026-01", "2026-01")), ["January 2026", "2026年1月"]);
  assert.deepEqual(both(() => span("2026-01", "2026-03")),
    ["January 2026 to March 2026", "2026年1月至2026年3月"]);
});

test("times are the vault's, whatever zone the machine is in", () => {
  const midnight = Date.UTC(2026, 9, 31, 16) / 1000;
  assert.deepEqual(both(() => day(midnight)), ["Nov 1, 2026", "2026年11月1日"]);
  assert.match(time(midnight), /Nov 1, 2026, (00|24):00/);
  setZone("Europe/Berlin");
  assert.match(time(midnight), /Oct 31, 2026, 17:00/);
});

test("time left is told in days of the vault's calendar, in hours or minutes", () => {
  assert.deepEqual(both(() => away(12.9 * 86400, 0)), ["in 13 days", "13天后"]);
  const [may, june] = ["2026-05-02T09:00+08:00", "2026-06-01T00:00+08:00"].map((one) =>
    Date.parse(one) / 1000);
  assert.deepEqual([away(june, may), away(may, june)], ["in 30 days", "30 days ago"]);
  setZone("Europe/Berlin"); // it is still May there
  assert.equal(away(june, may), "in 29 days");
  assert.deepEqual(both(() => away(0, 2 * 86400)), ["2 days ago", "前天"]);
  assert.equal(away(7200, 0), "in 2 hours");
  assert.equal(away(600, 0), "in 10 minutes");
});

test("numbers, lists and categories follow the language", () => {
  assert.deepEqual(both(() => number(12345)), ["12,345", "12,345"]);
  assert.deepEqual(both(() => listed(["a", "b", "c"])), ["a, b, and c", "a、b和c"]);
  assert.deepEqual(both(() => category(4)), ["travel", "出行"]);
});

test("an error reads as the protocol's sentence", () => {
  const error = new VaultError("revoked", "x");
  assert.deepEqual(both(() => sentence(error)), ["The person has stopped sharing.", "此人已停止共享。"]);
  assert.equal(sentence(new TypeError("x is undefined")), "Something went wrong.");
  assert.equal(sentence(new VaultError("toString")), "Something went wrong.");
  assert.equal(sentence(null), "Something went wrong.");
});

test("what a hostile server does reads as what to do about it", () => {
  const older = new VaultError("bad-shape", "the vault shows state 3, this device saw 5");
  assert.match(sentence(older), /older state than this device has already seen/);
  const back = new VaultError("bad-directory", "version 2 does not follow the held 3");
  assert.match(sentence(back), /older state/);
  const unpinned = new VaultError("bad-directory", "the directory is not signed by the pinned auditor");
  assert.match(sentence(unpinned), /Do not type your code here/);
  const over = new VaultError("bad-directory", "the directory expired at 5, or lives too long");
  assert.match(sentence(over), /out of date/);
  const texts = "the vault's templates are not those that this app was published with";
  assert.match(sentence(new VaultError("bad-shape", texts)), /Allow nothing here now/);
  assert.match(sentence(new VaultError("bad-proof", "it was sent: no such root")), /under Sharing/);
  assert.equal(sentence(new VaultError("bad-proof", "no such root")),
    "The public record does not prove what is shown, so it is not used. Try again later; if it stays so, tell the vault's auditor.");
  assert.equal(sentence(new VaultError("bad-shape", "other")),
    "The message is incomplete or holds something it should not.");
  const refused = Object.assign(new Error("no"), { name: "NotAllowedError" });
  assert.match(sentence(refused), /passkey was not used/);
});
