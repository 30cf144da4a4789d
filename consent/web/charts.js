// Pictures of reductions, drawn as SVG; behind each stands a table with its numbers.

import { el, more, svg, table } from "./dom.js";
import { CATEGORIES } from "./months.js";
import { category, mass, monthName, t } from "./words.js";

/** @typedef {{month: string, grams: number[]}} Month grams by category 1..7 */

const W = 360, H = 190, LEFT = 44, FOOT = 22, TOP = 12;
const named = (/** @type {number} */ one) => category(one).replace(/^./, (a) => a.toUpperCase());
const sum = (/** @type {number[]} */ list) => list.reduce((a, b) => a + b, 0);

/** A round number at or above the highest value. @param {number} most @returns {number} */
export function roof(most) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(most, 10)));
  return [1, 2, 4, 6, 8, 10].map((n) => n * ten).find((one) => one >= most) ?? 10 * ten;
}

/** @param {number} top */
const lines = (top) => [0, 0.5, 1].map((part) => {
  const y = H - FOOT - part * (H - FOOT - TOP);
  return [svg("line", { x1: LEFT, x2: W, y1: y, y2: y }),
    svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, mass(part * top, 0))];
});

/** @param {string[]} months @param {number} step */
const below = (months, step) => months.map((month, i) => {
  const each = Math.ceil(months.length / 7);
  return (months.length - 1 - i) % each ? null : svg("text", { x: LEFT + step * (i + 0.5), y: H - 5,
    "text-anchor": "middle" }, monthName(month, true));
});

/** @param {string} title @param {string} desc @param {import("./dom.js").Child[]} parts
 * @param {number} [height] */
const picture = (title, desc, parts, height = H) => svg("svg", { class: "chart", role: "img",
  viewBox: `0 0 ${W} ${height}` }, svg("title", {}, title), svg("desc", {}, desc), parts);

/** @param {string} title @param {number[]} sums */
const told = (title, sums) =>
  t("charted", { title, most: mass(Math.max(0, ...sums)), sum: mass(sum(sums)) });

/** @param {number[]} found */
const legend = (found) => el("p.legend", found.map((one) =>
  el("span", { class: `swatch c${one}` }, named(one))));

/** @param {string[]} heads @param {import("./dom.js").Child[][]} rows @param {string} title */
const behind = (title, heads, rows) =>
  more(t("numbers"), table(title, heads, rows, heads.map((_, i) => i).slice(1)));

/** Months as bars, each stacked by category. @param {string} title @param {Month[]} months
 * @returns {HTMLElement} */
export function monthsChart(title, months) {
  const sums = months.map(({ grams }) => sum(grams)), top = roof(Math.max(0, ...sums));
  const step = (W - LEFT) / Math.max(months.length, 4), wide = Math.min(step * 0.62, 34);
  const found = CATEGORIES.filter((one) => months.some(({ grams }) => grams[one - 1] > 0));
  const bars = months.map(({ month, grams }, i) => {
    let y = H - FOOT;
    const says = svg("title", {}, `${monthName(month)}: ${mass(sums[i])}`);
    return svg("g", {}, says, found.map((one) => {
      const height = grams[one - 1] / top * (H - FOOT - TOP);
      y -= height;
      return height > 0 && svg("rect", { class: `c${one}`, x: LEFT + step * (i + 0.5) - wide / 2, y,
        width: wide, height: Math.max(height - 1, 1), rx: 2 });
    }));
  });
  return el("figure.stack", picture(title, told(title, sums),
    [lines(top), bars, below(months.map(({ month }) => month), step)]), legend(found),
  behind(title, [t("month"), ...found.map(named), t("total")], months.map(({ month, grams }, i) =>
    [monthName(month), ...found.map((one) => mass(grams[one - 1])), mass(sums[i])])));
}

/** The categories of a time, the largest first. @param {string} title @param {number[]} grams
 * @returns {HTMLElement} */
export function categoriesChart(title, grams) {
  const found = CATEGORIES.filter((one) => grams[one - 1] > 0)
    .sort((a, b) => grams[b - 1] - grams[a - 1]);
  const most = Math.max(1, ...grams), height = found.length * 42;
  const rows = found.map((one, i) => [
    svg("text", { x: 0, y: i * 42 + 14 }, named(one)),
    svg("text", { x: W, y: i * 42 + 14, "text-anchor": "end" }, mass(grams[one - 1])),
    svg("rect", { class: `c${one}`, x: 0, y: i * 42 + 20, rx: 4, height: 10,
      width: Math.max(W * grams[one - 1] / most, 3) })]);
  return el("figure.stack", picture(title, told(title, grams), rows, height),
    behind(title, [t("category"), t("amount")], found.map((one) =>
      [named(one), mass(grams[one - 1])])));
}

/** What added up, month by month. @param {string} title
 * @param {{month: string, grams: number}[]} months @returns {HTMLElement} */
export function cumulativeChart(title, months) {
  let all = 0;
  const sums = months.map(({ grams }) => all += grams), top = roof(all);
  const step = (W - LEFT) / Math.max(months.length, 1);
  const points = sums.map((grams, i) =>
    `${LEFT + step * (i + 0.5)} ${H - FOOT - grams / top * (H - FOOT - TOP)}`);
  const right = LEFT + step * (months.length - 0.5);
  return el("figure.stack", picture(title, told(title, [all]), [
    lines(top), svg("path", { class: "area",
      d: `M${LEFT + step / 2} ${H - FOOT}L${points.join("L")}L${right} ${H - FOOT}z` }),
    svg("path", { class: "line", d: `M${points.join("L")}` }),
    below(months.map(({ month }) => month), step)]),
  behind(title, [t("month"), t("total")], months.map(({ month }, i) =>
    [monthName(month), mass(sums[i])])));
}
