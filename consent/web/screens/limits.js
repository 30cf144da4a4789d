// What this vault cannot do, in plain words (docs/protocol.md section 9).
import { badge, busy, card, el, link } from "../dom.js";
import { addWords, t } from "../words.js";
import words from "../words/public.js";

addWords(words);

/** @type {[string, string[]][]} */
const PARTS = [
  ["learns", ["sources", "moments", "days", "name"]],
  ["platforms", ["match", "single", "total", "links"]],
  ["back", ["delivered", "ahead", "record", "lost"]],
  ["unproved", ["truth", "denied", "page", "group"]],
];

/** @param {import("./registry.js").Ctx} ctx */
export const show = (ctx) => el("div.stack", el("p.lead", t("public.not.lead")),
  el("p", t("public.not.intro")),
  card(t("public.not.holds"), el("ul.list", ["records", "one", "seen", "stop"].map((one) =>
    el("li.item", el("span", "✓ ", t(`public.not.holds.${one}`)))))),
  PARTS.map(([part, items]) => card(t(`public.not.${part}`),
    el("p.mute", t(`public.not.${part}.intro`)),
    el("ul.list", items.map((one) => item(part, one))))),
  card(t("public.not.who"), busy(() => ctx.session.directory(), ({ selfAudited }) =>
    el("p", t(selfAudited ? "public.who.alonewhy" : "public.not.audited")))),
  card(t("public.not.check"), el("div.row",
    link(t("title.log"), "log", "btn"), link(t("title.register"), "register", "btn"),
    link(t("title.methodology"), "methodology", "btn"))));

/** @param {string} part @param {string} one */
const item = (part, one) => el("li.item", el("div.stack", el("div",
  el("h3", t(`public.not.${part}.${one}`)), el("p", t(`public.not.${part}.${one}.why`))),
el("p.small", badge("good", t("public.not.can")), " ", t(`public.not.${part}.${one}.do`))));
