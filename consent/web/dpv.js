// A consent and its history as a record under names of DPV, as consent/dpv.py writes it
// (docs/consent-record.md): for whoever reads such records.
import { CATEGORY_WORDS } from "./categories.js";
import { readEnvelope, textHash, thumbprint, verify } from "./encoding.js";
import { VaultError, isError } from "./errors.js";
import { open, windowsOfGrant } from "./messages.js";
import { joinWindow } from "./months.js";
import { templateOf } from "./templates.js";

/** @import { Directory } from "./directory.js" */
/** @import { Grant } from "./side.js" */
/** @import { Templates } from "./templates.js" */
/** @typedef {"given" | "paused" | "resumed" | "replaced" | "withdrawn" | "expired"} State */
/** `index`: where the log holds it, null for an expiry, which nobody signs; `by`: what replaced it.
 * @typedef {{state: State, at: number, index: number | null, by: string | null}} Event */
/** @typedef {{index: number, at: number, text: string}} Entry */

const ENDS = ["replaced", "withdrawn", "expired"];
/** @type {Record<string, State>} */
const STATES = { "cv1-revoke": "withdrawn", "cv1-pause": "paused", "cv1-resume": "resumed" };
const bad = (/** @type {string} */ detail) => new VaultError("bad-shape", detail);

/**
 * What became of a grant until `now`: given, (paused | resumed)*, then at most one end.
 * @param {Grant} grant @param {Entry[]} entries the person's own, in any order
 * @param {number} now @returns {Promise<Event[]>}
 */
export async function historyOf(grant, entries, now) {
  /** @type {Event[]} */
  const events = [];
  for (const event of await told(grant, [...entries].sort((a, b) => a.index - b.index))) {
    if ((event.state === "given") === !!events.length)
      throw bad("these entries of the log do not begin with the grant, once");
    if (event.at >= grant.until) break;
    events.push(event);
    if (ENDS.includes(event.state)) return events;
  }
  if (!events.length) throw bad("these entries of the log do not hold the grant");
  if (now >= grant.until) events.push({ state: "expired", at: grant.until, index: null, by: null });
  return events;
}

/** @param {Grant} grant @param {Entry[]} entries @returns {Promise<Event[]>} */
async function told(grant, entries) {
  const key = grant.pk;
  /** @type {Event[]} */
  const events = [];
  let count = 0;
  for (const { index, at, text } of entries) {
    const envelope = envelopeOf(text);
    if (!envelope) continue;
    const found = envelope.typ === "cv1-grant" ? ofGrant(grant, open(envelope, "cv1-grant"))
      : ofStatus(grant, envelope.typ, open(envelope));
    if (!found) continue;
    await verify(envelope, key);
    if (found.n && found.n !== ++count)
      throw bad(`these entries of the log leave out status ${count} of the grant`);
    events.push({ state: found.state, at, index, by: found.by ?? null });
  }
  return events;
}

/** @typedef {{state: State, n?: number, by?: string} | null} Said */
/** @param {Grant} grant @param {Grant} other @returns {Said} */
function ofGrant({ grant }, other) {
  if (other.grant === grant) return { state: "given" };
  return other.replaces === grant ? { state: "replaced", by: other.grant } : null;
}

/** @param {Grant} grant @param {string} typ @param {{grant: string, n: number}} body
 * @returns {Said} */
const ofStatus = ({ grant }, typ, body) =>
  body.grant === grant ? { state: STATES[typ], n: body.n } : null;

/** @param {string} text */
function envelopeOf(text) {
  try {
    return readEnvelope(text, "cv1-grant", ...Object.keys(STATES));
  } catch (other) {
    if (isError(other, "bad-type")) return null;
    throw other;
  }
}

const CONTEXT = {
  dpv: "https://w3id.org/dpv#", pd: "https://w3id.org/dpv/pd#", loc: "https://w3id.org/dpv/loc#",
  dct: "http://purl.org/dc/terms/", rdf: "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
  skos: "http://www.w3.org/2004/02/skos/core#", cv: "urn:carbonvault:terms:",
};
/** @type {Record<string, string>} */
const PLACES = { "Asia/Shanghai": "loc:CN" };
/** @type {Record<State, string[]>} */
const STATUS = {
  given: ["dpv:ConsentGiven"], paused: ["cv:ConsentPaused"],
  resumed: ["dpv:ConsentGiven", "cv:ConsentResumed"],
  replaced: ["dpv:ConsentWithdrawn", "cv:ConsentReplaced"],
  withdrawn: ["dpv:ConsentWithdrawn"], expired: ["dpv:ConsentExpired"],
};
const WHAT = { en: "total of avoided emissions in grams", "zh-CN": "以克为单位的减排总量" };

/**
 * A consent record as JSON-LD.
 * @param {Grant} grant @param {Directory} directory @param {Templates} templates
 * @param {Event[]} events from `historyOf`
 * @param {string | null} notice the text that the person read; null: it can no longer be rendered
 */
