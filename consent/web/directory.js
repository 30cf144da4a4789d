/** Who is who: the directory that the auditor signs (docs/protocol.md section 4, "Directory"). */

import {checkPoint} from "./commit.js";
import {hex, readEnvelope, textHash, thumbprint, verify} from "./encoding.js";
import {VaultError} from "./errors.js";
import {open} from "./messages.js";
import {monthAt} from "./months.js";
import {recast, refusal} from "./refusals.js";

/** @typedef {import("./messages.js").Body<"cv1-directory">} Listing */
/** @typedef {Listing["entries"][number]} Party */
/** @typedef {{party: Party, pk: Uint8Array, from: number, until: number}} Listed */

const LONGEST_LIFE = 45 * 86400, TYP = "cv1-directory";
const bad = refusal("bad-directory");
const unknown = refusal("unknown-key");
const twice = (/** @type {unknown[]} */ found) => new Set(found).size !== found.length;

/** The name of a party; its id where the directory does not list it.
 * @param {Pick<Directory, "find">} directory @param {string} id */
export const nameOf = (directory, id) => directory.find(id)?.name ?? id;

/** A directory whose signature was verified under `signerKey`; readDirectory makes it. */
export class Directory {
  /**
   * @param {string} text
   * @param {Listing} listing
   * @param {Uint8Array} signerKey
   * @param {string} hash the next version's `prev`
   * @param {Map<string, Listed>} keys every signing key, by kid
   */
  constructor(text, listing, signerKey, hash, keys) {
    this.text = text;
    this.listing = listing;
    this.signerKey = signerKey;
    this.hash = hash;
    this.keys = keys;
  }

  /** The logs that ended, oldest first. */
  get earlier() { return this.listing.earlier ?? []; }

  /** Whether vault and auditor are one organisation: no independent auditor. */
  get selfAudited() {
    const vault = this.orgOf(this.listing.vault);
    return this.listing.entries.some(p => p.roles.includes("auditor") && p.org === vault);
  }

  /** The entry of a party, if there is one. @param {string} id */
  find(id) { return this.listing.entries.find(p => p.id === id); }

  /** The entry of a party; not-found. @param {string} id */
  party(id) {
    const found = this.find(id);
    if (!found) throw new VaultError("not-found", `the directory has no party ${id}`);
    return found;
  }

  /** The organisation that controls a party; not-found. @param {string} id */
  orgOf(id) { return this.party(id).org; }

  /** Every signing key listed for a party, by kid; not-found. @param {string} id */
  keysOf(id) {
    const party = this.party(id), own = [...this.keys].filter(([, key]) => key.party === party);
    return new Map(own.map(([kid, {pk}]) => [kid, pk]));
  }

  /**
   * [party, key] of this role that `kid` names at unix second `at`; unknown-key.
   * @param {string} kid
   * @param {string} role
   * @param {number} at
   * @returns {[Party, Uint8Array]}
   */
  signer(kid, role, at) {
    const key = this.keys.get(kid);
    if (!key?.party.roles.includes(role))
      throw unknown(`the directory lists no ${role} key of this name`);
    if (at < key.from || at >= key.until)
      throw unknown(`this key of ${key.party.id} is not valid then`);
    return [key.party, key.pk];
  }

  /** This vault's key of that name, whenever it is valid; unknown-key. @param {string} kid */
  vaultKeyEver(kid) {
    const key = this.keys.get(kid);
    const own = key?.party.id === this.listing.vault && key;
    if (!own) throw unknown(`${kid} is no key of this vault`);
    return own.pk;
  }

  /** This vault's key of that name at `at`; unknown-key. @param {string} kid @param {number} at */
  vaultKey(kid, at) {
    this.signer(kid, "vault", at);
    return this.vaultKeyEver(kid);
  }

  /** The X25519 key to seal to; unknown-key. @param {string} id @param {number} at */
  sealingKey(id, at) {
    const key = this.party(id).hpke.filter(k => k.from <= at && at < k.until).pop();
    if (!key) throw unknown(`${id} has no sealing key that is valid now`);
    return key.pk;
  }

  /** The entry of a methodology release; not-found. @param {string} id */
  release(id) {
    const found = this.listing.releases.find(entry => entry.id === id);
    if (!found) throw new VaultError("not-found", `the directory lists no release ${id}`);
    return found;
  }

  /** The month of a unix second in the directory's zone. @param {number} unix */
  monthAt(unix) { return monthAt(unix, this.listing.zone); }
}

/**
 * The directory signed by this auditor key; bad-jws, bad-type, bad-shape, bad-point, bad-directory.
 * @param {string} text
 * @param {Uint8Array} auditor
 */
