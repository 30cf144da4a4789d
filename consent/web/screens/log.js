// The public record: how long it is, who confirmed it, how it grew, and a check of it made here
// (docs/protocol.md section 6).
import { announce, badge, banner, busy, button, card, el, facts, link, more, save, svg, table }
  from "../dom.js";
import { hex, readEnvelope, text, verify } from "../encoding.js";
import { isError } from "../errors.js";
import { checkOneHistory } from "../history.js";
import { checkLogged, logsOf } from "../logged.js";
import { nodeHash } from "../merkle.js";
import { open } from "../messages.js";
import { checkQuorum, openCheckpoint, policyOf, readVkey } from "../note.js";
import { subtrees, tilePath, widthAt } from "../tiles.js";
import { textOf } from "../wire.js";
import { addWords, away, day, number, sentence, t, time } from "../words.js";
import words from "../words/public.js";

addWords(words);

/** @typedef {import("./registry.js").Ctx} Ctx */
/** @typedef {import("../directory.js").Directory} Directory */
/** @typedef {import("../logged.js").Log} Log */
/** at: when this device saw it. @typedef {import("../history.js").Head & {at: number}} Seen */
/** @typedef {{directory: Directory, log: Log, earlier: Log[], head: import("../history.js").Head,
 *   cosigned: import("../note.js").Cosigned[], policy: import("../note.js").LogPolicy,
 *   seen: Seen[], place: {index: number, at: number}}} Found seen: oldest first, this one last */

const KEPT = "heads", MOST = 100;
// Cosignatures stand on the wall clock, also where a demonstration's clock is moved.
const wall = () => Math.floor(Date.now() / 1000);

/** What anybody can see and check of the record. @param {Ctx} ctx */
export const show = (ctx) => el("div.stack", el("p.lead", t("public.log.lead")),
  el("p", t("public.log.leadwhy")), busy(() => gather(ctx), (found) => [
    standing(found), confirmed(ctx, found), checking(ctx, found), growth(ctx, found),
    kinds(found), earlierLogs(found)]));

/** @param {Ctx} ctx @returns {Promise<Found>} */
async function gather({ session }) {
  const directory = await session.directory(), logs = logsOf(directory);
  const log = logs[logs.length - 1];
  const [raw, place] = await Promise.all([session.wire.raw(`${log.path}/checkpoint`),
    placeOf(session, directory)]);
  const note = text(raw), witnesses = log.entry.witnesses.map(readVkey);
  const policy = policyOf(log.key, witnesses, log.entry.quorum);
  const { cosigned, ...opened } = await openCheckpoint(note, log.key, policy.witnesses);
  const head = { ...opened, note }, seen = await keepHead(session, head);
  return { directory, log, earlier: logs.slice(0, -1), head, cosigned, policy, seen, place };
}

/** @param {Ctx["session"]} session @param {Directory} directory */
async function placeOf({ wire }, directory) {
  const { body } = await wire.get("/v1/directory");
  return checkLogged(directory, textOf(body, "directory"), textOf(body, "proof"));
}

/** States of the record that this device saw; it is public, so that it needs no seal.
 * @param {Ctx["session"]} session @param {import("../history.js").Head} head
 * @returns {Promise<Seen[]>} */
async function keepHead(session, head) {
  /** @type {Seen[]} */
  const all = await session.store.get(KEPT) ?? [];
  const own = all.filter(({ origin }) => origin === head.origin);
  if (own.some(({ root, size }) => root === head.root && size === head.size)) return own;
  const seen = [...own, { ...head, at: session.now() }];
  await session.store.put(KEPT, seen.length > MOST ? [seen[0], ...seen.slice(2)] : seen);
  return seen;
}

/** @param {Found} found */
const standing = ({ head, log, directory }) => card(t("public.log.now"),
  el("p.big", number(head.size)), el("p.mute", t("public.log.entries")),
  facts([[t("public.log.name"), el("span.mono.small", head.origin)],
    [t("public.log.root"), el("span.mono.small", head.root)],
    [t("public.log.key"), el("span.mono.small", log.entry.vkey)],
    [t("public.log.vault"), link(directory.party(directory.listing.vault).name,
      `register?id=${directory.listing.vault}`)]]),
  el("p.small.mute", t("public.log.rootwhy")));

