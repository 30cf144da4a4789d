// Whose word a link's messages are: each batch and close its source's, each receipt the vault's
// (docs/protocol.md section 5, "Signatures").
import { readEnvelope, textHash, verify } from "./encoding.js";
import { open } from "./messages.js";
import { closeSlot } from "./months.js";
import { recast, refusal } from "./refusals.js";

const unsigned = refusal("unsigned");

/** One link of one source, whose keys, the ended ones too, stand in the directory. */
export class Origin {
  /** @param {import("./directory.js").Directory} directory @param {string} link
   * @param {string} source */
  constructor(directory, link, source) {
    this.directory = directory;
    this.link = link;
    this.source = source;
  }

  /** Return when this batch is the source's and this receipt the vault's for it; unsigned.
   * @param {string} batch @param {string} receipt */
  async checkBatch(batch, receipt) {
    const { envelope, key } = await this.#signed(batch, "cv1-batch", this.source); // 1
    const told = await this.#signed(receipt, "cv1-receipt", this.directory.listing.vault);
    const { iat, of } = open(told.envelope, "cv1-receipt");
    if (of !== await textHash(batch)) // 2
      throw unsigned("the receipt that the vault shows with a batch is of another text");
    this.#checkLink(open(envelope, "cv1-batch").link); // 3
    checkTime(key, iat, iat + 1); // 4
  }

  /** Return when this close is the source's; unsigned. @param {string} close */
  async checkClose(close) {
    const { envelope, key } = await this.#signed(close, "cv1-close", this.source); // 1
    const { link, month } = open(envelope, "cv1-close");
    this.#checkLink(link); // 2
    const [begin, end] = closeSlot(month, this.directory.listing.zone);
    checkTime(key, begin, end); // 3
  }

  /** @param {string} text @param {string} typ @param {string} party */
  #signed(text, typ, party) {
    return recast("bad-input", "unsigned", `not signed by ${party}`, async () => {
      const envelope = readEnvelope(text, typ), key = this.directory.keys.get(envelope.kid);
      if (key?.party.id !== party) throw unsigned(`${envelope.kid} is no key of ${party}`);
      await verify(envelope, key.pk);
      return { envelope, key };
    });
  }

  /** @param {string} link */
  #checkLink(link) {
    if (link !== this.link) throw unsigned(`${this.source} signed it, but for another link`);
  }
}

/** @param {{from: number, until: number}} key @param {number} begin @param {number} end */
function checkTime({ from, until }, begin, end) {
  if (from >= end || until <= begin)
    throw unsigned("signed by a key of the source that was not valid then");
}
