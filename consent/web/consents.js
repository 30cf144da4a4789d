// The consents of a holder: allow, make tokens, pause, stop (docs/protocol.md section 5).
// The guard is kept here first: a window is in the state before its token is sealed.
import { b64u, hex, readEnvelope, textHash, verify } from "./encoding.js";
import { VaultError, isError } from "./errors.js";
import { streamKey } from "./keys.js";
import { checkGrantWindow, open, parse, windowsOfGrant } from "./messages.js";
import { addMonths, joinWindow } from "./months.js";
import { renderNotice } from "./notices.js";
import { Side } from "./side.js";
import {
  ENDED, UNPROVED, lastOf, mark, mintedFor, windowName, withMade, withMinted, withOrg, withStatus,
} from "./state.js";
import { checkGrant, fetchTemplates } from "./templates.js";
import {
  cellsOf, checkCount, hasMonth, lessAbsent, sealToken, signToken, sumMasks,
} from "./tokens.js";
import { fail, textOf, unless } from "./wire.js";

/** @import { Terms } from "./messages.js" */
/** @import { Locale } from "./notices.js" */
/** @import { Grant, OwnGrant } from "./side.js" */
/** @import { Minted, State, Status } from "./state.js" */
/** @import { LinkFact } from "./tokens.js" */
/** @import { Members } from "./wire.js" */
/** @typedef {{facts: Map<string, LinkFact>, released: Set<string>}} Facts `released`: windows of
 *   which an organisation has a total already */
/** @typedef {Facts & {held: Map<string, string>}} Scene `held`: the cells of the vault's tokens */

const MOST_AHEAD = 12;

/** What a holder allows, and until when. */
export class Consents extends Side {
  /** What the person reads before they allow terms. @param {Terms} terms @param {Locale} locale */
  async noticeOf(terms, locale) {
    return renderNotice(terms, await this.directory(), locale, await fetchTemplates(this.wire));
  }

  /**
   * Give the consent whose notice the person read in this locale.
   * @param {Terms} terms @param {Locale} locale @param {Grant | null} [replaces] ends with it
   * @param {string | null} [request] the hash of the request that it answers
   * @returns {Promise<Grant>}
   */
  async allow(terms, locale, replaces = null, request = null) {
    const directory = await this.directory(), org = directory.orgOf(terms.platform);
    const key = await this.consentKey(org), iat = this.now(), pk = b64u(key.public);
    const notice = { sha256: await textHash(await this.noticeOf(terms, locale)), locale };
    const body = {
      ...terms, iat, type: "carbon_reduction_total", grant: hex(this.random(16)),
      pk, org, notice, ...(request && { request }), ...(replaces && { replaces: replaces.grant }),
    };
    const grant = parse("cv1-grant", body), bind = { iat, org, pk };
    checkGrant(grant, directory, this.now(), await fetchTemplates(this.wire));
    await this._record([await mark("cv1-bind", bind), await mark("cv1-grant", body)]);
    await this._bind(bind);
    await this._act("/v1/holder/grants", "cv1-grant", body, key);
    if (replaces)
      await this.device.save((state) => withStatus(state, replaces.grant, "replaced"));
    return grant;
  }

  /** @param {{iat: number, org: string, pk: string}} bind */
  async _bind(bind) {
    if (this.device.state.orgs.includes(bind.org)) return;
    // Taken already, by an act whose answer was lost or by another device: the key is the same.
    await unless(this._act("/v1/holder/binds", "cv1-bind", bind), "different-bytes");
    await this.device.save((state) => withOrg(state, bind.org));
  }

  /** @param {string} name of a grant @returns {Promise<OwnGrant>} */
  async _own(name) {
    const found = (await this.grants(this.live)).find(({ grant }) => grant.grant === name);
    return found ?? fail("not-found", "no such grant of yours");
  }

  /** Stop sharing: after this no release of the grant succeeds. @param {Grant} grant */
  stop(grant) {
    return this._change(grant, "cv1-revoke", "revoked");
  }

  /** Pause sharing: releases wait until it goes on. @param {Grant} grant */
  pause(grant) {
    return this._change(grant, "cv1-pause", "paused");
  }

  /** Let a paused grant go on. @param {Grant} grant */
  async resume(grant) {
    await this.directory();
    await this._change(grant, "cv1-resume", "live");
  }

  /**
   * @param {Grant} grant @param {"cv1-revoke" | "cv1-pause" | "cv1-resume"} typ
   * @param {Status} status
   */
  async _change({ grant, org }, typ, status) {
    const { count } = await this._own(grant), body = { iat: this.now(), grant, n: count + 1 };
    // Remembered here first: no token is made again, whatever the vault says of the grant.
    await this._record([await mark(typ, body)], (state) => withStatus(state, grant, status));
    if (ENDED.has(status)) this._ends([grant]);
    await this._act(`/v1/holder/grants/${grant}/status`, typ, body, await this.consentKey(org));
  }