/** @param {Ctx} ctx @param {Found} found */
function confirmed({ session }, { cosigned, policy, head }) {
  const { witnesses, quorum } = policy, newest = new Map();
  for (const { witness, time: at } of cosigned)
    newest.set(witness.text, Math.max(at, newest.get(witness.text) ?? 0));
  return card(t("public.log.witnesses"), el("p", t("public.log.witnesseswhy")),
    witnesses.length ? [el("p", t("public.log.quorum", { quorum, n: witnesses.length })),
      el("ul.list", witnesses.map(({ name, text: key }) => el("li.item", el("span", name, el("br"),
        el("span.small.mute", newest.has(key) && `${time(newest.get(key))} (${away(
          newest.get(key), wall())})`)), newest.has(key)
        ? badge("good", t("public.log.hasseen")) : badge("warn", t("public.log.hasnot")))))]
      : banner("warn", t("public.log.nowitness")),
    busy(() => session.wire.get("/v1/log"), ({ body }) => {
      const behind = Number(body.size) - head.size;
      return [body.held === true && banner("warn", t("public.log.held")), behind > 0
        && el("p.small.mute", t("public.log.vaultsays", { behind: number(behind) }))];
    }));
}

/** ok null: nothing to check. @typedef {{ok: boolean | null, says: string, why?: string}} Result */

/** @param {Ctx} ctx @param {Found} found */
function checking(ctx, found) {
  const place = el("ul.list", { "aria-live": "polite" }), end = el("div");
  const run = async () => {
    end.replaceChildren();
    const steps = STEPS.map((name) => ({ name, node: el("li.item") }));
    place.replaceChildren(...steps.map(({ node }) => node));
    for (const { name, node } of steps)
      row(node, name, { ok: null, says: t("public.log.waits") });
    let good = true;
    for (const { name, node } of steps) {
      row(node, name, { ok: null, says: t("public.log.runs") });
      const result = await one(ctx, found, name);
      row(node, name, result);
      if (result.ok === false) good = false;
    }
    end.replaceChildren(good ? banner("good", el("strong", t("public.log.allgood")))
      : banner("bad", el("p", el("strong", t("public.log.notgood"))),
        el("p", t("public.log.whatthen")),
        el("div.row", button(t("evidence"), () => saveEvidence(found)))));
    announce(t(good ? "public.log.allgood" : "public.log.notgood"));
  };
  return card(t("public.log.verify"), el("p", t("public.log.verifywhy")),
    el("div", el("div.row.wide", button(t("public.log.run"), run, "primary")), place, end));
}

/** @param {Found} found */
const saveEvidence = ({ log, seen, head }) =>
  save("carbon-vault-record.json", "application/json", JSON.stringify({ type: "record-evidence",
    at: wall(), log: log.entry.vkey,
    notes: [...new Set([...seen.map(({ note }) => note), head.note])] }, null, 1));

/** @param {HTMLElement} node @param {Step} name @param {Result} result */
const row = (node, name, { ok, says, why }) => node.replaceChildren(
  el("div", el("strong", t(`public.log.step.${name}`)), el("br"), el("span.small.mute", says),
    why && more(t("details"), el("p.small.mono", why))),
  ok === null ? badge("", "–") : badge(ok ? "good" : "bad", ok ? "✓" : "✗"));

/** @typedef {typeof STEPS[number]} Step */
const STEPS = /** @type {const} */ (["signed", "witnessed", "root", "history", "directory", "app"]);

/** @param {Ctx} ctx @param {Found} found @param {Step} name @returns {Promise<Result>} */
async function one(ctx, found, name) {
  try {
    return await CHECKS[name](ctx, found);
  } catch (error) {
    return { ok: false, says: sentence(error), why: /** @type {Error} */ (error).message };
  }
}