export async function readDirectory(text, auditor) {
  const envelope = readEnvelope(text, TYP);
  await verify(envelope, auditor);
  const listing = open(envelope, TYP);
  checkParties(listing.entries);
  if (!listing.entries.some(p => p.id === listing.vault && p.roles.includes("vault")))
    throw bad("the vault named is not listed with that role");
  await recast("bad-shape", "bad-directory", "zone", () => monthAt(1e9, listing.zone));
  const listed = listing.entries.flatMap(party => party.sig.map(key => ({...key, party})));
  const kids = await Promise.all(listed.map(({pk}) => thumbprint(pk)));
  const keys = new Map(listed.map((key, i) => [kids[i], key]));
  return new Directory(text, listing, auditor, await textHash(text), keys);
}

/** Return when these entries may stand in one directory. @param {Party[]} entries */
function checkParties(entries) {
  if (twice(entries.map(p => p.id))) throw bad("a party is listed twice");
  const signing = entries.flatMap(p => p.sig.map(({pk}) => pk));
  if (twice(signing.map(hex))) throw bad("a signing key is listed twice");
  signing.forEach(checkPoint);
  const vaults = entries.filter(p => p.roles.includes("vault")).map(p => p.org);
  if (entries.some(p => p.roles.includes("source") && vaults.includes(p.org)))
    throw bad("the vault's organisation is listed as a source");
}

/**
 * The first of these keys that the text's kid names, if one does.
 * @param {string} text
 * @param {(Uint8Array | null)[]} keys
 */
export async function signerOf(text, keys) {
  const {kid} = readEnvelope(text, TYP);
  for (const pk of keys) if (pk && await thumbprint(pk) === kid) return pk;
  return null;
}

/**
 * The directory if a client may take it; the caller checks its log proof. bad-directory.
 * @param {string} text
 * @param {Uint8Array} auditor the pinned key
 * @param {Directory | null} held
 * @param {number} now
 * @param {boolean} demo whether a demonstration's is taken
 */
export async function acceptDirectory(text, auditor, held, now, demo) {
  const pinned = held ? [held.listing.next, held.signerKey, auditor] : [auditor];
  const fresh = await recast("bad-input", "bad-directory", "not signed by the pinned auditor",
    async () => readDirectory(text, await signerOf(text, pinned) ?? auditor)), {listing} = fresh;
  if (listing.demo && !demo)
    throw bad("this is a demonstration directory; its clock is moved by hand");
  if (now >= listing.expires || listing.expires > now + LONGEST_LIFE)
    throw bad(`the directory expired at ${listing.expires}, or lives too long`);
  if (held && text !== held.text) checkSuccessor(held, fresh);
  return fresh;
}

/** Return when a directory may follow another. @param {Directory} held @param {Directory} fresh */
export function checkSuccessor(held, fresh) {
  const old = held.listing, now = fresh.listing;
  if (now.version <= old.version)
    throw bad(`version ${now.version} does not follow the held ${old.version}`);
  if (now.version === old.version + 1 && now.prev !== held.hash)
    throw bad("the directory does not follow the one held: its prev is another");
  for (const {id, org, sig} of old.entries) {
    const follows = fresh.find(id), keys = follows?.sig.map(({pk}) => hex(pk));
    if (follows?.org !== org) throw bad(`${id} left the directory or changed its organisation`);
    if (!sig.every(({pk}) => keys?.includes(hex(pk))))
      throw bad(`a key of ${id} left the directory; keys end by their until`);
  }
  if (old.zone !== now.zone || old.vault !== now.vault)
    throw bad("the zone or the vault changed, which they never do");
  checkLogs(held, fresh);
}

/** @param {Directory} held @param {Directory} fresh */
function checkLogs(held, fresh) {
  const old = held.listing, now = fresh.listing, n = held.earlier.length;
  // A parsed entry has its members in one order, so equal texts are equal entries.
  if (JSON.stringify(fresh.earlier.slice(0, n)) !== JSON.stringify(held.earlier))
    throw bad("a log that ended left the directory, or changed");
  const vkeys = [...fresh.earlier, now.log].map(log => log.vkey);
  if (twice(vkeys)) throw bad("a log stands in the directory twice");
  const turns = now.version === old.version + 1 && fresh.earlier.length === n;
  if (!turns && !vkeys.includes(old.log.vkey))
    throw bad("the log held is neither the one that goes on nor among the ended");
}

/**
 * A source's `cv1-link`, signed by a key of that source valid at `at`.
 * @param {string} text
 * @param {Directory} directory
 * @param {number} at
 */
export async function checkLink(text, directory, at) {
  const envelope = readEnvelope(text, "cv1-link");
  const [party, pk] = directory.signer(envelope.kid, "source", at);
  await verify(envelope, pk);
  const answer = open(envelope, "cv1-link");
  if (answer.source !== party.id)
    throw new VaultError("bad-shape", `${party.id} signed a link of ${answer.source}`);
  return answer;
}
