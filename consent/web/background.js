// What runs in the background of an open vault, and what it finds.
import { late } from "./late.js";

/** @import { Holder } from "./holder.js" */
/** @import { Session } from "./session.js" */
/** @template {"mintAll" | "watch"} K @typedef {Awaited<ReturnType<Holder[K]>> | null} Found */
/** looked: when the log was last watched, 0: not since opening.
 * @typedef {{running: boolean, at: number, minted: Found<"mintAll">, watched: Found<"watch">,
 *   looked: number, failed: Record<string, unknown>}} Background */

/** @type {Background} */
export const NOTHING = { running: false, at: 0, minted: null, watched: null, looked: 0, failed: {} };

/** @param {Session} session @param {Holder} holder @param {import("./shelf.js").Shelf} shelf
 * @param {Background} before */
export async function work(session, holder, shelf, before) {
  /** @type {Background} */
  const found = { ...before, failed: {} };
  /** @template T @param {string} name @param {Promise<T>} act @returns {Promise<T | null>} */
  const run = (name, act) => act.catch((error) => {
    found.failed[name] = error;
    return null;
  });
  await run("load", holder.refresh());
  shelf.live = true; // nothing is made from, or compared with, an answer that is not of now
  if (!shelf.old.has("state") && !shelf.old.has("directory")) {
    await run("stop", holder.confirm());
    found.minted = await run("mint", holder.mintAll(session.ahead));
    found.watched = await run("watch", holder.watch(session.config.lists));
    if (found.watched) found.looked = session.now();
  }
  shelf.live = false;
  return found;
}

/** How many figures left that are not what the own records say. @param {Session} session
 * @param {Holder} holder @param {import("./activity.js").Watched} watched */
export async function unequalIn(session, holder, watched) {
  const { compareAll } = await late(import("./reading.js"));
  const left = await compareAll(await session.grants(), holder, await session.links(), watched);
  return [...left.values()].filter(({ found }) => found === "other").length;
}