export async function exportRecord(grant, directory, templates, events, notice) {
  if (notice !== null && await textHash(notice) !== grant.notice.sha256)
    throw bad("notice: not the text whose hash was signed");
  if (!events.length) throw bad("a record begins with the consent that was given");
  const recipient = directory.party(grant.platform);
  const vault = directory.party(directory.listing.vault), person = await thumbprint(grant.pk);
  return {
    "@context": CONTEXT, "@type": ["dpv:ConsentRecord"], "@id": urn(grant.grant),
    "dct:conformsTo": "cv:consent-record-1", "dpv:hasIdentifier": urn(grant.grant),
    "dct:created": time(events[0].at), "dct:modified": time(events[events.length - 1].at),
    "dct:creator": vault.id, "dct:language": grant.notice.locale,
    "dpv:hasDataSubject": { "@type": ["dpv:DataSubject"], "dpv:hasIdentifier": person },
    "dpv:hasEntity": { [recipient.id]: entity(recipient), [vault.id]: entity(vault) },
    "dpv:hasProcess": [process(grant, directory, templates, events, person)],
    "dpv:hasNotice": { "@type": ["dpv:ConsentNotice"], "dct:language": grant.notice.locale,
      "cv:sha256": grant.notice.sha256, ...(notice !== null && { "rdf:value": notice }) },
    ...(grant.replaces && { "dpv:isAfter": urn(grant.replaces) }),
  };
}

/** @param {Grant} grant @param {Directory} directory @param {Templates} templates
 * @param {Event[]} events @param {string} person */
function process(grant, directory, templates, events, person) {
  const { vault, zone } = directory.listing, place = PLACES[zone];
  return {
    "@type": ["dpv:Process"],
    "dpv:hasPurpose": grant.purposes.map((name) => purpose(grant, templates, name)),
    "dpv:hasPersonalData": [data(grant)],
    "dpv:hasProcessing": ["dpv:Share", "dpv:Use", "dpv:Store"],
    "dpv:hasDataController": [grant.platform], "dpv:hasDataProcessor": [vault],
    "dpv:hasRecipient": [grant.platform], "dpv:hasDataSource": ["dpv:ThirdPartyDataSource"],
    "dpv:hasStorageCondition": [{ "@type": ["dpv:StorageDuration"], "dpv:hasDuration":
      { "@type": "dpv:TemporalDuration", "rdf:value": `P${grant.data_life_days}D` } }],
    "dpv:hasProcessingCondition": [{ "@type": ["dpv:ProcessingDuration"], "dpv:hasDuration":
      { "@type": "dpv:UntilTimeDuration", "rdf:value": time(grant.until) } }],
    "dpv:hasLegalBasis": ["dpv:ExpressedConsent"],
    "dpv:hasConsentControl": [{ "@type": ["dpv:WithdrawConsent"],
      "dpv:isExercisedAt": "the person's app: the consent, then stop sharing" }],
    "dpv:hasConsentStatus": events.map((event) => status(event, person)),
    "cv:template": grant.template, "cv:mode": grant.mode,
    "cv:showSources": grant.show_sources, "cv:exclusive": grant.exclusive,
    ...(place && { "dpv:hasJurisdiction": [place] }),
    ...(grant.request && { "cv:request": grant.request }),
  };
}

/** @param {Grant} grant @param {Templates} templates @param {string} name */
function purpose({ template, notice }, templates, name) {
  const { purpose, benefit } = templateOf(templates, template).text[notice.locale];
  return { "@type": ["dpv:Purpose"], "skos:broader": `dpv:${name}`, "skos:prefLabel": purpose,
    "skos:definition": benefit };
}

/** @param {Grant} grant */
function data(grant) {
  const { categories, notice: { locale } } = grant, words = CATEGORY_WORDS[locale];
  return { "@type": ["dpv:PersonalData"], "skos:broader": ["pd:Behavioral"],
    "skos:prefLabel": WHAT[locale], "cv:categories": categories.map((one) => words[one]),
    "cv:windows": windowsOfGrant(grant).map(joinWindow) };
}

/** @param {import("./directory.js").Party} party */
const entity = ({ name, id, contact }) => ({ "@type": ["dpv:LegalEntity"], "dpv:hasName": name,
  "dpv:hasIdentifier": id, ...(contact && { "dpv:hasContact": contact }) });

/** @param {Event} event @param {string} person */
const status = ({ state, at, index, by }, person) => ({
  "@type": STATUS[state], "dpv:isIndicatedAtTime": time(at),
  "dpv:isExercisedAt": index === null ? "by its date" : "the person's app",
  ...(index !== null && { "dpv:isIndicatedBy": person, "cv:logIndex": index }),
  ...(by && { "dpv:isBefore": urn(by) }),
});

/** @param {string} id 16 bytes in hex */
const urn = (id) => `urn:uuid:${id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")}`;

/** @param {number} unix */
const time = (unix) => new Date(unix * 1000).toISOString().replace(/\.\d+/, "");
