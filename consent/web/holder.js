// The SDK of a holder: open a vault, link sources, allow totals, stop (docs/protocol.md section 5).
import { NOBODY_ASKED, NOT_THEIRS, askAuditor, auditorsContact, watch } from "./activity.js";
import { Decisions } from "./decisions.js";
import { checkLink } from "./directory.js";
import {
  b64u, compactJson, hex, readEnvelope, sha256, textHash, unb64u, utf8, verify,
} from "./encoding.js";
import {
  readCode, recordKey, sixDigits, streamKey, unwrapRoot, wrapId, wrapRoot, writeCode,
} from "./keys.js";
import { linkInfo, open } from "./messages.js";
import { addMonths } from "./months.js";
import { checkClose } from "./origin.js";
import { checkUnreadable } from "./recompute.js";
import { seal } from "./seal.js";
import { mark, markReject, withLink } from "./state.js";
import { Wire, fail, objectsOf, textOf, unless } from "./wire.js";

/** @typedef {{source: string, link: string, code: Uint8Array, digits: string}} LinkStart `code`
 *   goes to the source, both apps show the six `digits` */

/** One person's side, standing on their root secret. */
export class Holder extends Decisions {
  /** Make the account of this root; a second call changes nothing. */
  async openAccount() {
    const { vault } = (await this.directory()).listing, pk = b64u(this.key.public);
    const body = { iat: this.now(), pk, vault, over14: true };
    // It stands already: its name is this very key.
    await unless(this._act("/v1/holder", "cv1-account", body), "different-bytes");
  }

  /**
   * Keep the root under a new wrap, for `life` seconds or until it is deleted.
   * @param {Uint8Array} secret @param {number | null} [life]
   */
  async putWrap(secret, life = null) {
    const blob = await wrapRoot(secret, this.root, this.random(12));
    const query = life === null ? "" : `?life=${life}`;
    await this.wire.send("PUT", `/v1/holder/wraps/${await wrapId(secret)}${query}`, blob);
  }

  /** A code that brings the vault to a second device within ten minutes. */
  async showDeviceCode() {
    const secret = this.random(20);
    await this.putWrap(secret, 600);
    return writeCode(secret);
  }

  /** Delete this account and everything of it: what the vault logged, and the receipt of that. */
  async erase() {
    const body = { iat: this.now(), pk: b64u(this.key.public) };
    const { text, answer } = await this._act("/v1/holder", "cv1-erase", body, this.key, "DELETE");
    const told = textOf(answer, "erased"), proved = textOf(answer, "erased_proof");
    const place = await this._placeOf(told, proved);
    const envelope = readEnvelope(told, "cv1-erased");
    await verify(envelope, (await this.held()).vaultKey(envelope.kid, place.at));
    const erased = open(envelope, "cv1-erased");
    if (erased.erase !== await textHash(text))
      fail("bad-shape", "the vault logged the erasure of something else");
    return { erased, receipt: { format: "carbonvault-deletion/1", erase: text,
      proof: textOf(answer, "proof"), erased: told, erased_proof: proved } };
  }

  /**
   * A link code for a source that showed this nonce to its customer.
   * @param {string} source @param {string} nonce 16 bytes in hex @returns {Promise<LinkStart>}
   */
  async startLink(source, nonce) {
    const link = hex(this.random(16)), directory = await this.directory();
    const k = b64u(await streamKey(this.root, link));
    const rec = b64u((await recordKey(this.root, link)).public);
    const wanted = { link, k, rec, vault: directory.listing.vault, nonce };
    const code = await seal(directory.sealingKey(source, this.now()), utf8(compactJson(wanted)),
      linkInfo(source));
    return { source, link, code, digits: await sixDigits(code) };
  }

