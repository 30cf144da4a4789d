// What comes later than the first view: how it comes, and what is said when it does not.

/** A part of the app did not arrive; a browser does not ask for it again in the same page. */
export class LateError extends Error {
  name = "LateError";
}

/** What a later import gives; LateError when it does not arrive.
 * @template T @param {Promise<T>} coming @returns {Promise<T>} */
export const late = (coming) => coming.catch((error) => {
  throw new LateError(String(error?.message ?? error));
});

// What an open vault and Home stand on, each by its name: one round brings all of them.
const INSIDE = [
  "activity", "chain", "charts", "consents", "decisions", "device", "directory", "dpv", "endings",
  "explain", "figures", "history", "holder", "lists", "logged", "merkle", "messages", "meter",
  "methodology", "monitor", "note", "notices", "origin", "policy", "proof", "reading", "receipts",
  "recompute", "records", "refusals", "screens/decision", "screens/grant", "screens/home",
  "screens/leaving", "screens/records", "seal", "sharing", "side", "signers", "state",
  "templates", "tiles", "tokens", "toml", "turns", "words/consents", "words/figures",
  "words/home", "words/records",
];

/** Begins to fetch what an open vault needs; whoever needs it says what does not arrive. */
export const bring = () => INSIDE.forEach((name) => import(`./${name}.js`).catch(() => {}));
