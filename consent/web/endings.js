// What ends a link's months, verified before any token leaves them out (docs/protocol.md
// section 5, "The guard"): the vault's absent, the holder's reject, the unlink of either side.
import { readEnvelope, textHash, verify } from "./encoding.js";
import { checkLogged } from "./logged.js";
import { open } from "./messages.js";
import { closeSlot } from "./months.js";
import { fail, objectsOf, textOf } from "./wire.js";

/** @import { Directory } from "./directory.js" */
/** @import { Envelope } from "./encoding.js" */
/** @typedef {{account: Uint8Array, link: string, source: string, now: number}} Whose */

const TOLERANCE = 3600;

/** @param {string} what @returns {never} */
function bad(what) {
  return fail("bad-shape", `the vault ${what}`);
}

/**
 * A link's absent months, every text and its place in the log verified, and its unlink's month.
 * @param {import("./wire.js").Wire} wire speaks as the account
 * @param {(proof: string) => Promise<Directory>} knowing the directory to check a proof by
 * @param {Whose} whose `now`: no slot is over before it is over by this clock
 */
export async function fetchEndings(wire, knowing, whose) {
  const { body } = await wire.get(`/v1/holder/links/${whose.link}/closes`);
  /** @type {Record<string, string>} */
  const closes = {}, absent = new Set();
  for (const item of objectsOf(body, "closes")) {
    const text = textOf(item, "close");
    closes[await textHash(text)] = text;
  }
  /** @type {string | null} */
  let ends = null;
  for (const item of objectsOf(body, "absents")) {
    const text = textOf(item, "text"), proof = textOf(item, "proof");
    const directory = await knowing(proof), place = await checkLogged(directory, text, proof);
    const envelope = readEnvelope(text, "cv1-absent", "cv1-reject", "cv1-unlink");
    if (envelope.typ === "cv1-unlink") {
      await checkUnlink(directory, envelope, whose);
      if (place.at < open(envelope, "cv1-unlink").iat - TOLERANCE)
        bad("calls an unlink older than the message itself");
      const month = directory.monthAt(place.at);
      if (ends === null || month < ends) ends = month;
    } else if (envelope.typ === "cv1-reject") {
      await verify(envelope, whose.account);
      const close = closes[open(envelope, "cv1-reject").close];
      if (!close) bad("shows a reject of a close it does not show");
      const { link, month } = open(readEnvelope(close, "cv1-close"), "cv1-close");
      if (link !== whose.link) bad("shows a reject of another link");
      absent.add(month);
    } else {
      await verify(envelope, directory.vaultKeyEver(envelope.kid));
      absent.add(absentMonth(directory, envelope, whose));
    }
  }
  return { absent, ends };
}

/** @param {Directory} directory @param {Envelope} envelope @param {Whose} whose */
function absentMonth(directory, envelope, { link, now }) {
  const { month, link: named } = open(envelope, "cv1-absent");
  if (named !== link) bad("shows an absent of another link");
  if (now < closeSlot(month, directory.listing.zone)[1] - TOLERANCE)
    bad(`calls ${month} absent before its slot is over`);
  return month;
}

/** @param {Directory} directory @param {Envelope} envelope @param {Whose} whose */
async function checkUnlink(directory, envelope, { account, link, source }) {
  const own = await directory.keysOf(source);
  await verify(envelope, own.get(envelope.kid) ?? account);
  if (open(envelope, "cv1-unlink").link !== link) bad("shows an unlink of another link");
}
