// How a person decides on a platform's request (docs/protocol.md section 5, "Request"): each
// optional category is its own choice, none is chosen beforehand.
import { Consents } from "./consents.js";
import { hex, readEnvelope, textHash, verify } from "./encoding.js";
import { isError } from "./errors.js";
import { readSymbols } from "./keys.js";
import { HANDLE, LIFE, URN, open, termsOf, windowsOfGrant } from "./messages.js";
import { makeReceipt } from "./receipts.js";
import { addCloses } from "./records.js";
import { checkTerms, fetchTemplates, latestUntil } from "./templates.js";
import { readTurns } from "./turns.js";
import { fail, textOf } from "./wire.js";

/** @import { Body, Terms } from "./messages.js" */
/** @import { Locale } from "./notices.js" */
/** @import { OwnLink } from "./records.js" */
/** @import { Grant } from "./side.js" */
/** @import { Members } from "./wire.js" */
/** @typedef {{window: string[], grams: number | null, cells: import("./state.js").Cells,
 *   taken: boolean}} Figure
 *   grams null: a close is not there yet; taken: the organisation has another total over part of it */
/** @typedef {{grant: Grant | null, redirect: string | null}} Decided null: they typed a code */

const NO_GRANT = "0".repeat(32);

/** A request as its reader checked it: signed by a platform that the directory lists. */
export class Asked {
  /**
   * @param {string} handle @param {string} name of the platform
   * @param {Body<"cv1-request">} request @param {string} hash @param {string} state open, granted, declined or expired
   * @param {number} until unix seconds @param {string} zone
   */
  constructor(handle, name, request, hash, state, until, zone) {
    this.handle = handle;
    this.name = name;
    this.request = request;
    this.hash = hash;
    this.state = state;
    this.until = until;
    this.zone = zone;
  }

  /** What is asked for. */
  get details() {
    return this.request.authorization_details[0];
  }

  /**
   * The terms with these optional categories and an earlier end, when given.
   * @param {number[]} optional @param {string | null} [last]
   */
  terms(optional, last = null) {
    const terms = termsOf(this.request, optional, last);
    if (last) terms.until = Math.min(terms.until, latestUntil(terms.last, this.zone));
    return terms;
  }
}

/** What is asked of a holder, and what they answer. */
export class Decisions extends Consents {
  /**
   * The request of a code, a request_uri or a handle; it is this person's from now on.
   * @param {string} name @param {string | null} [client] the platform that the address named
   */
  async openRequest(name, client = null) {
    const handle = readName(name);
    const { body } = await this.wire.post(`/v1/holder/requests/${handle}`, "");
    const asked = await this._asked(body);
    if (asked.handle !== handle || (client !== null && client !== asked.request.client_id))
      fail("bad-shape", "the vault answered with a request of another name or platform");
    if (asked.state === "open")
      checkTerms(asked.terms(asked.details.categories.optional), await this.directory(), this.now(),
        await fetchTemplates(this.wire));
    return asked;
  }

  /** Every request that this person opened, newest first. */
  requests() {
    return this._listed("requests", (item) => this._asked(item));
  }

  /**
   * The actual figure of each window that these terms would let the platform have.
   * @param {Terms} terms @param {OwnLink[]} links this person's own records
   * @returns {Promise<Figure[]>}
   */
  async figures(terms, links) {
    const org = (await this.directory()).orgOf(terms.platform), { categories } = terms;
    const found = await this._facts(await this.grants(this.live));
    return windowsOfGrant(terms).map((window) => {
      try {
        const cells = this._wouldGive({ grant: NO_GRANT, org, categories }, window, found);
        const grams = gramsOf(links, cells, categories);
        return { window, grams, cells, taken: false };
      } catch (none) {
        if (!isError(none, "not-minted", "atom-used")) throw none;
        return { window, grams: null, cells: [], taken: none.slug === "atom-used" };
      }
    });
  }

