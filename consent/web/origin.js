// Whose word a link's messages are: each batch and close its source's, each receipt the vault's
// (docs/protocol.md section 5, "Signatures").
import { readEnvelope, textHash, verify } from "./encoding.js";
import { open } from "./messages.js";
import { closeSlot } from "./months.js";
import { recast, refusal } from "./refusals.js";

/** One link of one source; keys that ended stand in the directory too.
 * @typedef {{directory: import("./directory.js").Directory, link: string, source: string}} Origin */

const unsigned = refusal("unsigned");

/** Return when the batch is the source's and the receipt the vault's for it; unsigned.
 * @param {Origin} origin @param {string} batch @param {string} receipt */
export async function checkBatch({ directory, link, source }, batch, receipt) {
  const { envelope, key } = await signed(directory, batch, "cv1-batch", source); // 1
  const told = await signed(directory, receipt, "cv1-receipt", directory.listing.vault);
  const { iat, of, taken = [] } = await recast("bad-input", "unsigned", "no receipt", async () =>
    open(told.envelope, "cv1-receipt"));
  if (of !== await textHash(batch)) throw unsigned("the receipt is of another text"); // 2
  const { link: named, tags } = open(envelope, "cv1-batch");
  if (taken.some((n) => n >= tags.length)) throw unsigned("the receipt names no tag of the batch");
  check(key, link, named, [iat, iat + 1]); // 3, 4
}

/** Return when the close is the source's; unsigned. @param {Origin} origin
 * @param {string} close */
export async function checkClose({ directory, link, source }, close) {
  const { envelope, key } = await signed(directory, close, "cv1-close", source); // 1
  const { link: named, month } = open(envelope, "cv1-close");
  check(key, link, named, closeSlot(month, directory.listing.zone)); // 2, 3
}

/** @param {Origin["directory"]} directory @param {string} text @param {string} typ
 * @param {string} party */
const signed = (directory, text, typ, party) =>
  recast("bad-input", "unsigned", `not signed by ${party}`, async () => {
    const envelope = readEnvelope(text, typ), key = directory.keys.get(envelope.kid);
    if (key?.party.id !== party) throw unsigned(`${envelope.kid} is no key of ${party}`);
    await verify(envelope, key.pk);
    return { envelope, key };
  });

/** @param {{from: number, until: number}} key @param {string} link @param {string} named
 * @param {number[]} when */
function check({ from, until }, link, named, [begin, end]) {
  if (link !== named) throw unsigned("the source signed it, but for another link");
  if (from >= end || until <= begin) throw unsigned("the source's key was not valid then");
}
