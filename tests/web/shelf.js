// A vault that answers from memory, its methodology files read from the package.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { VaultError } from "../../consent/web/errors.js";

const HERE = new URL("../../", import.meta.url);
/** @param {string} path */
const bytes = (path) => new Uint8Array(readFileSync(new URL(path, HERE)));

/** The committed vectors of a name. */
export const vectors = (name) =>
  JSON.parse(readFileSync(new URL(`tests/vectors/${name}`, HERE), "utf8"));

/** The slug of the error that work ends in, null when it ends well. */
export async function slugOf(work) {
  try {
    await work();
    return null;
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    return error.slug;
  }
}

export class Shelf {
  /** @param {Record<string, object>} answers bodies by path @param {object} files bytes by name */
  constructor(answers, files = {}) {
    this.answers = answers;
    this.files = files;
    this.asked = [];
  }

  static shaOf(release) {
    return createHash("sha256").update(Shelf.file(release)).digest("hex");
  }

  static file(name) {
    const [release, behaviour] = name.split("/");
    const text = bytes(`vault/methodology/releases/${release}.toml`);
    if (!behaviour) return text;
    const pin = new RegExp(`^id = "${behaviour}"\nrev = (\\d+)$`, "m");
    const rev = pin.exec(Buffer.from(text).toString())?.[1];
    return bytes(`vault/methodology/behaviours/${behaviour}.${rev}.toml`);
  }

  async get(path) {
    this.asked.push(path);
    const found = this.answers[path];
    if (!found) throw new VaultError("not-found", path);
    return { body: found, etag: "" };
  }

  async raw(path) {
    this.asked.push(path);
    const name = path.replace("/v1/methodology/", "");
    if (this.files[name]) return this.files[name];
    try {
      return Shelf.file(name);
    } catch {
      throw new VaultError("not-found", path);
    }
  }
}

/** A vault that answers for a link of the vectors, two batches a page. */
export function shelfOf({ link, batches, sent, absents }, text) {
  const path = `/v1/holder/links/${link}`, answers = {};
  for (let first = 0; first <= batches.length; first += 2) {
    const page = batches.slice(first, first + 2).map(([batch, receipt], n) =>
      ({ seq: first + n, batch: text(batch), receipt: text(receipt) }));
    answers[`${path}/batches?first=${first}`] =
      { batches: page, next: page.length === 2 ? first + 2 : null };
  }
  answers[`${path}/closes`] = { closes: sent.map((n) => ({ close: text(n) })),
    absents: absents.map((n) => ({ text: text(n), proof: "" })) };
  return new Shelf(answers);
}
