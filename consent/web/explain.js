// Why this number, why 0: the words of vault/methodology/explain.py (docs/methodology.md).
import { billionths, count, equation, exact, factorFor } from "./methodology.js";

/** @typedef {"zh-CN" | "en"} Locale */
/** @typedef {Record<string, string[]>} Pairs zh-CN, en */
/** @import { Behaviour, Release, Table } from "./methodology.js" */
/** @import { RecordBody } from "./recompute.js" */

/** @type {Pairs} the kinds of lines */
const SAY = {
  counts: ["计入：{grams} CO2e（{mg} mg）", "Counts: {grams} CO2e ({mg} mg)"],
  refused: ["不予记录：数值超出合理范围",
    "Refused: no such act is plausible, so it is not recorded"],
  back: ["所撤销的行为：按规则为 {grams} CO2e（{mg} mg）",
    "What it takes back: by the rule {grams} CO2e ({mg} mg)"],
  why: ["原因：{text}（{reason}）", "Why: {text} ({reason})"],
  recorded: ["记录所载：{grams} CO2e（{mg} mg，修订{rev}）",
    "The record holds: {grams} CO2e ({mg} mg, revision {rev})"],
  cut: ["未计入：{grams} CO2e（{mg} mg）", "Not counted: {grams} CO2e ({mg} mg)"],
  disagrees: ["两者不一致：记录所载与规则给出的不同，且没有能说明它的原因",
    "These do not agree: the record holds another amount than the rule gives, without a cause that "
    + "explains it"],
  formula: ["公式：{text}", "Formula: {text}"],
  worked: ["计算：{text}", "Calculation: {text}"],
  factor: ["系数：{figures}；地区 {region}；自 {begins} 起有效{until}",
    "Factor: {figures}; region {region}; valid from {begins}{until}"],
  source: ["来源：{title}；{locator}；等级 {grade}（{words}）",
    "Source: {title}; {locator}; grade {grade} ({words})"],
  note: ["说明：{text}", "Note: {text}"],
  release: ["版本：{id}，SHA-256 {sha256}", "Release: {id}, SHA-256 {sha256}"],
  file: ["行为文件：{id}.{rev}.toml，SHA-256 {sha256}",
    "Behaviour file: {id}.{rev}.toml, SHA-256 {sha256}"],
};
const FLOOR = ["，向下取整为 {mg} mg", ", rounded down to {mg} mg"];
const UNTIL = ["，至 {day} 前", ", before {day}"];
/** @param {string} zh @param {string} en */
const cap = (zh, en) => [`已达到${zh}上限，超出部分不计。`,
  `It reached the most that one ${en} counts; what lies above is not counted.`];
/** The reasons that every behaviour shares; its own stand in its file. @type {Pairs} */
export const REASONS = {
  "not-accepted": ["该核算方法尚未被采纳。", "This method is not accepted yet."],
  "no-published-factor": ["尚无可采用的公开系数。",
    "No published factor can be used for this."],
  "weak-evidence": ["证据不足：只有经营方签名或计量的记录才计入。",
    "The evidence is too weak: only what its operator signed or metered counts."],
  "not-metered": ["证据不足：这种行为只有经计量或双方确认的记录才计入。",
    "The evidence is too weak: here only what was metered or confirmed from two sides counts."],
  "no-factor-for-region": ["行为发生地没有可用的系数。",
    "There is no factor for this place."],
  "no-factor-for-date": ["行为当日没有有效的系数。", "No factor was valid on this day."],
  "below-one-milligram": ["不足一毫克。", "It is less than one milligram."],
  "act-cap": cap("单次行为的", "act"),
  "day-cap": cap("当日", "day"),
  "month-cap": cap("当月", "month"),
  "same-time": ["同一时间已有另一次出行计入；一个人不能同时进行两次出行。",
    "Another trip at the same time counts already; nobody makes two trips at once."],
  "counted-otherwise": ["同一行为或同一减排已按另一种行为计入。",
    "The same act or saving counts already as another behaviour."],
  collected: ["该减排量由平台归集，不计入个人。",
    "The platform collected this reduction; it is not the person's."],
  "registered-elsewhere": ["该减排量已在另一机制中登记，不重复计入。",
    "This reduction is registered in another scheme; it counts there only."],
  "taken-back": ["更正：原记录被经营方撤销。",
    "A correction: the operator took the original record back."],
  "counted-before": ["同一凭证此前已计入。", "The same receipt was counted before."],
};
const OF_THE_BOOKS = ["day-cap", "month-cap", "same-time", "counted-otherwise", "collected",
  "registered-elsewhere", "counted-before"];