  /** Send again each stop and pause that the vault neither shows nor proved. */
  async confirm() {
    /** @type {unknown[]} */
    const failed = [];
    for (const { grant, state, proved } of await this.grants(this.live)) {
      const mine = this.device.state.statuses[grant.grant];
      if (proved || state === mine || ENDED.has(state)) continue;
      const act = mine === "revoked" ? this.stop(grant) : mine === "paused" && this.pause(grant);
      await Promise.resolve(act).catch((error) => failed.push(error));
    }
    if (failed.length) throw failed[0];
  }

  /**
   * Make the tokens that are due: windows that start at most `ahead` months from now; atom-used
   * once the others are made.
   * @param {Grant} grant @param {number} [ahead]
   */
  async mint(grant, ahead = 3) {
    const { made, taken } = await this.mintFree(grant, ahead);
    if (taken.length)
      fail("atom-used", `${grant.org} has other totals over part of ${taken.map(joinWindow)}`);
    return made;
  }

  /**
   * The same, but what is `taken` (the organisation has another total over part of it) is told.
   * @param {Grant} grant @param {number} [ahead]
   */
  async mintFree(grant, ahead = 3) {
    const latest = await this._latest(ahead), grants = await this.grants(this.live);
    const over = this._over(grant, grants);
    if (over) throw over;
    const found = nothing();
    await this._mintDue(grant, latest, await this._scene(grants), found);
    return found;
  }

  /** Make what is due of all live grants; one that fails keeps no other. @param {number} [ahead] */
  async mintAll(ahead = 3) {
    const latest = await this._latest(ahead), grants = await this.grants(this.live), failed = [];
    const live = grants.filter(({ grant }) => !this._over(grant, grants));
    const scene = live.length ? await this._scene(grants) : NO_SCENE, made = [], taken = [];
    for (const { grant } of live) {
      const found = nothing(), as = (/** @type {string[]} */ window) =>
        ({ grant: grant.grant, window });
      try {
        await this._mintDue(grant, latest, scene, found);
      } catch (error) {
        // Stopped, paused or closed meanwhile: nothing failed.
        if (!isError(error, "revoked", "paused", "expired"))
          failed.push({ grant: grant.grant, error });
      }
      made.push(...found.made.map(as));
      taken.push(...found.taken.map(as));
    }
    return { made, taken, failed };
  }

  /** The latest month that a window may start in, the state loaded. @param {number} ahead */
  async _latest(ahead) {
    if (!(ahead >= 0 && ahead <= MOST_AHEAD))
      fail("bad-shape", `tokens are made 0 to ${MOST_AHEAD} months ahead`);
    const latest = addMonths((await this.directory()).monthAt(this.now()), ahead);
    await this.device.load();
    return latest;
  }

  /**
   * Why no tokens are made for a grant, if so.
   * @param {Grant} grant @param {OwnGrant[]} [grants] as the vault shows them
   * @param {State} [state]
   */
  _over({ grant, until }, grants = [], state = this.device.state) {
    const told = grants.find((own) => own.grant.grant === grant)?.state;
    const both = [state.statuses[grant], told];
    if (this.closed) return new VaultError("expired", "this vault was closed here");
    if (both.some((status) => ENDED.has(status)))
      return new VaultError("revoked", "this grant was stopped");
    if (both.includes("paused")) return new VaultError("paused", "this grant is paused");
    if (this.now() < until) return null;
    return new VaultError("expired", "the grant's until has passed");
  }

  /** What the vault has, checked; tokens it lists count as made. @param {OwnGrant[]} grants */
  async _scene(grants) {
    const listed = await this._listed("tokens", (item) => this._token(item, grants), this.live);
    this.device.recall(listed);
    const held = new Map(listed.map((one) => [nameOf(one.grant, one.window), json(one.cells)]));
    return { held, ...await this._facts(grants) };
  }

  /** @param {OwnGrant[]} grants @returns {Promise<Facts>} */
  async _facts(grants) {
    const facts = new Map((await this.links(this.live)).map((fact) => [fact.link, fact]));
    const uses = await this.uses(this.live);
    const released = uses.flatMap(({ release: { grant: name, window } }) => grants
      .flatMap(({ grant }) => grant.grant === name ? windowName({ ...grant, window }) : []));
    return { facts, released: new Set(released) };
  }

  /** @param {Members} item @param {OwnGrant[]} grants @returns {Promise<Minted>} */
  async _token(item, grants) {
    const envelope = readEnvelope(textOf(item, "token"), "cv1-token");
    const { grant: name, window, cells } = open(envelope, "cv1-token");
    const { grant } = grants.find((own) => own.grant.grant === name) ??
      fail("not-found", "the vault lists a token of no grant of yours");
    await verify(envelope, (await this.consentKey(grant.org)).public);
    checkGrantWindow(grant, window);
    return { ...granting(grant), window, cells };
  }

