// What waits for a decision, and how a person brings a request here.
import { away, t } from "../words.js";
import { button, busy, card, el, empty, field, link, more } from "../dom.js";
import { readName } from "../decisions.js";
import { VaultError } from "../errors.js";
import { begin, scopeAsked, scopeWords } from "../sharing.js";

/** @import { Ctx } from "./registry.js" */
/** @import { Asked } from "../decisions.js" */

/** What waits, then a field for a code. @param {Ctx} ctx */
export const show = (ctx) => el("div.stack",
  busy(() => ctx.session.requests(), (requests) => waiting(ctx, requests)),
  codeForm(ctx), learning());

/** @param {Ctx} ctx @param {Asked[]} requests */
function waiting(ctx, requests) {
  const open = requests.filter(({ state }) => state === "open");
  if (!open.length) return empty(t("consents.nowaiting"), t("consents.nowaitingwhy"));
  return card(t("consents.waiting"), el("ul.list", open.map((one) =>
    el("li", requestRow(ctx, one)))));
}

/** A request that waits, as a line that leads to it. @param {Ctx} ctx @param {Asked} asked */
export function requestRow({ session }, asked) {
  const route = `request?handle=${asked.handle}`;
  return el("a.item", { href: `#/${route}` }, el("span", el("strong", asked.name), el("br"),
    el("span.mute.small", begin(scopeWords(scopeAsked(asked))), " · ",
      t("consents.ends", { when: away(asked.until, session.now()) }))),
  el("span", { "aria-hidden": "true" }, "›"));
}

/** @param {Ctx} ctx */
function codeForm({ params, go }) {
  const typed = field(t("consents.code"), { class: "mono", autocapitalize: "characters",
    spellcheck: "false", maxlength: 120, value: params.get("code") }, t("consents.codehint"));
  const open = () => {
    try {
      go(`request?handle=${readName(typed.input.value)}`);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      typed.fail(t("consents.badcode"));
    }
  };
  typed.input.addEventListener("keydown", (event) => event.key === "Enter" && open());
  return card(t("consents.havecode"), typed.node,
    el("div.wide", button(t("consents.opencode"), open, "primary")));
}

const learning = () => card("", more(t("consents.learn"),
  el("ul.list", ["platform", "list", "reminder"].map((one) =>
    el("li.item", t(`consents.learn.${one}`)))), link(t("consents.tosettings"), "settings")));