/** @type {Pairs} */
const FIGURES = {
  mg_per_unit: ["每单位减排量", "reduction per unit"],
  baseline_mg_per_unit: ["基准排放", "baseline emissions"],
  project_mg_per_unit: ["行为排放", "emissions of the act"],
  efficiency: ["充电效率", "charging efficiency"],
  wh_per_m: ["每米电耗", "electricity per metre"],
  ml_per_m: ["每米油耗", "petrol per metre"],
  mg_per_ml: ["汽油排放", "petrol emissions"],
  mg_per_wh: ["电网排放", "grid emissions"],
  wh_per_person_day: ["人均每日用电", "use per person and day"],
  production_mg_per_unit: ["生产排放", "production emissions"],
  rate: ["替代率", "replacement rate"],
};
/** @type {Pairs} */
const UNITS = {
  efficiency: [""], rate: [""], wh_per_m: [" Wh/m"], ml_per_m: [" ml/m"], mg_per_ml: [" mg/ml"],
  mg_per_wh: [" mg/Wh"], wh_per_person_day: [" Wh/（人·天）", " Wh/(person·day)"],
};
/** @type {Pairs} */
const GRADES = {
  H: ["权威文本", "authoritative text"],
  M: ["官方数字的媒体转述，或由权威文本推算",
    "press report of an official figure, or arithmetic on an authoritative text"],
  L: ["第三方转录", "third-party transcription"],
  U: ["凭记忆，未核实", "recalled, unverified"],
};

/** What a figure was read in; published files grade some news reports H.
 * @param {Table} source @param {number} at which language */
export const readIn = ({ grade, locator }, at) =>
  (grade === "H" && /no address kept\)$|tag page/.test(locator)
    ? ["新闻报道所引", "quoted in a news report"] : GRADES[grade])[at];

/** An address, our remarks in one language. @param {string} text @param {number} at */
export const placeIn = (text, at) => text.replace("tag page", ["标签页", "tag page"][at])
  .replace(/([^; ][^;]*) \(([^()]*no address kept)\)$/, `$${at + 1}`);

/** @param {number | bigint | string} n with its thousands set apart */
const thousands = (n) => String(n).replace("-", "−").replace(/\B(?=(\d{3})+$)/g, ",");

/** @param {bigint} n @param {bigint} d @param {number} [digits] it is cut and ends in … beyond */
function decimal(n, d, digits = 6) {
  const scaled = (n < 0n ? -n : n) * 10n ** BigInt(digits);
  const all = String(scaled / d).padStart(digits + 1, "0");
  const part = all.slice(-digits).replace(/0+$/, ""), sign = n < 0n ? "−" : "";
  const more = scaled % d ? "…" : "";
  return `${sign}${thousands(all.slice(0, -digits))}${part && `.${part}`}${more}`;
}

/** @param {string} template @param {Table} members */
const fill = (template, members) =>
  template.replace(/\{(\w+)\}/g, (_, name) => String(members[name]));

/** @param {Behaviour} behaviour @param {string} reason @param {Locale} locale */
const reasonText = ({ exclusions = [], bounds = [] }, reason, locale) =>
  [...exclusions, ...bounds].find((rule) => rule.reason === reason)?.text[locale]
    ?? (Object.hasOwn(REASONS, reason) ? REASONS[reason][locale === "en" ? 1 : 0] : reason);

