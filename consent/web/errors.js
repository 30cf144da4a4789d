/** The one error of the app: a slug, and a detail without secrets (docs/protocol.md section 8). */

const HTTP = {
  "bad-input": ["bad-jws", "bad-type", "bad-shape", "bad-point", "bad-scalar"],
  "not-known": ["unknown-key", "stale-proof"],
  refused: ["revoked", "paused", "expired", "purpose"],
  conflict: ["different-bytes", "atom-used", "not-closed", "not-minted"],
  "out-of-rules": ["not-offered", "gap", "too-early", "too-late", "absent", "beyond-template"],
  others: ["not-found", "too-slow", "unlinked", "state-changed", "too-large", "too-many",
    "log-unavailable"],
};
/** @type {Record<string, string[]>} */
const GROUPS = {...HTTP, "bad-proof": ["not-witnessed", "stale-log", "old-size", "forked"]};

/** What the project raises on purpose, under a slug of vault/errors.py. */
export class VaultError extends Error {
  /** @param {string} slug @param {string} [detail]
   * @param {{statement?: string, evidence?: string[]}} [more] signed texts that come along */
  constructor(slug, detail = "", more = {}) {
    super(detail ? `${slug}: ${detail}` : slug);
    this.name = "VaultError";
    this.slug = slug;
    this.detail = detail;
    this.statement = more.statement;
    this.evidence = more.evidence;
  }
}

/** Whether it is a VaultError of these slugs or groups.
 * @param {unknown} error @param {...string} slugs @returns {error is VaultError} */
export const isError = (error, ...slugs) => error instanceof VaultError
  && slugs.some(s => s === error.slug || GROUPS[s]?.includes(error.slug));

/** The error that a problem+json answer names; an unknown slug becomes "unreachable".
 * @param {string} slug @param {string} detail @param {string} [statement] the `cv1-absent` */
export function fromProblem(slug, detail, statement) {
  if (Object.values(HTTP).flat().includes(slug))
    return new VaultError(slug, detail, slug === "absent" ? {statement} : {});
  const what = `${slug.slice(0, 40)}: ${detail.slice(0, 200)}`;
  return new VaultError("unreachable", `the vault answered an unknown problem ${what}`);
}