  /**
   * Allow what was asked; the notice was read in `locale`.
   * @param {Asked} asked @param {number[]} optional @param {Locale} locale
   * @param {string | null} [last] @returns {Promise<Decided>}
   */
  async acceptRequest(asked, optional, locale, last = null) {
    const { replaces } = asked.details;
    const old = replaces ? (await this._own(replaces)).grant : null;
    if (old && old.platform !== asked.request.client_id)
      fail("bad-shape", "replaces: the request names a grant to another platform");
    const grant = await this.allow(asked.terms(optional, last), locale, old, asked.hash);
    return { grant, redirect: this._back(asked, { grant: grant.grant }) };
  }

  /**
   * Say no; the vault logs the request's hash, and nothing about the person.
   * @param {Asked} asked @returns {Promise<Decided>}
   */
  async declineRequest(asked) {
    await this.wire.post(`/v1/holder/requests/${asked.handle}/decline`, "");
    return { grant: null, redirect: this._back(asked, { error: "access_denied" }) };
  }

  /** Ask the platform to delete what it has of a grant. @param {Grant} grant */
  async askDeletion({ grant }) {
    await this.wire.post(`/v1/holder/grants/${grant}/deletion`, "");
  }

  /** The receipt of a grant, which anybody checks offline. @param {Grant} grant */
  async receipt({ grant }) {
    await this.current.refresh();
    const { body: told } = await this.wire.get("/v1/directory"), directory = await this.directory();
    if (textOf(told, "directory") !== directory.text)
      fail("not-witnessed", "too few witnesses saw the newest directory so far");
    const { text } = await this._own(grant);
    // The same bytes again: the stored answer, also after the grant has ended.
    const proof = textOf(await this._send("/v1/holder/grants", text), "proof");
    await this._placeOf(text, proof);
    return makeReceipt({ text, proof }, directory, textOf(told, "proof"),
      await fetchTemplates(this.wire), readTurns(told));
  }

  /** @param {Asked} asked @param {Record<string, string>} result */
  _back({ request: { redirect_uri: uri, state } }, result) {
    if (!uri) return null;
    const query = new URLSearchParams({ ...result, state, iss: this.wire.url });
    return `${uri}${uri.includes("?") ? "&" : "?"}${query}`;
  }

  /** @param {Members} item */
  async _asked(item) {
    const text = textOf(item, "request"), envelope = readEnvelope(text, "cv1-request");
    const request = open(envelope, "cv1-request"), state = textOf(item, "state"), { until } = item;
    if (typeof until !== "number")
      fail("bad-shape", "the vault shows a request without its end");
    // By this clock while it is open: when it was signed is only its signer's word.
    const at = state === "open" ? this.now() : until - LIFE, directory = await this.directory();
    const [party, pk] = directory.signer(envelope.kid, "platform", at);
    await verify(envelope, pk);
    if (party.id !== request.client_id)
      fail("bad-shape", "client_id: not the platform that signed the request");
    if (request.redirect_uri && !party.redirects?.includes(request.redirect_uri))
      fail("bad-shape", "redirect_uri: not one that the directory lists for this platform");
    return new Asked(textOf(item, "handle"), party.name, request, await textHash(text), state,
      until, directory.listing.zone);
  }
}

/** The handle (hex) of a request code, a request_uri or a handle. @param {string} name */
export function readName(name) {
  const bare = name.trim(), handle = bare.startsWith(URN) ? bare.slice(URN.length) : bare;
  if (handle.length === 2 * HANDLE && /^[0-9a-f]*$/.test(handle)) return handle;
  try {
    return hex(readSymbols(handle, HANDLE));
  } catch {
    return fail("bad-code", "wanted a request code or a request_uri");
  }
}

/** The grams of these cells, null while a close of them is not there yet.
 * @param {OwnLink[]} links @param {[string, string[]][]} cells @param {number[]} scope */
export function gramsOf(links, cells, scope) {
  try {
    return addCloses(links, cells, scope);
  } catch (missing) {
    if (isError(missing, "bad-total")) return null;
    throw missing;
  }
}
