// One device's copy of the holder's state, and how it reaches the vault (docs/protocol.md
// section 4): PUT with If-Match; when another device was faster, merge and change again.
import { text, unb64u } from "./encoding.js";
import { openState, sealState, stateKey } from "./keys.js";
import { EMPTY, merge, parseState, withProved, writeState } from "./state.js";
import { fail, textOf, unless } from "./wire.js";

/** @import { Minted, State } from "./state.js" */

const TRIES = 8, PATH = "/v1/holder/state";

/** The state as this device knows it. */
export class Device {
  state = EMPTY;
  #counter = 0;
  /** @type {Promise<unknown>} two changes at once would undo each other */
  #last = Promise.resolve();
  #parts;

  /**
   * Start empty; `seen` is the highest counter of earlier runs.
   * @param {Uint8Array} root @param {import("./wire.js").Wire} wire speaks as the account
   * @param {(size: number) => Uint8Array} random @param {number} seen
   */
  constructor(root, wire, random, seen) {
    this.#parts = { key: stateKey(root), wire, random, seen };
  }

  /** The highest counter this device saw: a lower one is refused, also in later runs. */
  get seen() {
    return Math.max(this.#parts.seen, this.#counter);
  }

  /** @param {() => Promise<void>} work @returns {Promise<void>} */
  #after(work) {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Merge the stored state into this one; bad-shape for a lower counter than one seen. */
  load() {
    return this.#after(() => this.#load());
  }

  async #load() {
    const { key, wire } = this.#parts, { body, etag } = await wire.get(PATH);
    // A proxy that compresses may make the tag a weak one.
    const counter = Number(/^(?:W\/)?"?(\d{1,15})"?$/.exec(etag)?.[1] ??
      fail("bad-shape", `the vault's state has no counter as its ETag: ${etag}`));
    if (counter < this.seen)
      fail("bad-shape", `the vault shows state ${counter}, this device saw ${this.seen}`);
    if (counter) {
      const plain = await openState(await key, counter, unb64u(textOf(body, "state")));
      this.state = merge(this.state, parseState(text(plain)));
    }
    this.#counter = counter;
  }

  /** Store the changed state: durable once this returns.
   * @param {(state: State) => State | Promise<State>} change */
  save(change) {
    return this.#after(async () => {
      for (let left = TRIES; left--; await this.#load())
        if (await unless(this.#put(change), "state-changed")) return;
      fail("state-changed", "other devices keep changing the state; try again");
    });
  }

  /** @param {(state: State) => State | Promise<State>} change */
  async #put(change) {
    const { key, wire, random } = this.#parts, base = this.state, counter = this.#counter + 1;
    const wanted = await change(base);
    const blob = await sealState(await key, counter, writeState(wanted), random(12));
    await wire.send("PUT", PATH, blob, { "If-Match": `"${this.#counter}"` });
    // What was proved meanwhile stays.
    this.state = this.state === base ? wanted : merge(this.state, wanted);
    return (this.#counter = counter);
  }

  /** Remember the log index of an act. @param {string} name @param {number} index */
  prove(name, index) {
    this.state = withProved(this.state, name, index);
  }

  /** Take windows as used that the vault lists tokens for. @param {Minted[]} minted */
  recall(minted) {
    this.state = merge({ ...EMPTY, minted }, this.state);
  }
}
