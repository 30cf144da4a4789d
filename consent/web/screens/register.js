// Who takes part: every party that the auditor lists, with roles, keys, pages and contact
// (docs/protocol.md section 4, "Directory").
import { badge, banner, busy, card, el, facts, more } from "../dom.js";
import { b64u, thumbprint } from "../encoding.js";
import { addWords, day, listed, number, t } from "../words.js";
import words from "../words/public.js";
import { reach } from "./log.js";

addWords(words);

/** @typedef {import("./registry.js").Ctx} Ctx */
/** @typedef {import("../directory.js").Directory} Directory */
/** @typedef {import("../directory.js").Party} Party */

// A party stands where the first of its roles puts it.
const GROUPS = ["vault", "auditor", "source", "platform", "helper"];
const ROLES = new Set([...GROUPS, "bank", "shop", "city", "employer", "researcher", "buyer",
  "registry"]);

/** All parties; `id` is shown first to the eye. @param {Ctx} ctx */
export const show = (ctx) => el("div.stack", el("p.lead", t("public.who.lead")),
  busy(async () => {
    const directory = await ctx.session.directory(), signer = await thumbprint(directory.signerKey);
    return { directory, signer };
  }, ({ directory, signer }) => {
    const named = ctx.params.get("id"), { entries } = directory.listing;
    const nodes = groupsOf(entries).map(([group, parties]) =>
      [el("h2", t(`public.who.group.${group}`)),
        parties.map((one) => party(ctx, directory, one, one.id === named))]);
    requestAnimationFrame(() => named && document.getElementById("named")
      ?.scrollIntoView({ block: "center" }));
    return [directory.selfAudited && banner("warn", el("p", el("strong",
      t("public.who.alone"))), el("p", t("public.who.alonewhy"))),
    named && !directory.find(named) && banner("bad", t("public.who.unlisted",
      { name: named.slice(0, 64) })), nodes, signed(directory, signer)];
  }));

/** @param {Party[]} entries @returns {[string, Party[]][]} */
const groupsOf = (entries) => [...GROUPS, "other"].map((group) =>
  /** @type {[string, Party[]]} */ ([group, entries.filter(({ roles }) =>
    (GROUPS.find((one) => roles.includes(one)) ?? "other") === group)]))
  .filter(([, found]) => found.length);

/** @param {Ctx} ctx @param {Directory} directory @param {Party} one @param {boolean} named */
function party({ session }, directory, one, named) {
  const { id, org, name, roles, cadence, contact, redirects = [], sig } = one;
  const { books_for: books = [] } = one;
  const now = session.now(), since = Math.min(...sig.map(({ from }) => from));
  /** @type {[string, import("../dom.js").Child][]} */
  const rows = [[t("party"), el("span.mono.small", id)]];
  if (org !== id) rows.push([t("public.who.org"), el("span.mono.small", org)]);
  if (Number.isFinite(since)) rows.push([t("since"), day(since)]);
  if (cadence) rows.push([t("public.who.cadence"), t(`public.who.cadence.${cadence}`)]);
  if (books.length) rows.push([t("public.who.books"),
    listed(books.map((/** @type {string} */ of) => directory.find(of)?.name ?? of))]);
  rows.push([t("public.who.contact"), contact ? reach(contact)
    : t("public.who.nocontact")]);
  return el(`section.card${named ? ".hero" : ""}`, { id: named && "named" },
    el("h3", name), el("p.row", roles.map((role) => badge("", roleWords(role)))), facts(rows),
    more(t("public.who.more"), el("div.stack", redirects.length > 0 && [
      el("p", t("public.who.pages")), el("ul.list", redirects.map((page) =>
        el("li.item", el("span.mono.small", page))))],
    el("p", t("public.who.keys")), el("ul.list", [...sig.map((key) => keyRow(key, "sig", now)),
      ...one.hpke.map((key) => keyRow(key, "seal", now))]))));
}

/** @param {string} role */
const roleWords = (role) => ROLES.has(role) ? t(`public.who.role.${role}`) : role;

/** @param {{pk: Uint8Array, from: number, until: number}} key @param {"sig" | "seal"} use
 * @param {number} now */
const keyRow = ({ pk, from, until }, use, now) => el("li.item", el("span",
  t(`public.who.use.${use}`), " ", now < from ? badge("", t("public.who.coming")) : now < until
    ? badge("good", t("public.how.state.now")) : badge("", t("public.who.past")), el("br"),
  el("span.small.mute", t("public.how.valid", { from: day(from), until: day(until - 1) })),
  el("br"), el("span.small.mono", b64u(pk))));

/** @param {Directory} directory @param {string} signer */
const signed = ({ listing: { version, expires, iat, zone, demo } }, signer) =>
  card(t("public.who.list"), el("p", t("public.who.listwhy")), facts([
    [t("public.who.version"), number(version)], [t("public.who.made"), day(iat)],
    [t("public.who.expires"), day(expires)], [t("public.who.zone"),
      zone === "Asia/Shanghai" ? t("public.who.beijing") : zone],
    [t("public.who.signer"), el("span.mono.small", signer)]]),
  demo && banner("warn", t("public.who.demo")));
