// The pictures: heights that add up, words for those who do not see them, a table behind each.
import assert from "node:assert/strict";
import { test } from "node:test";

class Stub {
  constructor(name) {
    Object.assign(this, { name, attrs: {}, kids: [] });
  }
  setAttribute(name, value) {
    this.attrs[name] = value;
  }
  addEventListener() {}
  append(...kids) {
    this.kids.push(...kids);
  }
  set className(value) {
    this.attrs.class = value;
  }
  get text() {
    return this.kids.map((one) => one.text ?? String(one)).join("");
  }
  all(name) {
    return this.kids.flatMap((one) => one instanceof Stub
      ? [...one.name === name ? [one] : [], ...one.all(name)] : []);
  }
}
globalThis.document = { createElement: (n) => new Stub(n), createElementNS: (_, n) => new Stub(n) };
const { categoriesChart, cumulativeChart, monthsChart, roof } =
  await import("../../consent/web/charts.js");
const { setLocale } = await import("../../consent/web/words.js");

const MONTHS = [
  { month: "2026-01", grams: [0, 500, 0, 1500, 0, 0, 0] },
  { month: "2026-02", grams: [0, 0, 0, 1000, 0, 0, 0] },
  { month: "2026-03", grams: [0, 0, 0, 0, 0, 0, 0] },
];
const plain = (text) => text.replace(/[\u00a0\u202f]/g, " ");
const height = (rect) => Number(rect.attrs.height);

test("the top of the scale is round and never below the highest value", () => {
  for (const [most, top] of [[0, 10], [9, 10], [11, 20], [2000, 2000], [2001, 4000], [99_000, 1e5]])
    assert.equal(roof(most), top);
});

test("bars are as high as their share of the scale, stacked without overlap", () => {
  const bars = monthsChart("By month", MONTHS).all("rect");
  assert.equal(bars.length, 3);
  assert.deepEqual(bars.map(({ attrs }) => attrs.class), ["c2", "c4", "c4"]);
  const [food, travel, next] = bars;
  assert.ok(Math.abs((height(travel) + 1) / (height(food) + 1) - 3) < 1e-9);
  assert.ok(Math.abs((height(travel) + 1) / (height(next) + 1) - 1.5) < 1e-9);
  assert.equal(Number(travel.attrs.y) + height(travel) + 1, Number(food.attrs.y));
});

test("every picture has a title and says its highest value and its sum", () => {
  setLocale("en");
  const [title] = monthsChart("By month", MONTHS).all("title");
  const [desc] = monthsChart("By month", MONTHS).all("desc");
  assert.equal(title.text, "By month");
  assert.equal(plain(desc.text), "By month. Highest: 2.0 kg. In all: 3.0 kg.");
  setLocale("zh-CN");
  assert.equal(plain(monthsChart("逐月", MONTHS).all("desc")[0].text), "逐月。最高：2.0千克。合计：3.0千克。");
  setLocale("en");
});

test("the table behind the months holds every number and no empty category", () => {
  const rows = monthsChart("By month", MONTHS).all("tr")
    .map((row) => row.kids.map((one) => plain(one.text)));
  assert.deepEqual(rows, [
    ["Month", "Food", "Travel", "Total"],
    ["January 2026", "500 g", "1.5 kg", "2.0 kg"],
    ["February 2026", "0 g", "1.0 kg", "1.0 kg"],
    ["March 2026", "0 g", "0 g", "0 g"],
  ]);
});

test("categories stand with the largest first", () => {
  const found = categoriesChart("By category", [10, 0, 0, 900, 0, 0, 50]);
  assert.deepEqual(found.all("rect").map(({ attrs }) => attrs.class), ["c4", "c7", "c1"]);
  assert.ok(found.all("rect").every((one) => Number(one.attrs.width) >= 3));
});

test("a cumulative picture rises by what each month adds", () => {
  const months = [100, 0, 200].map((grams, i) => ({ month: `2026-0${i + 1}`, grams }));
  const rows = cumulativeChart("In all", months).all("tr").map((row) => plain(row.kids[1].text));
  assert.deepEqual(rows, ["Total", "100 g", "100 g", "300 g"]);
});

test("nothing at all is drawn without a number that is none", () => {
  for (const chart of [monthsChart("x", []), categoriesChart("x", Array(7).fill(0)),
    cumulativeChart("x", [])]) {
    const values = ["rect", "path", "line", "text"].flatMap((name) => chart.all(name))
      .flatMap(({ attrs }) => Object.values(attrs));
    assert.deepEqual(values.filter((one) => /NaN|Infinity/.test(String(one))), []);
  }
});
