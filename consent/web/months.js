/** Months, windows and slots in the vault's zone (docs/protocol.md section 3). */

import {VaultError} from "./errors.js";

/** The seven categories: 衣食住行用, office, digital and finance. */
export const CATEGORIES = [1, 2, 3, 4, 5, 6, 7];

/** @type {Map<string, Intl.DateTimeFormat>} */
const FORMATS = new Map();

/** @param {string} detail @returns {never} */
const bad = detail => { throw new VaultError("bad-shape", detail); };

/** The text as a month. @param {string} month */
export const parseMonth = month => /^20\d\d-(0[1-9]|1[0-2])$/.test(month)
  ? month : bad(`wanted a month such as 2026-01, found ${month.slice(0, 20)}`);

/** @param {string} month */
const count = month => +month.slice(0, 4) * 12 + +month.slice(5) - 1;

/** @param {number} n */
const two = n => String(n).padStart(2, "0");

/** The month `n` months later. @param {string} month @param {number} n */
export function addMonths(month, n) {
  const all = count(month) + n;
  return parseMonth(`${Math.floor(all / 12)}-${two(all % 12 + 1)}`);
}

/** Every month from first through last. @param {string} first @param {string} last */
export const monthsFrom = (first, last) =>
  Array.from({length: count(last) - count(first) + 1}, (_, i) => addMonths(first, i));

/** first..last cut into windows of `step` months.
 * @param {string} first @param {string} last @param {number} step */
export function windowsOf(first, last, step) {
  const all = monthsFrom(first, last);
  if (!all.length || all.length % step)
    bad(`${first}..${last} is not a whole number of windows of ${step} months`);
  return Array.from({length: all.length / step}, (_, i) => all.slice(i * step, (i + 1) * step));
}

/** The window's one text form. @param {readonly string[]} window */
export const joinWindow = window => window.join("/");

/** @param {string} zone */
function formatOf(zone) {
  if (!/^[A-Z]/i.test(zone)) bad(`there is no time zone ${zone}`); // Intl takes offsets too
  try {
    return new Intl.DateTimeFormat("en-u-nu-latn", {timeZone: zone, hourCycle: "h23",
      year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric",
      second: "numeric"});
  } catch { return bad(`there is no time zone ${zone}`); }
}

/** Year, month, day, hour, minute, second in the zone. @param {number} unix @param {string} zone */
function partsAt(unix, zone) {
  const date = new Date(unix * 1000), format = FORMATS.get(zone) ?? formatOf(zone);
  FORMATS.set(zone, format); // one takes a millisecond to make
  if (!(date.getUTCFullYear() >= 1 && date.getUTCFullYear() < 10000))
    bad(`${unix} is no unix second of the calendar`);
  return Object.fromEntries(format.formatToParts(date).map(part => [part.type, +part.value]));
}

/** Seconds that the zone is ahead of UTC. @param {number} unix @param {string} zone */
function offsetAt(unix, zone) {
  const {year, month, day, hour, minute, second} = partsAt(unix, zone);
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - unix;
}

/** "YYYY-MM-DD HH:MM" in the zone. @param {number} unix @param {string} zone */
export function localTime(unix, zone) {
  const {year, month, day, hour, minute} = partsAt(unix, zone);
  const date = [String(year).padStart(4, "0"), two(month), two(day)].join("-");
  return `${date} ${two(hour)}:${two(minute)}`;
}

/** The month of the second in the zone. @param {number} unix @param {string} zone */
export const monthAt = (unix, zone) => parseMonth(localTime(unix, zone).slice(0, 7));

/** The month's first second in the zone; where clocks change, the offset before counts.
 * @param {string} month @param {string} zone */
export function monthBegins(month, zone) {
  const utc = Date.parse(month) / 1000;
  const around = [-86400, 86400].map(by => offsetAt(utc + by, zone));
  return utc - (around.find(offset => offsetAt(utc - offset, zone) === offset) ?? around[0]);
}

/** [begin, end) of the month's slot for closes: the next month.
 * @param {string} month @param {string} zone */
export const closeSlot = (month, zone) =>
  [1, 2].map(n => monthBegins(addMonths(month, n), zone));