  /**
   * @param {Grant} grant @param {string} latest @param {Scene} scene
   * @param {ReturnType<typeof nothing>} found gets each window made, or taken
   */
  async _mintDue(grant, latest, scene, { made, taken }) {
    for (const window of windowsOfGrant(grant).filter(([first]) => first <= latest))
      try {
        await this._mintOne(grant, window, scene, made);
      } catch (none) {
        if (isError(none, "atom-used")) taken.push(window);
        else if (!isError(none, "not-minted")) throw none; // nothing to add up
      }
  }

  /** @param {Grant} grant @param {string[]} window @param {Scene} scene @param {string[][]} made */
  async _mintOne(grant, window, scene, made) {
    const { cells } = dueOf(this.device.state, grant, window, scene);
    if (scene.held.get(nameOf(grant.grant, window)) === json(cells)) return;
    await this.device.save(async (state) => {
      // Once more over what another device may have stored: its cells are the window's.
      this._goesOn(grant, state);
      const entry = dueOf(state, grant, window, scene);
      return withMinted(
        withMade(state, this.now(), await markToken(entry)), entry, absentBy(scene));
    });
    const kept = mintedFor(this.device.state, grant.grant, window);
    if (kept) await this._seal(grant, kept);
    made.push(window);
  }

  /** Throw when it was stopped or paused meanwhile. @param {Grant} grant @param {State} [state] */
  _goesOn(grant, state) {
    const over = this._over(grant, [], state);
    if (over) throw over;
  }

  /** @param {Grant} grant @param {Minted} entry */
  async _seal(grant, entry) {
    const { window, cells } = entry, name = await markToken(entry), granted = { ...grant, window };
    this.made = { [name]: UNPROVED, ...this.made };
    const masks = await sumMasks((link) => streamKey(this.root, link), cells, grant.categories);
    const platform = (await this.directory()).sealingKey(grant.platform, this.now());
    const sealed = await sealToken(masks, platform, granted);
    const key = await this.consentKey(grant.org);
    const { text, post } = await signToken(key, this.now(), granted, cells, sealed);
    this._goesOn(grant); // nothing lies between this and the sending
    const { body } = await this.wire.post("/v1/holder/tokens", post);
    this._place(name, (await this._placeOf(text, textOf(body, "proof"))).index);
  }

  /** Every release of this person's grants, its place in the log proved.
   * @param {import("./wire.js").Wire} [wire] */
  uses(wire) {
    return this._listed("releases", async (item) => {
      const text = textOf(item, "release");
      const place = await this._placeOf(text, textOf(item, "proof"));
      const envelope = readEnvelope(text, "cv1-release");
      await verify(envelope, this.current.newest.vaultKeyEver(envelope.kid));
      return { release: open(envelope, "cv1-release"), place };
    }, wire);
  }

  /**
   * The cells that a token would be over; not-minted, atom-used.
   * @param {Granting} as @param {string[]} window @param {Facts} found
   */
  _wouldGive(as, window, found) {
    const { state } = this.device, cells = cellsDue(state, as, window, found);
    withMinted(state, { ...as, window, cells }, absentBy(found));
    return cells;
  }
}

/** @type {Scene} */
const NO_SCENE = { facts: new Map(), released: new Set(), held: new Map() };
/** @returns {Record<"made" | "taken", string[][]>} */
const nothing = () => ({ made: [], taken: [] });
const json = JSON.stringify;
/** @param {string} grant @param {string[]} window */
const nameOf = (grant, window) => json([grant, window]);

/** The name of making a window's token. @param {Minted} entry */
const markToken = ({ grant, window, cells }) => mark("cv1-token", { grant, window, cells });

/** @param {Facts} found @returns {(link: string, month: string) => boolean} */
const absentBy = ({ facts }) => (link, month) => {
  const fact = facts.get(link);
  return !!fact && !hasMonth(fact, month);
};

/** @typedef {Pick<Minted, "grant" | "org" | "categories">} Granting */
/** @param {Granting} grant @returns {Granting} */
const granting = ({ grant, org, categories }) => ({ grant, org, categories });

/**
 * What a window's token must cover by this state; not-minted for nothing.
 * @param {State} state @param {Granting} grant @param {string[]} window @param {Facts} found
 */
function dueOf(state, grant, window, found) {
  const as = granting(grant), cells = cellsDue(state, as, window, found);
  checkCount(cells, as.categories);
  return { ...as, window, cells };
}

/** @param {State} state @param {Granting} as @param {string[]} window @param {Facts} found */
function cellsDue(state, as, window, found) {
  const name = windowName({ ...as, window }), last = lastOf(state, name);
  if (!last) return cellsOf(found.facts.values(), as.org, window);
  const cells = lessAbsent(last.cells, absentBy(found));
  if (!cells.length || (json(cells) !== json(last.cells) && found.released.has(name)))
    fail("not-minted", "all of it is absent, or it was released and stays as it was");
  return cells;
}
