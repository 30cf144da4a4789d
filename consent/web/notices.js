// Notices: what a person reads before they allow a total, byte for byte as consent/notices.py
// renders it: the text's hash stands in the grant. Cohorts and exclusive use are not offered.
import { CATEGORY_WORDS } from "./categories.js";
import { windowsOfGrant } from "./messages.js";
import { localTime } from "./months.js";
import { templateOf } from "./templates.js";
import { fail } from "./wire.js";

/** @import { Directory } from "./directory.js" */
/** @import { Party, Terms } from "./messages.js" */
/** @import { Template, Templates } from "./templates.js" */
/** @typedef {"zh-CN" | "en"} Locale */

/** The words of the templates' purposes, which W3C DPV defines. @type {Record<Locale, Words>} */
export const PURPOSE_WORDS = {
  en: {
    PersonalisedBenefits: "benefits for you", PublicBenefit: "public benefit",
    ProvideOfficialStatistics: "official statistics", ScientificResearch: "scientific research",
    CombatClimateChange: "climate protection",
  },
  "zh-CN": {
    PersonalisedBenefits: "为您提供优惠", PublicBenefit: "公共利益",
    ProvideOfficialStatistics: "官方统计", ScientificResearch: "科学研究",
    CombatClimateChange: "应对气候变化",
  },
};
/** @typedef {Record<string, string>} Words */
// In the order in which a person reads them; after a dash, another form of the same sentence.
/** @type {Record<string, string[]>} */
const TEXTS = {
  who: ["{name} ({id} in this vault's directory) asks for the total of your carbon reductions.",
    "{name}（本保管库名录编号：{id}）希望获得您的碳减排总量。"],
  purpose: ["What for: {purpose} ({purposes}).", "目的：{purpose}（{purposes}）。"],
  benefit: ["What you get: {benefit}.", "对您的好处：{benefit}。"],
  figures: ["They receive: one figure in grams for every {step} from {first} to {last}, {count} in all, over {categories}.",
    "对方将收到：{first}至{last}期间，每{step}一个以克为单位的合计数字，共{count}个，范围：{categories}。"],
  method: ["The vault adds up without being able to read, and no single record leaves it.",
    "保管库在自己无法读取的情况下完成合计，任何一条记录都不会发出。"],
  sources: ["They do not see which sources it comes from.", "对方看不到数字来自哪些来源。"],
  "sources-shown": ["They also see which sources it comes from, and that each one signed its part.",
    "对方还会看到数字来自哪些来源，以及各来源已对自己的部分签名。"],
  own: ["Their own records of you are left out.", "对方自己掌握的您的记录不计在内。"],
  never: ["They never receive: places, times, routes, purchases, pages or order numbers.",
    "对方绝不会收到：地点、具体时间、路线、所购商品、浏览页面或订单号。"],
  until: ["They may ask until {until} ({zone}).", "对方可在{until}（{zone}）之前索取。"],
  kept: ["They keep each figure for at most {days} days.", "每个数字最多保存{days}天。"],
  choice: ["You need not agree: nobody may refuse you the product itself because you do not share.",
    "您可以不同意：任何人不得以您不同意共享为由，拒绝向您提供产品本身。"],
  "choice-work": ["You need not agree: nobody may put you at a disadvantage at work because you do not share.", "您可以不同意：任何人不得因您不同意共享，在工作中对您不利。"],
  stop: ["You can stop sharing at any time in your app, in no more steps than it takes to allow it; stopping does not undo what was done before.", "您可以随时在应用中停止共享，操作步骤不会比同意时多；停止不影响此前已进行的处理。"],
  recall: ["A figure that was sent cannot be called back, but you can ask {name} to delete it.",
    "已发出的数字收不回，但您可以要求{name}删除。"],
  contact: ["Complaints and questions: {contact}.", "投诉与咨询：{contact}。"],
  personal: ["A figure about you is still personal data after it was sent.",
    "有关您的数字在发出后仍属于您的个人信息。"],
};
/** @type {Record<Locale, Words>} */
const WORDS = {
  en: {
    1: "month", 3: "3 months", 12: "12 months", join: ", ", who: ", {name} ({at})",
    "Asia/Shanghai": "Beijing time",
    auditor: "{name} lists no contact; turn to the vault's auditor{who}",
  },
  "zh-CN": {
    1: "个月", 3: "3个月", 12: "12个月", join: "、", who: "：{name}（{at}）",
    "Asia/Shanghai": "北京时间",
    auditor: "{name}未登记联系方式，请联系本保管库的审计方{who}",
  },
};

