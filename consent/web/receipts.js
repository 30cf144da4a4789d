// Receipts: what somebody allowed, proved without a server (docs/consent-record.md).
import { compactJson, readEnvelope, textHash, utf8, verifyIntroduced } from "./encoding.js";
import { VaultError } from "./errors.js";
import { checkLogged } from "./logged.js";
import { open } from "./messages.js";
import { renderNotice } from "./notices.js";
import { checkFirst } from "./policy.js";

/** @import { Directory } from "./directory.js" */
/** @typedef {{text: string, proof: string}} Proved a text and its proof file */

/**
 * Return a receipt, UTF-8 JSON, once it verifies under a directory that was accepted.
 * @param {Proved} given the `cv1-grant` as it was logged @param {Directory} directory in force
 * @param {string} directoryProof @param {import("./templates.js").Templates} templates
 * @param {readonly {directory: string, proof: string}[]} [turns] every turn so far, as served
 */
export async function makeReceipt(given, directory, directoryProof, templates, turns = []) {
  const envelope = readEnvelope(given.text, "cv1-grant"), grant = open(envelope, "cv1-grant");
  const text = renderNotice(grant, directory, grant.notice.locale, templates);
  const listed = await checkLogged(directory, directory.text, directoryProof); // 1
  checkFirst(directory, listed);
  checkOneTree(listed, await checkLogged(directory, given.text, given.proof)); // 2
  await verifyIntroduced(envelope); // 3
  if (directory.find(grant.platform)?.org !== grant.org) // 4
    throw new VaultError("bad-directory", "it lists no such platform of this organisation");
  return utf8(compactJson({
    type: "consent-receipt", grant: given.text, proof: given.proof, directory: directory.text,
    directory_proof: directoryProof,
    ...(await textHash(text) === grant.notice.sha256 && { notice: text }), // 5
    ...(turns.length && { turns: turns.map(({ directory, proof }) => ({ directory, proof })) }),
  }));
}

/** @typedef {import("./logged.js").Logged} Logged */
/** @param {Logged} one @param {Logged} other */
function checkOneTree(one, other) {
  // Of two sizes nothing can be said offline; of one size a log has one tree.
  if (one.origin === other.origin && one.size === other.size && one.root !== other.root)
    throw new VaultError("bad-proof", "the two proofs are of two logs that say different things");
  if (one.index === other.index)
    throw new VaultError("bad-proof", "one place cannot hold both a directory and a grant");
}