  /** Attach the link of the source's answer. @param {LinkStart} start @param {string} answer */
  async attach({ source, link, code }, answer) {
    const directory = await this.directory();
    const told = await checkLink(answer, directory, this.now());
    if (told.source !== source || told.link !== link || told.msg !== hex(await sha256(code)))
      fail("bad-code", "the source's answer is to another link code");
    const running = directory.monthAt(this.now()), { from } = told;
    if (from !== running && from !== addMonths(running, -1))
      fail("bad-code", `the source's answer begins in ${from}, it is ${running}`);
    const body = { iat: this.now(), link, receipt: answer }, name = await mark("cv1-attach", body);
    await this._record([name], (state) => withLink(state, link, { source, from }));
    if (await unless(this._act("/v1/holder/links", "cv1-attach", body), "different-bytes")) return;
    // Attached by a call whose answer was lost?
    const { body: own } = await this.live.get("/v1/holder/links");
    if (!objectsOf(own, "links").some((item) => textOf(item, "link") === link))
      fail("different-bytes", "this link is attached to another vault account");
  }

  /** End a link: months from now on are absent. @param {string} link */
  async unlink(link) {
    const body = { iat: this.now(), link };
    await this._record([await mark("cv1-unlink", body)]);
    const done = this._act(`/v1/holder/links/${link}/unlink`, "cv1-unlink", body);
    if (await unless(done, "unlinked")) return;
    // It has ended already: that is what was asked for, once it is proved.
    if (!(await this.endings(link, this.knownLinks[link]?.source ?? "", this.live)).ends)
      fail("bad-proof", "the vault says that the link has ended, and shows nothing that ended it");
  }

  /** Say that a close does not open: its month becomes absent. @param {string} link
   * @param {string} close */
  async reject(link, close) {
    const { source } = this.knownLinks[link] ?? fail("not-found", "no such link of yours");
    await checkClose({ directory: await this.directory(), link, source }, close);
    await checkUnreadable(await streamKey(this.root, link), close);
    const { month } = open(readEnvelope(close, "cv1-close"), "cv1-close");
    await this._record([await markReject(link, month)]);
    const body = { iat: this.now(), close: await textHash(close) };
    await this._act(`/v1/holder/links/${link}/reject`, "cv1-reject", body);
  }

  /**
   * All that the log holds of this person, checked, and what is wrong with it.
   * @param {string | null} [url] where a page says that the auditor shows lists: only its contact
   *   in the directory is asked, which the auditor signed
   */
  async watch(url = null) {
    await this.refresh();
    const compared = await this._askAuditor(url);
    const [found, look] = await watch(this.wire, () => this._ownNow(), this.account, compared);
    this.look = look;
    for (const { act, made, index } of found.entries)
      if (made === "here" || made === "elsewhere") this._place(act, index);
    return found;
  }

  /** @param {string | null} url */
  async _askAuditor(url) {
    const directory = await this.directory(), [auditor, contact] = auditorsContact(directory);
    if (url && url !== contact) return NOT_THEIRS;
    if (!contact) return NOBODY_ASKED;
    const keys = await Promise.all(this.device.state.orgs.map((org) => this.consentKey(org)));
    const { over } = this.wire, all = [this.key, ...keys];
    return askAuditor(auditor, (key) => new Wire(contact, key, { over }), all, directory);
  }

  async _ownNow() {
    await this.device.load();
    const { state } = this.device;
    this._ends(Object.keys(state.statuses).filter((grant) => state.statuses[grant] === "revoked"));
    return {
      account: this.key.public,
      consent: async (/** @type {string} */ org) => (await this.consentKey(org)).public,
      directory: await this.directory(), state, made: this.made, look: this.look,
      stops: this.stops,
    };
  }
}

/** The root that a recovery code wraps. @param {string} code @param {Wire} wire */
export async function recover(code, wire) {
  const secret = readCode(code), { body } = await wire.get(`/v1/wraps/${await wrapId(secret)}`);
  return unwrapRoot(secret, unb64u(textOf(body, "blob")));
}
