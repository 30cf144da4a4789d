// Amounts, rates and places of acts, as people read them.
import { exact } from "./methodology.js";
import { addWords, locale, mass, number, t } from "./words.js";
import words from "./words/figures.js";

addWords(words);

/** @typedef {Record<string, any>} Table */

const LARGE = /** @type {const} */ ({ m: 1000, Wh: 1000, ml: 1000, g: 1000, s: 3600, count: 1 });
const REGIONS = ["CN", "CN-BJ", "CN-TJ", "CN-SH", "CN-CQ", "CN-HB", "CN-HB-WH", "CN-GD", "CN-GD-SZ",
  "CN-ZJ", "CN-ZJ-HZ", "CN-JS", "CN-SC", "CN-SC-CD", "CN-HI", "FR", "US", "US-CA"];

/** @param {number} n @param {string} unit @param {number} [digits] */
const measured = (n, unit, digits = 0) => number(n, { style: "unit", unit,
  unitDisplay: locale() === "en" ? "short" : "long", maximumFractionDigits: digits });

/** An amount of a unit: "1.2 km", "5 min". @param {string} unit @param {number} n
 * @returns {string} */
export function amount(unit, n) {
  if (unit === "m") return n < 1000 ? measured(n, "meter") : measured(n / 1000, "kilometer", 3);
  if (unit === "ml") return n < 1000 ? measured(n, "milliliter") : measured(n / 1000, "liter", 3);
  if (unit === "s") return duration(n);
  if (unit === "g") return mass(n);
  if (unit === "Wh") return t("figures.kwh", { n: number(n / 1000, { maximumFractionDigits: 3 }) });
  return unit === "count" ? t("figures.count", { n }) : `${number(n)} ${unit}`;
}

/** @param {number} s */
function duration(s) {
  if (s < 60) return measured(s, "second");
  const minutes = Math.round(s / 60), hours = Math.floor(minutes / 60);
  return [hours && measured(hours, "hour"), (minutes % 60 || !hours)
    && measured(minutes % 60, "minute")].filter(Boolean).join(" ");
}

/** Everything that was measured of an act. @param {Record<string, number>} activity */
export const amounts = (activity) =>
  Object.entries(activity).map(([unit, n]) => amount(unit, n)).join(" · ");

/** Milligrams as people read them, to the milligram when asked. @param {number} mg
 * @param {boolean} [whole] */
export function grams(mg, whole = false) {
  const g = mg / 1000, high = Math.abs(g), large = high >= 1000;
  if (!whole && high >= 10) return mass(large ? g : Math.trunc(g));
  return measured(large ? g / 1000 : g, large ? "kilogram" : "gram", !whole ? 2 : large ? 6 : 3);
}

/** The grams of one of its large units that a factor gives; null where two units decide.
 * @param {Table} formula @param {Table} factor @returns {{grams: number, unit: string} | null} */
export function rateOf(formula, factor) {
  const { shape, baseline, project } = formula, both = shape === "difference";
  const unit = both ? baseline === project && baseline : formula.unit;
  if (!unit || !(unit in LARGE)) return null;
  const large = LARGE[/** @type {keyof typeof LARGE} */ (unit)];
  const [n, d] = exact(formula, { [unit]: large }, factor);
  return { grams: Number(n) / Number(d) / 1000, unit };
}

/** "48.7 g/km", "5 g each". @param {{grams: number, unit: string}} rate */
export const rate = ({ grams: g, unit }) => t(`figures.per.${unit}`, { mass: grams(g * 1000, true) });

/** "6 km × 48.7 g/km = 292.2 g"; "" where two units decide. @param {Table} activity
 * @param {Table} worked its members */
export function workedOut(activity, { formula, factor, whole }) {
  const one = rateOf(formula, factor), n = one && activity[one.unit];
  return one ? `${one.unit === "count" ? `${number(n)} × ${grams(one.grams * 1000, true)}`
    : `${amount(one.unit, n)} × ${rate(one)}`} = ${grams(Number(whole), true)}` : "";
}

/** A place by its code; one that has no name here keeps the code beside what it lies in.
 * @param {string} code @returns {string} */
export function region(code) {
  if (REGIONS.includes(code)) return t(`figures.region.${code}`);
  const near = REGIONS.filter((one) => `${code}-`.startsWith(`${one}-`)).at(-1);
  return near ? `${t(`figures.region.${near}`)} (${code})` : code;
}