/** @type {Record<Step, (ctx: Ctx, found: Found) => Promise<Result>>} */
const CHECKS = {
  async signed({ session }, { head, log, policy }) {
    await openCheckpoint(head.note, log.key, policy.witnesses);
    const own = log.entry.vkey === session.config.log;
    return { ok: true, says: t(own ? "public.log.signedpin" : "public.log.signedlist") };
  },
  async witnessed(_, { cosigned, policy }) {
    if (!policy.quorum) return { ok: null, says: t("public.log.nowitness") };
    checkQuorum(policy, cosigned);
    const at = Math.min(...cosigned.map(({ time: one }) => one));
    return { ok: true, says: t("public.log.quorumdone", { quorum: policy.quorum,
      away: away(at, wall()) }) };
  },
  async root({ session }, { head, log }) {
    const { find, read } = reader(session.wire, head.size, log.path);
    const root = await rootAt(head.size, find);
    return { ok: root === head.root, says: root === head.root
      ? t("public.log.rootdone", { n: read() }) : t("public.log.rootbad") };
  },
  async history({ session, holder }, { head, log, seen }) {
    const own = holder?.look.checkpoint ?? "", kept = seen.filter(({ note }) => note !== head.note);
    const mine = own.startsWith(`${head.origin}\n`) ? [await openHere(own, log)] : [];
    const all = [...kept, ...mine].filter(({ size, root }) =>
      size !== head.size || root !== head.root);
    if (!all.length) return { ok: null, says: t("public.log.firstlook") };
    await checkOneHistory([...all, head], session.wire, log.path);
    const [oldest] = [...all].sort((a, b) => a.size - b.size);
    return { ok: true, says: t("public.log.historydone", { n: all.length,
      size: number(oldest.size) }) };
  },
  async directory({ session }, { directory }) {
    const { index, at } = await placeOf(session, directory);
    return { ok: true, says: t("public.log.directorydone", { version:
      number(directory.listing.version), index: number(index), time: time(at) }) };
  },
  async app({ session }, { directory }) {
    const { body } = await session.wire.get("/v1/web").catch(notThere);
    if (!body) return { ok: null, says: t("public.log.noapp") };
    const logged = textOf(body, "web"), envelope = readEnvelope(logged, "cv1-web");
    const { index, at } = await checkLogged(directory, logged, textOf(body, "proof"));
    await verify(envelope, directory.vaultKey(envelope.kid, at));
    const { version, files } = open(envelope, "cv1-web");
    const own = session.config.version.startsWith(version);
    return { ok: own || null, says: t(own ? "public.log.appdone" : "public.log.appother",
      { version, index: number(index), n: files.length }) };
  },
};

/** @param {unknown} error @returns {{body: null}} */
function notThere(error) {
  if (isError(error, "not-found")) return { body: null };
  throw error;
}

/** @param {string} note @param {Log} log */
const openHere = async (note, { key }) => ({ ...await openCheckpoint(note, key), note });

/** Reads tiles, and counts them. @param {import("../wire.js").Wire} wire @param {number} size
 * @param {string} path */
function reader(wire, size, path) {
  /** @type {Map<string, Promise<Uint8Array>>} */
  const held = new Map();
  const find = subtrees((level, n) => {
    const name = `${path}/${tilePath(level, n, widthAt(size, level, n))}`;
    const found = held.get(name) ?? wire.raw(name);
    held.set(name, found);
    return found;
  });
  return { find, read: () => held.size };
}

/** The root of a tree, from its complete parts along the right edge.
 * @param {number} size @param {import("../merkle.js").Find} find */
async function rootAt(size, find) {
  let root = null;
  for (let level = 0, rest = size; rest; level++, rest = Math.floor(rest / 2)) {
    if (!(rest % 2)) continue;
    const part = await find(level, rest - 1);
    root = root ? await nodeHash(part, root) : part;
  }
  return root ? hex(root) : "";
}

/** Times at which so many entries were there, each proved or seen by this device.
 * @param {Ctx} ctx @param {Found} found @returns {[number, number][]} [unix, size], rising */
