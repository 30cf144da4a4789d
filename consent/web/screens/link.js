// Linking a source: its start, the code it gets, six digits to compare, and its answer
// (docs/protocol.md section 5, "Link"). What was started is kept sealed until it is answered.
import { announce, badge, banner, busy, button, card, choice, copyable, el, facts, field, link,
  more } from "../dom.js";
import { checkLink, nameOf } from "../directory.js";
import { b64u, hex, readEnvelope, sha256, text, unb64u, utf8 } from "../encoding.js";
import { VaultError, isError } from "../errors.js";
import { openState, random, sealState, stateKey } from "../keys.js";
import { open } from "../messages.js";
import { addWords, away, monthName, t, time } from "../words.js";
import words from "../words/sources.js";

addWords(words);

/** @import { Ctx } from "./registry.js" */
/** @import { Directory, Party } from "../directory.js" */
/** code is base64url here. @typedef {{source: string, nonce: string, link: string, code: string,
 *   digits: string, at: number}} Start */

const NAME = "starts", NONCE = /^[0-9a-f]{32}$/, LIFE = 600, KEPT = 86400;

/** What the address asks for: a start, an answer, or the start that waits for one.
 * @param {Ctx} ctx */
export const show = (ctx) => el("div.stack", busy(async () => {
  const { session, holder } = ctx;
  const [starts, directory, links] = await Promise.all([readStarts(ctx), session.directory(),
    holder.links().catch((error) => isError(error, "unreachable") ? null : [])]);
  const going = session.offline ? null : links?.filter(({ ends }) => !ends);
  return { starts, directory, linked: going?.map((one) => holder.knownLinks[one.link]?.source) };
}, ({ starts, directory, linked }) => {
  const { params } = ctx, answer = params.get("answer") ?? params.get("c");
  if (answer) return answered(ctx, directory, starts, answer);
  const source = params.get("source"), nonce = plain(params.get("nonce") ?? "");
  const same = starts.find((one) => one.source === source && one.nonce === nonce);
  if (source && !same) return asked(ctx, directory, linked, source, nonce);
  if (same ?? starts.length) return waiting(ctx, directory, starts, same ?? starts[0]);
  return choosing(ctx, directory, linked);
}));

/** @param {string} nonce as somebody typed it */
const plain = (nonce) => nonce.replace(/[\s-]/g, "").toLowerCase();

/** @param {Ctx} ctx @returns {Promise<Start[]>} newest first */
async function readStarts({ session }) {
  const blob = session.root && await session.store.get(NAME);
  if (!blob) return [];
  const key = await stateKey(/** @type {Uint8Array} */ (session.root));
  const opened = await openState(key, 0, blob).catch(() => null);
  const [name, starts] = opened ? JSON.parse(text(opened)) : [];
  const since = session.now() - KEPT;
  return name === NAME ? starts.filter((/** @type {Start} */ { at }) => at > since) : [];
}

/** Another tab may have started a link meanwhile: what it kept stays.
 * @param {Ctx} ctx @param {(starts: Start[]) => Start[]} change */
const keepStarts = (ctx, change) => navigator.locks.request(NAME, async () => {
  const key = await stateKey(/** @type {Uint8Array} */ (ctx.session.root));
  const starts = change(await readStarts(ctx));
  const sealed = await sealState(key, 0, utf8(JSON.stringify([NAME, starts])), random(12));
  await ctx.session.store.put(NAME, sealed);
});

/** @param {Start} start @returns {(starts: Start[]) => Start[]} */
const without = (start) => (starts) => starts.filter(({ link: id }) => id !== start.link);

// 0: where to begin

/** Sources with a link that goes on, where the vault can be reached.
 * @typedef {string[] | undefined} Linked */
/** @param {Ctx} ctx @param {Directory} directory @param {Linked} linked */
function choosing(ctx, directory, linked) {
  const found = directory.listing.entries.filter(({ roles }) => roles.includes("source"));
  return [card(t("sources.how"), el("p", t("sources.howtext")), el("ol.list",
    ["first", "second", "third"].map((step, n) =>
      el("li.item", `${n + 1}. ${t(`sources.how.${step}`)}`)))),
  card(t("sources.list"), found.length ? el("ul.list", found.map((one) => listed(linked, one)))
    : el("p.mute", t("sources.nolist"))),
  found.length > 0 && more(t("sources.typed"), typed(ctx, found, linked))];
}

