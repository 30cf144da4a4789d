// Who may sign what is listed of one person: their keys, the vault, their links' sources
// (docs/protocol.md sections 5 and 7).
import { equal, readEnvelope, textHash, verify } from "./encoding.js";
import { VaultError } from "./errors.js";
import { open, parse } from "./messages.js";
import { mark, markReject } from "./state.js";

/** @typedef {import("./encoding.js").Envelope} Envelope */
/** @typedef {import("./messages.js").Types} Types */
/** @template {keyof Types} T
 * @typedef {(body: ReturnType<Types[T]>, e: Envelope, s: Signers) => Promise<string | void>} Rule
 */
/** @typedef {{account: Uint8Array, directory: import("./directory.js").Directory,
 *   state: import("./state.js").State,
 *   consent: (org: string) => Uint8Array | Promise<Uint8Array>}} Person whose keys these are */

/** What has a name in the state, by type. */
export const ACTS = new Set(
  "bind attach unlink reject grant token revoke pause resume".split(" ").map((t) => `cv1-${t}`));
const [ENDED, GOES_ON] = ["cv1-revoke", "cv1-resume"];

/** @param {string} why @returns {never} */
export const bad = (why, slug = "bad-shape") => {
  throw new VaultError(slug, why);
};
/** @param {unknown} _ @param {Envelope} e @param {Signers} s */
const byAccount = (_, e, s) => verify(e, s.person.account);
/** @param {Envelope} e @param {Signers} s */
const byVault = (e, s) => verify(e, s.person.directory.vaultKeyEver(e.kid));
/** @param {string} link @param {Envelope} e @param {Signers} s */
const bySource = async (link, e, s) => verify(e,
  s.person.directory.keysOf(s.sourceOf(link)).get(e.kid) ??
    bad("not signed by the source of this link"));
/** @type {Rule<"cv1-revoke" | "cv1-pause" | "cv1-resume">} */
const status = async ({ grant: name, n }, e, s) => {
  const grant = s.grantOf(name), before = grant.count;
  await verify(e, grant.pk);
  s.goingOn(name);
  // With some left out it is still the newest word.
  if (n > before) Object.assign(grant, { state: e.typ, count: n });
  // An old resume that is logged once more would let a paused grant go on.
  if (n !== before + 1) bad(`wanted change ${before + 1} of this grant, found ${n}`);
  return e.kid;
};

/** @type {{[T in keyof Types]?: Rule<T>}} */
const RULES = {
  "cv1-account": byAccount,
  async "cv1-bind"({ org, pk }, e, s) {
    if (!equal(pk, await s.person.consent(org)))
      bad(`the key bound for ${org} is not this person's`);
    await byAccount(0, e, s);
  },
  async "cv1-attach"({ receipt }, e, s) {
    await byAccount(0, e, s);
    const { link, source } = open(readEnvelope(receipt, "cv1-link"), "cv1-link");
    if (!s.links.has(link)) s.links.set(link, source);
  },
  "cv1-unlink": ({ link }, e, s) => (e.kid === s.kid ? byAccount : bySource)(link, e, s),
  async "cv1-reject"({ close }, e, s) {
    s.rejected(close);
    await byAccount(0, e, s);
  },
  async "cv1-close"({ link, month }, e, s) {
    await bySource(link, e, s);
    s.closed.set(`${link} ${month}`, await textHash(e.text));
  },
  async "cv1-absent"({ link, month }, e, s) {
    await byVault(e, s);
    s.sourceOf(link);
    if (s.closed.has(`${link} ${month}`))
      bad(`the vault calls ${month} absent, and it was closed before`);
  },
  async "cv1-grant"({ org, pk, grant, replaces }, e, s) {
    if (!equal(pk, await s.person.consent(org)))
      bad(`the grant names a key for ${org} that is not this person's`);
    await verify(e, pk);
    if (s.grants.has(grant)) bad("a grant of this name stands before it");
    if (replaces) s.goingOn(replaces).state = ENDED;
    s.consents.add(e.kid);
    s.grants.set(grant, { pk, kid: e.kid, state: GOES_ON, count: 0 });
    return e.kid;
  },
  async "cv1-token"({ grant }, e, s) {
    await verify(e, s.grantOf(grant).pk);
    s.goingOn(grant);
    return e.kid;
  },
  "cv1-revoke": status, "cv1-pause": status, "cv1-resume": status,
  async "cv1-release"({ grant }, e, s) {
    await byVault(e, s);
    const { state, kid } = s.grantOf(grant);
    if (state !== GOES_ON)
      bad("a release under a grant that was stopped, paused or replaced before");
    return kid;
  },
  async "cv1-refusal"({ grant = "" }, e, s) {
    await byVault(e, s);
    return s.grantOf(grant).kid;
  },
};

/** Who may sign what, by the entries before: links, grants and their states. */
export class Signers {
  /** @type {Map<string, {pk: Uint8Array, kid: string, state: string, count: number}>} */
  grants = new Map();
  /** @type {Map<string, string>} */
  closed = new Map();

  /** Start before the first entry. @param {Person} person @param {string} kid the account's */
  constructor(person, kid) {
    this.person = person;
    this.kid = kid;
    this.consents = new Set([kid]);
    this.links = new Map(Object.entries(person.state.links).map(([id, one]) => [id, one.source]));
  }

  /** The verified message, and the kid of the consent key it concerns. @param {string} text */
  async read(text) {
    const envelope = readEnvelope(text, ...Object.keys(RULES));
    const typ = /** @type {"cv1-bind"} */ (envelope.typ); // or any other of them
    const kid = await RULES[typ]?.(parse(typ, envelope.body), envelope, this);
    return { envelope, consent: kid ?? "" };
  }

  /** The state's name of an act that was read, or empty. @param {Envelope} e */
  async nameAct(e) {
    if (!ACTS.has(e.typ) || !this.consents.has(e.kid)) return "";
    if (e.typ !== "cv1-reject") return mark(e.typ, e.body);
    return markReject(...this.rejected(open(e, "cv1-reject").close));
  }

  /** @param {string} link */
  sourceOf(link) {
    return this.links.get(link) ?? bad("it is about a link that is not this person's");
  }

  /** @param {string} name */
  grantOf(name) {
    return this.grants.get(name) ??
      bad("it is about a grant that the list does not hold before it");
  }

  /** @param {string} name */
  goingOn(name) {
    const grant = this.grantOf(name);
    if (grant.state === ENDED) bad("it is about a grant that was stopped or replaced before");
    return grant;
  }

  /** @param {string} close */
  rejected(close) {
    const found = [...this.closed].find(([, name]) => name === close) ??
      bad("it rejects a close that the list does not hold before it");
    return /** @type {[string, string]} */ (found[0].split(" "));
  }
}