/** @param {string} text @param {Words} members */
const fill = (text, members) => text.replace(/\{(\w+)\}/g, (_, name) => members[name]);

/**
 * The notice for these terms, plain text, one sentence a line.
 * @param {Terms} terms @param {Directory} directory @param {Locale} locale
 * @param {Templates} templates
 */
export const renderNotice = (terms, directory, locale, templates) =>
  Object.values(sentencesOf(terms, directory, locale, templates)).join("\n");

/**
 * The sentences of a notice by name, in the order in which a person reads them.
 * @param {Terms} terms @param {Directory} directory @param {Locale} locale
 * @param {Templates} templates @returns {Words}
 */
export function sentencesOf(terms, directory, locale, templates) {
  if (terms.mode !== "total" || terms.exclusive)
    fail("not-offered", "cohort totals and exclusive use are not offered here");
  const template = templateOf(templates, terms.template);
  const members = membersOf(terms, directory, locale, template);
  const names = Object.keys(TEXTS).filter((name) =>
    !name.includes("-") && (name !== "choice" || template.free_choice));
  const shown = terms.show_sources && "sources-shown";
  const work = template.who.includes("employer") && "choice-work";
  return Object.fromEntries(names.map((name) => {
    const form = (name === "sources" && shown) || (name === "choice" && work) || name;
    return [name, fill(TEXTS[form][locale === "en" ? 0 : 1], members)];
  }));
}

/**
 * What a notice says of these terms, word by word.
 * @param {Terms} terms @param {Directory} directory @param {Locale} locale
 * @param {Template} template @returns {Words}
 */
function membersOf(terms, directory, locale, { text }) {
  const words = WORDS[locale], party = directory.party(terms.platform);
  const { zone } = directory.listing, purposes = PURPOSE_WORDS[locale], { purpose, benefit } = text[locale];
  return {
    name: party.name, id: party.id, purpose, benefit, zone: words[zone] ?? zone,
    first: dated(terms.first, locale), last: dated(terms.last, locale),
    purposes: terms.purposes.map((name) => purposes[name] ?? name).join(words.join),
    step: words[terms.step], count: `${windowsOfGrant(terms).length}`,
    categories: terms.categories.map((c) => CATEGORY_WORDS[locale][c]).join(words.join),
    until: dated(localTime(terms.until, zone), locale), days: `${terms.data_life_days}`,
    contact: party.contact ?? auditorOf(party, directory, words),
  };
}

const MONTHS = "January February March April May June July August September October November December"
  .split(" ");

/** A month or a minute. @param {string} at @param {Locale} locale */
function dated(at, locale) {
  const [y, m, d, time] = at.split(/-0?| /);
  return locale === "en" ? `${MONTHS[+m - 1]} ${d ? `${d}, ${y}, ${time}` : y}`
    : `${y}年${m}月${d ? `${d}日 ${time}` : ""}`;
}

/** @param {Party} party @param {Directory} directory @param {Words} words */
function auditorOf({ name }, directory, words) {
  const found = directory.listing.entries.find(({ roles }) => roles.includes("auditor"));
  const who = found && fill(words.who, { name: found.name, at: found.contact ?? found.id });
  return fill(words.auditor, { name, who: who ?? "" });
}