/** @param {Linked} linked @param {Party} party */
const listed = (linked, { id, name, cadence }) => el("li.item", el("span", el("strong", name),
  el("br"), el("span.small.mute", cadence ? t(`sources.cadence.${cadence}`) : t("sources.cadence.none"), " ",
    link(t("entry"), `register?id=${id}`))),
linked?.includes(id) && badge("good", t("sources.on")));

/** @param {Ctx} ctx @param {Party[]} found @param {Linked} linked */
function typed({ go }, found, linked) {
  let source = (found.find(({ id }) => !linked?.includes(id)) ?? found[0]).id;
  const nonce = field(t("sources.nonce"), { class: "mono", spellcheck: "false", maxlength: 60 },
    t("sources.noncehint"));
  return el("div.stack", choice(t("source"), found.map(({ id, name }) => [id, name]), source,
    (to) => source = to), nonce.node, el("div.row", button(t("next"), () => {
    const wanted = plain(nonce.input.value);
    if (!NONCE.test(wanted)) return nonce.fail(t("sources.badnonce"));
    go(`sources/link?source=${source}&nonce=${wanted}`);
  })));
}

// 1: a source's start

/** @param {Ctx} ctx @param {Directory} directory @param {Linked} linked @param {string} source
 * @param {string} nonce */
function asked(ctx, directory, linked, source, nonce) {
  const name = nameOf(directory, source), members = { name }, has = linked?.includes(source);
  if (!directory.find(source)?.roles.includes("source"))
    return [banner("bad", t("sources.unknown", { name: source.slice(0, 64) })), back()];
  if (!NONCE.test(nonce)) return [banner("bad", t("sources.badstart", members)), back()];
  const begin = async () => {
    const { code, ...start } = await ctx.holder.startLink(source, nonce);
    await keepStarts(ctx, (starts) => [{ ...start, nonce, code: b64u(code),
      at: ctx.session.now() }, ...starts.filter((one) => one.source !== source)]);
    ctx.redraw();
  };
  return [banner("warn", el("p", el("strong", t("sources.only", members))),
    el("p", t("sources.onlywhy"))),
  card(t("sources.askwhat", members), el("ul.list", ["new", "sealed", "learns", "end"].map((one) =>
    el("li.item", t(`sources.means.${one}`, members)))),
  has !== false && banner("warn", t(has ? "sources.second" : "sources.notnow", members)),
  el("div.row.wide", button(t("sources.notme"), () => ctx.go("sources")),
    has ? link(t("title.sources"), "sources", "btn") : has === false
      ? button(t("sources.mine"), begin, "primary") : button(t("again"), ctx.redraw)))];
}

const back = () => el("div.row", link(t("title.sources"), "sources", "btn"));

// 2: its code, the six digits, and the answer

/** @param {Ctx} ctx @param {Directory} directory @param {Start[]} starts @param {Start} start */
function waiting(ctx, directory, starts, start) {
  const { source, code, digits, at } = start, members = { name: nameOf(directory, source) };
  const [page] = directory.find(source)?.redirects ?? [], late = ctx.session.now() > at + LIFE;
  const give = async () => {
    await keepStarts(ctx, without(start));
    ctx.go("sources");
  };
  const mine = step(1, t("sources.give", members), page && el("div.row.wide",
    el("a.btn.primary", { href: `${page}#c=${code}`, rel: "noreferrer" },
      t("sources.openpage", members))),
  page ? more(t("sources.orcopy"), copyable(code)) : [el("p", t("sources.copyhint", members)),
    copyable(code)]);
  const began = { ...members, away: away(at, ctx.session.now()) };
  return el("div.stack", { id: "starting" }, late && banner("warn", t("sources.late", began)),
    el("p.mute", t("sources.started", { ...members, time: time(at) })), mine,
    step(2, t("sources.compare"), el("p", t("sources.comparewhy", members)), sixOf(digits)),
    step(3, t("sources.answer", members), el("p", t("sources.answerhint", members)),
      pasting(ctx, directory, starts)),
    el("div.row", button(t("sources.giveup"), give, "quiet")));
}

/** @param {number} n @param {string} title @param {...import("../dom.js").Child} parts */
const step = (n, title, ...parts) => card([badge("", `${n}`), " ", title], parts);

/** @param {string} digits */
const sixOf = (digits) => el("p.big.mono", { role: "img", "aria-label": [...digits].join(" ") },
  spaced(digits));