/** @param {Table} formula @param {number} at which language */
export const wordsOf = (formula, at) => {
  const text = equation(formula), people = formula.shape === "metered_baseline";
  /** @param {string} unit @param {boolean} [plain] */
  const unit = (unit, plain) =>
    unit !== "count" ? unit : (people && !plain ? ["人", "persons"] : ["个", "count"])[at];
  /** @param {string} name @param {Table} factor */
  const figure = (name, factor) => {
    const one = name.startsWith("project") ? formula.project : formula.unit ?? formula.baseline;
    const own = UNITS[name] ?? [` mg/${unit(one, true)}`];
    return decimal(billionths(factor[name]), 10n ** 9n, 9) + (own[at] ?? own[0]);
  };
  /** @param {(name: string) => string} word */
  const told = (word) => text.replace(/[A-Za-z_]+|86400/g,
    (name) => name === "86400" ? ["86,400 s/天", "86,400 s/day"][at] : word(name));
  return {
    equation: told((name) => FIGURES[name]?.[at] ?? unit(name)),
    /** @param {Record<string, number>} activity @param {Table} factor */
    worked: (activity, factor) => told((name) => name in FIGURES ? figure(name, factor)
      : name in activity ? `${thousands(activity[name])} ${unit(name)}` : name),
    /** @param {Table} factor */
    figures: (factor) => (text.match(/\w+/g) ?? []).filter((name) => name in FIGURES)
      .map((name) => `${FIGURES[name][at]} ${figure(name, factor)}`).join(["、", ", "][at]),
  };
};

/**
 * Return why a record holds its number, as lines to read.
 * @param {RecordBody} record @param {Release} release which it names
 * @param {Locale} locale @param {boolean} [voided] an earlier receipt took it
 */
export async function why(record, release, locale, voided = false) {
  const behaviour = await release.behaviour(record.behaviour), { formula, units } = behaviour;
  const { activity, rev } = record, at = locale === "en" ? 1 : 0, words = wordsOf(formula, at);
  const held = voided ? { mg: 0, reason: "counted-before" } : record;
  /** @type {{kind: string, text: string, members: Table}[]} */
  const lines = [];
  /** @param {string} kind @param {Table} [members] */
  const say = (kind, members = {}) => lines.push({ kind, text: fill(SAY[kind][at], members), members });
  /** @param {string} kind @param {bigint | number} mg */
  const amount = (kind, mg) =>
    say(kind, { grams: `${decimal(BigInt(mg), 1000n)} g`, mg: thousands(mg), rev });
  /** @param {string | null} [reason] */
  const because = (reason) =>
    reason && say("why", { text: reasonText(behaviour, reason, locale), reason });

  const measured = Object.keys(activity).sort().join() === [...units].sort().join()
    && units.every((unit) => activity[unit] >= 0);
  const act = { ...record, region: record.detail?.region ?? "" };
  const rule = measured ? count(release, behaviour, act) : null;
  const factor = measured && factorFor(behaviour, act), back = held.reason === "taken-back";
  if (rule) {
    if (back) amount("counts", held.mg), because(held.reason);
    amount(rule.refused ? "refused" : back ? "back" : "counts", rule.mg);
    because(rule.reason);
  }
  if (!rule || !back) amount("recorded", held.mg), because(held.reason);
  const mg = BigInt(held.mg), most = rule?.mg ?? 0n;
  const may = back ? -most <= mg && mg <= 0n
    : OF_THE_BOOKS.includes(held.reason ?? "") ? 0n <= mg && mg <= most : mg === most;
  if (!may || rev !== behaviour.rev) say("disagrees");
  say("formula", { text: words.equation });
  if (factor && typeof factor !== "string") {
    const [n, d] = exact(formula, activity, factor), whole = n / d, { source } = factor;
    const floor = n % d ? fill(FLOOR[at], { mg: thousands(whole) }) : "";
    say("worked", { text: `${words.worked(activity, factor)} = ${decimal(n, d)} mg${floor}`,
      formula, factor, whole });
    if (!back && whole > mg) amount("cut", whole - mg);
    const until = factor.valid_until ? fill(UNTIL[at], { day: factor.valid_until }) : "";
    say("factor", { figures: words.figures(factor), region: factor.region,
      begins: factor.valid_from, until });
    say("source", { ...source, words: readIn(source, at) });
    say("note", { text: source.note[locale] });
  }
  say("release", { id: release.id, sha256: release.sha256 });
  say("file", { ...release.pin(behaviour.id) });
  return lines;
}
