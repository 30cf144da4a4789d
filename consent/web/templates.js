// Purpose templates: the bounds of what a platform may ask for (consent/templates.toml), as the
// vault serves them; the auditor's replay holds every grant to its own copy.
import { hex, sha256, strictObject, text } from "./encoding.js";
import { addMonths, monthBegins } from "./months.js";
import { fail } from "./wire.js";

/** @import { Directory } from "./directory.js" */
/** @import { Terms } from "./messages.js" */
/** @import { Wire } from "./wire.js" */
/** @typedef {{who: string[], purposes: string[], categories: {exactly?: number[], most?: number},
 *   step: number, back: number, ahead: number, data_life_days: number, mode: string,
 *   exclusive: boolean, show_sources: boolean, free_choice: boolean,
 *   text: Record<string, {purpose: string, benefit: string}>}} Template */
/** @typedef {Record<string, Template>} Templates */

const FORBIDDEN = ["TargetedAdvertising", "PersonalisedAdvertising", "DirectMarketing",
  "SellDataToThirdParties", "SellInsightsFromData", "CustomerSolvencyMonitoring"];
/** @type {WeakMap<Wire, Promise<Templates>>} */
const FETCHED = new WeakMap();

/** A vault's templates, fetched once per wire. @param {Wire} wire @returns {Promise<Templates>} */
export function fetchTemplates(wire) {
  const known = FETCHED.get(wire) ?? fetchThem(wire);
  FETCHED.set(wire, known);
  known.catch(() => FETCHED.delete(wire));
  return known;
}

/** @param {Wire} wire */
async function fetchThem(wire) {
  const raw = await wire.raw("/v1/templates");
  if (wire.templates && hex(await sha256(raw)) !== wire.templates)
    fail("bad-shape", "the vault's templates are not those that this app was published with");
  return read(strictObject(text(raw)));
}

/** @param {any} body @returns {Templates} */
function read(body) {
  for (const [name, template] of Object.entries(body)) {
    const { who, purposes, categories, text: words } = template ?? {};
    const told = ["zh-CN", "en"].every((l) => words?.[l]?.purpose && words[l].benefit)
      && categories;
    if (!told || ![who, purposes].every(Array.isArray))
      fail("bad-shape", `${name} is no template with its text in zh-CN and en`);
    if (FORBIDDEN.some((purpose) => purposes.includes(purpose)))
      fail("bad-shape", `${name} names a purpose that no template may have`);
  }
  return body;
}

/** A template by id; beyond-template. @param {Templates} templates @param {string} name */
export function templateOf(templates, name) {
  return Object.hasOwn(templates, name) ? templates[name]
    : fail("beyond-template", `template: there is no ${name}`);
}

/**
 * Return when the grant asks for no more than its template allows, at a unix second.
 * @param {Terms & {org: string}} grant @param {Directory} directory @param {number} at
 * @param {Templates} templates
 */
export function checkGrant(grant, directory, at, templates) {
  if (directory.orgOf(grant.platform) !== grant.org)
    fail("unknown-key", `${grant.platform} is not of the organisation ${grant.org}`);
  checkTerms(grant, directory, at, templates);
}

/**
 * Return when the terms ask for no more than their template allows, at a unix second.
 * @param {Terms} terms @param {Directory} directory @param {number} at @param {Templates} templates
 */
export function checkTerms(terms, directory, at, templates) {
  const t = templateOf(templates, terms.template), { roles } = directory.party(terms.platform);
  const month = directory.monthAt(at), { exactly, most } = t.categories, asked = terms.categories;
  checkKept(terms, {
    platform: roles.some((role) => t.who.includes(role)),
    purposes: terms.purposes.every((purpose) => t.purposes.includes(purpose)),
    categories: exactly ? asked.join() === exactly.join() : asked.length <= (most ?? -1),
    step: terms.step === t.step,
    first: terms.first >= addMonths(month, -t.back),
    last: terms.last <= addMonths(month, t.ahead),
    until: terms.until <= latestUntil(terms.last, directory.listing.zone),
    show_sources: t.show_sources || !terms.show_sources,
    data_life_days: terms.data_life_days <= t.data_life_days,
  });
  if (terms.mode !== "total" || terms.exclusive)
    fail("not-offered", "cohort totals and exclusive use are not offered here");
  checkKept(terms, { mode: terms.mode === t.mode, exclusive: terms.exclusive === t.exclusive });
}

/** @param {Terms} terms @param {Record<string, boolean>} bounds */
function checkKept({ template }, bounds) {
  for (const [member, kept] of Object.entries(bounds))
    if (!kept) fail("beyond-template", `${member}: not what ${template} allows`);
}

/** Two months after the last month ends, unix seconds. @param {string} last @param {string} zone */
export const latestUntil = (last, zone) => monthBegins(addMonths(last, 3), zone);