function pointsOf({ session }, { place, seen, log, head }) {
  const own = session.background.watched?.entries ?? [];
  const known = [place, ...own].filter(({ index }) => index >= log.base)
    .map(({ at, index }) => /** @type {[number, number]} */ ([at, index - log.base + 1]));
  const saw = seen.map(({ at, size }) => /** @type {[number, number]} */ ([at, size]));
  const all = [...known, ...saw].filter(([, size]) => size <= head.size)
    .sort(([a, m], [b, n]) => a - b || m - n);
  /** @type {[number, number][]} */
  const rising = [];
  for (const point of all) if (point[1] > (rising.at(-1)?.[1] ?? 0)) rising.push(point);
  return rising;
}

const LEAST = 3600; // seconds that make a picture
const W = 360, H = 180, LEFT = 44, FOOT = 22, TOP = 12;

/** @param {Ctx} ctx @param {Found} found */
function growth(ctx, found) {
  const draw = () => {
    const points = pointsOf(ctx, found);
    const [[first] = [0]] = points, [last = 0] = points.at(-1) ?? [];
    return card(t("public.log.growth"), last - first < LEAST
      ? el("p.mute", t("public.log.nogrowth")) : [drawn(points), el("p.small.mute", t("public.log.growthwhy", { n: points.length })),
        more(t("numbers"), table(t("public.log.growth"), [t("public.log.when"),
          t("public.log.size")], thinned(points).map(([at, size]) => [time(at), number(size)]),
        [1]))]);
  };
  return ctx.live(draw);
}

/** At most some of many, the first and the last among them. @param {[number, number][]} points */
const thinned = (points, most = 24) => points.filter((_, i) =>
  i === points.length - 1 || i % Math.ceil(points.length / most) === 0);

/** @param {[number, number][]} points */
function drawn(points) {
  const [first] = points[0], [last, most] = points[points.length - 1];
  const x = (/** @type {number} */ at) =>
    LEFT + (W - LEFT - 8) * (at - first) / Math.max(1, last - first);
  const y = (/** @type {number} */ size) => H - FOOT - (H - FOOT - TOP) * size / most;
  const line = points.map(([at, size]) => `${x(at).toFixed(1)} ${y(size).toFixed(1)}`).join("L");
  return svg("svg", { class: "chart", role: "img", viewBox: `0 0 ${W} ${H}` },
    svg("title", {}, t("public.log.growth")),
    svg("desc", {}, t("public.log.grown", { first: day(first), last: day(last),
      most: number(most) })),
    [0, 0.5, 1].map((part) => [svg("line", { x1: LEFT, x2: W, y1: y(part * most),
      y2: y(part * most) }), svg("text", { x: LEFT - 6, y: y(part * most) + 4,
      "text-anchor": "end" }, number(Math.round(part * most)))]),
    svg("path", { class: "area", d: `M${x(first)} ${H - FOOT}L${line}L${x(last)} ${H - FOOT}z` }),
    svg("path", { class: "line", d: `M${line}` }),
    svg("text", { x: LEFT, y: H - 5 }, day(first)),
    svg("text", { x: W, y: H - 5, "text-anchor": "end" }, day(last)));
}

/** @param {Found} found */
function kinds({ directory }) {
  const auditors = directory.listing.entries.filter(({ roles }) => roles.includes("auditor"));
  return card(t("public.log.kinds"), el("p", t("public.log.kindswhy")),
    el("ul.list", auditors.map(({ id, name, contact }) => el("li.item", el("span", link(name,
      `register?id=${id}`), el("br"), contact && el("span.small.mute", reach(contact)))))));
}

/** A way to reach somebody, as a link where it is one. @param {string} contact
 * @returns {import("../dom.js").Child} */
export function reach(contact) {
  const mail = /^[^\s@/]+@[^\s@/]+$/.test(contact) && `mailto:${contact}`;
  const href = contact.startsWith("https://") ? contact : mail;
  return href ? el("a", { href, rel: "noreferrer" }, contact) : contact;
}

/** @param {Found} found */
const earlierLogs = ({ earlier }) => earlier.length > 0 && card(t("public.log.earlier"),
  el("p", t("public.log.earlierwhy")), el("ul.list", earlier.map(({ entry, last }) =>
    el("li.item", el("span.mono.small", entry.origin), el("span.num", number(last?.size ?? 0))))));