/** @param {string} digits */
const spaced = (digits) => `${digits.slice(0, 3)} ${digits.slice(3)}`;

/** @param {Ctx} ctx @param {Directory} directory @param {Start[]} starts */
function pasting(ctx, directory, starts) {
  const place = el("div.stack"), pasted = field(t("sources.paste"), { spellcheck: "false" });
  place.append(pasted.node, el("div.row", button(t("sources.checkanswer"), async () => {
    const found = /(?:answer|c)=([^&]+)/.exec(pasted.input.value)?.[1] ?? pasted.input.value;
    const read = await readAnswer(ctx, directory, starts, unescaped(found.trim()));
    if ("why" in read) return pasted.fail(t(`sources.no.${read.why}`, { name: read.name }));
    place.replaceChildren(...el("div", accepted(ctx, directory, read)).childNodes);
  })));
  return place;
}

/** @param {string} found as it was pasted */
function unescaped(found) {
  try {
    return decodeURIComponent(found);
  } catch {
    return found; // a stray percent sign: it is no answer, and is said to be none
  }
}

// 3: its answer

/** @typedef {{answer: string, start: Start, from: string}} Answer */
/** @typedef {{why: "linked" | "form" | "start" | "other", name: string}} Refused form: it is no
 *   answer of a source; start: of no start here; other: signed by another or to another code */

/** What a source answered, signed by it and to a code of this device.
 * @param {Ctx} ctx @param {Directory} directory @param {Start[]} starts @param {string} answer
 * @returns {Promise<Answer | Refused>} */
async function readAnswer(ctx, directory, starts, answer) {
  let name = "";
  const no = (/** @type {Refused["why"]} */ why) => ({ why, name });
  try {
    const { link: id, source } = open(readEnvelope(answer, "cv1-link"), "cv1-link");
    const start = starts.find((one) => one.link === id);
    name = nameOf(directory, source);
    if (!start) return no(ctx.holder.knownLinks[id]?.source === source ? "linked" : "start");
    const told = await checkLink(answer, directory, ctx.session.now());
    const same = told.source === start.source && told.msg === hex(await sha256(unb64u(start.code)));
    return same ? { answer, start, from: told.from } : no("other");
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    return no(name ? "other" : "form");
  }
}

/** The screen of an answer that came with the address.
 * @param {Ctx} ctx @param {Directory} directory @param {Start[]} starts @param {string} answer */
const answered = (ctx, directory, starts, answer) =>
  busy(() => readAnswer(ctx, directory, starts, answer), (read) => {
    if (!("why" in read)) return card("", accepted(ctx, directory, read));
    return [banner(read.why === "linked" ? "good" : "bad", t(`sources.no.${read.why}`,
      { name: read.name })), read.why === "linked" ? back()
      : el("div.row", link(t("sources.add"), "sources/link", "btn"))];
  });

/** @param {Ctx} ctx @param {Directory} directory @param {Answer} read */
function accepted(ctx, directory, { answer, start, from }) {
  const { session, holder } = ctx, name = nameOf(directory, start.source);
  const place = el("div.stack");
  const attach = async () => {
    await holder.attach({ ...start, code: unb64u(start.code) }, answer);
    await keepStarts(ctx, without(start));
    // The answer names link and source: it does not stay in the history of a shared device.
    if (ctx.params.has("answer") || ctx.params.has("c"))
      history.replaceState(null, "", "#/sources/link");
    announce(t("sources.linked", { name }));
    session.forget();
    const whole = place.closest("#starting") ?? place; // nothing of the start is left to do
    whole.replaceChildren(...el("div", done(name, from)).childNodes);
  };
  place.append(el("h2", t("sources.came", { name })), facts([[t("sources.signedby"), name],
    [t("sources.since"), monthName(from)],
    [t("sources.digits"), el("strong.mono", spaced(start.digits))]]),
  el("p.mute", t("sources.lastlook", { name })),
  el("div.row.wide", button(t("sources.attach"), attach, "primary")));
  return place;
}

/** @param {string} name @param {string} from */
const done = (name, from) => [banner("good", el("strong", t("sources.linked", { name }))),
  el("p", el("strong", t("sources.whatnext"))),
  el("ul.list", ["records", "close", "share"].map((one) => el("li.item", t(`sources.next.${one}`,
    { name, month: monthName(from) })))), back()];
