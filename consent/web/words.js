// The app's words in English and Chinese, and how each of them writes numbers, dates and masses.

import { CATEGORY_WORDS } from "./categories.js";
import { localTime } from "./months.js";
import shell from "./words/shell.js";
import start from "./words/start.js";
import errors from "./words/errors.js";

/** @typedef {"en"|"zh-CN"} Locale */
/** @typedef {Record<string, string|number>} Members */
/** @typedef {Record<string, [string, string]>} Words */

/** @type {Words} */
const ALL = Object.assign(Object.create(null), shell, start, errors);
/** @type {Locale} */
let now = "en";
let zone = "Asia/Shanghai";

/** The language in use. @returns {Locale} */
export const locale = () => now;

/** Uses a language from here on. @param {Locale} to */
export const setLocale = (to) => void (now = to);

/** Takes further words into the catalogue. @param {Words} words */
export const addWords = (words) => void Object.assign(ALL, words);

/** Writes times in the vault's zone. @param {string} to */
export const setZone = (to) => void (zone = to);

/** The language of a list of wishes, English when none fits.
 * @param {readonly string[]} wishes @returns {Locale} */
export function pickLocale(wishes) {
  const first = wishes.find((one) => /^(zh|en)/i.test(one)) ?? "en";
  return /^zh/i.test(first) ? "zh-CN" : "en";
}

/** A text by its key; {name} is a member, {n:day|days} a counted one.
 * @param {string} key @param {Members} [members] @returns {string} */
export function t(key, members = {}) {
  const pair = ALL[key];
  if (!pair) throw new Error(`no words for ${key}`);
  return pair[now === "en" ? 0 : 1].replace(PLACE, (_, name, one, many) => one === undefined
    ? String(members[name]) : counted(Number(members[name]), one, many));
}

const PLACE = /\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g;

/** @param {number} n @param {string} one @param {string} many */
const counted = (n, one, many) =>
  `${number(n)} ${new Intl.PluralRules(now).select(n) === "one" ? one : many}`;

/** What a person reads of an error. @param {unknown} error @returns {string} */
export function sentence(error) {
  const { slug = "", name = "", message = "" } = /** @type {any} */ (error ?? {});
  const own = OWN.find(([kind, found]) => kind === slug && message.includes(found));
  const key = own ? own[2] : `e.${slug || name}`;
  return t(key in ALL ? key : "e.");
}

// What a refusal of ours means, where the protocol's sentence is too general for a person.
const OWN = [
  ["bad-shape", "this device saw", "e.older-state"],
  ["bad-seal", "the wrap does not open", "e.wrong-wrap"],
  ["not-found", "no such wrap", "e.no-wrap"],
  ["bad-directory", "expired", "e.old-directory"],
  ["bad-directory", "follow", "e.older-state"],
  ["bad-directory", "pinned", "e.other-vault"],
  ["bad-shape", "published with", "e.other-texts"],
  ["bad-proof", "it was sent", "e.sent"],
];

/** @param {number} n @param {Intl.NumberFormatOptions} [how] @returns {string} */
export const number = (n, how) => new Intl.NumberFormat(now, how).format(n).replace("-", "−");

/** Grams as people read them: kg with one decimal, g below 1 kg.
 * @param {number|bigint} grams @param {number} [digits] @returns {string} */
export function mass(grams, digits = 1) {
  const g = Number(grams), small = Math.abs(g) < 1000;
  return number(small ? g : g / 1000, {
    style: "unit", unit: small ? "gram" : "kilogram", unitDisplay: now === "en" ? "short" : "long",
    maximumFractionDigits: small ? 0 : digits, minimumFractionDigits: small ? 0 : digits,
  });
}

/** @param {number} unix @param {Intl.DateTimeFormatOptions} how */
const dated = (unix, how) => new Intl.DateTimeFormat(now, how).format(unix * 1000);

/** A day, of unix seconds. @param {number} unix @returns {string} */
export const day = (unix) => dated(unix, { dateStyle: "medium", timeZone: zone });

/** A day and time, of unix seconds. @param {number} unix @returns {string} */
export const time = (unix) =>
  dated(unix, { dateStyle: "medium", timeStyle: "short", timeZone: zone, hourCycle: "h23" });

/** A month "2026-10" in words; short: without its year.
 * @param {string} month @param {boolean} [short] @returns {string} */
export function monthName(month, short = false) {
  const at = Date.parse(`${month}-01T00:00:00Z`) / 1000;
  return dated(at, { month: short ? "short" : "long", year: short ? undefined : "numeric",
    timeZone: "UTC" });
}

/** Months as one period. @param {string} first @param {string} last @returns {string} */
export const span = (first, last) =>
  first === last ? monthName(first) : t("span", { first: monthName(first), last: monthName(last) });

/** How far a time lies ahead or back: "in 12 days" of the calendar. @param {number} unix
 * @param {number} at now @returns {string} */
export function away(unix, at) {
  const s = unix - at, how = new Intl.RelativeTimeFormat(now, { numeric: "auto" });
  if (Math.abs(s) < 3600) return how.format(Math.round(s / 60), "minute");
  if (Math.abs(s) < 86400) return how.format(Math.round(s / 3600), "hour");
  const [to, from] = [unix, at].map((one) => Date.parse(localTime(one, zone).slice(0, 10)));
  return how.format((to - from) / 86400000, "day");
}

/** A list of words: "a, b and c". @param {string[]} words @returns {string} */
export const listed = (words) => new Intl.ListFormat(now).format(words);

/** The name of a category 1..7. @param {number} n @returns {string} */
export const category = (n) => CATEGORY_WORDS[now][n];
