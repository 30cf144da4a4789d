// The app's building blocks: elements, forms, notes and dialogs. Every text goes in as text.
import { LateError } from "./late.js";
import { sentence, t } from "./words.js";

/** @typedef {Node | string | number | null | undefined | false | Nest} Child */
/** @typedef {Array<Node | string | number | null | undefined | false | Nest>} Nest */
/** @typedef {Record<string, unknown>} Attrs */

/** @param {Element} node @param {Attrs} attrs @param {Child[]} children */
function fill(node, attrs, children) {
  for (const [name, value] of Object.entries(attrs))
    if (name.startsWith("on"))
      node.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, String(value));
  for (const one of /** @type {Child[]} */ (children.flat(9)))
    if (one || one === 0) node.append(/** @type {Node} */ (one));
}

/** @param {Attrs | Child} found @returns {found is Attrs} */
const isAttrs = (found) => !!found && Object.getPrototypeOf(found) === Object.prototype;

/** An element "div.card": attributes may be left out; `on…` listen, null and false are left out.
 * @param {string} tag @param {Attrs | Child} [attrs] @param {...Child} children
 * @returns {HTMLElement} */
export function el(tag, attrs, ...children) {
  const [name, ...classes] = tag.split("."), node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  if (isAttrs(attrs)) fill(node, attrs, children);
  else fill(node, {}, [attrs, ...children]);
  return node;
}

/** An SVG element. @param {string} tag @param {Attrs} [attrs] @param {...Child} children */
export function svg(tag, attrs = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(node, attrs, children);
  return node;
}

/** @type {Record<string, string>} */
const ICONS = {
  home: "M4 11l8-7 8 7v9h-5v-6H9v6H4z",
  records: "M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6M9 12h6",
  sources: "M9 15l6-6M8 11l-3 3a3.5 3.5 0 005 5l3-3M16 13l3-3a3.5 3.5 0 00-5-5l-3 3",
  consents: "M12 15V3M8 7l4-4 4 4M6 11v10h12V11",
  activity: "M3 12h4l3-8 4 16 3-8h4",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 017 0v3",
  vault: "M3.5 4h17v15.5h-17zM6 19.5V22M18 19.5V22M12 16.5v-3.5c0-2.5 1.5-4 4.5-4.5 0 3-1.5 4.5" +
    "-4.5 4.5-2.5 0-4-1-4.5-3.5 3 0 4.5 1 4.5 3.5",
  leaf: "M12 21V11M12 14c-5 0-7-3-7-8 5 0 7 3 7 8zM12 11c0-4 2-6.5 7-6.5 0 5-2.5 7.5-7 7.5",
};

/** A line icon: home, records, sources, consents, activity, settings, lock, vault, leaf.
 * @param {string} name */
export const icon = (name) => svg("svg", { viewBox: "0 0 24 24", class: "icon",
  "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));

/** Goes to a route: "home", "grant?id=0f…". @param {string} route */
export const go = (route) => void (location.hash = `#/${route}`);

/** A link to a route. @param {Child} text @param {string} route @param {string} [kind] classes */
export const link = (text, route, kind) => el("a", { href: `#/${route}`, class: kind }, text);

/** A button; while its promise runs it is busy, and what that throws is shown.
 * @param {Child} text @param {(event: Event) => unknown} act
 * @param {string} [kind] primary, danger, quiet; "" is plain @returns {HTMLButtonElement} */
export function button(text, act, kind = "") {
  const onclick = async (/** @type {Event} */ event) => {
    if (node.ariaBusy) return;
    node.ariaBusy = "true";
    try {
      await act(event);
    } catch (error) {
      failed(error);
    }
    node.ariaBusy = null;
  };
  const node = /** @type {HTMLButtonElement} */ (
    el("button", { type: "button", class: `btn ${kind}`, onclick }, text));
  return node;
}

let count = 0;

/** A labelled input, with `rows` of several lines; `fail(text)` marks and explains a
 * mistake, "" takes that back.
 * @param {string} label @param {Attrs} [attrs] @param {string} [hint] */
export function field(label, attrs = {}, hint = "") {
  const id = `f${++count}`, wrong = el("p.small.wrong", { id: `${id}e`, role: "alert" });
  const input = /** @type {HTMLInputElement} */ (el(attrs.rows ? "textarea" : "input",
    { id, autocomplete: "off", "aria-describedby": `${id}h ${id}e`, ...attrs }));
  const node = el("div.field", el("label", { for: id }, label),
    el("p.small.mute", { id: `${id}h`, hidden: !hint }, hint), input, wrong);
  const fail = (/** @type {string} */ text) => {
    wrong.textContent = text;
    input.ariaInvalid = text ? "true" : null;
    if (text) input.focus();
  };
  return { node, input, fail };
}

/** A box to tick, with its words beside it. @param {Child} label @param {Attrs} [attrs] */
export function check(label, attrs = {}) {
  const input = /** @type {HTMLInputElement} */ (el("input", { type: "checkbox", ...attrs }));
  return { node: el("label.check", input, el("span", label)), input };
}

/** A choice of one of a few: [value, words]. @param {string} label
 * @param {[string, string][]} options @param {string} value
 * @param {(value: string) => unknown} chosen */
export function choice(label, options, value, chosen) {
  const id = `f${++count}`, select = /** @type {HTMLSelectElement} */ (el("select",
    { id, onchange: () => chosen(select.value) }, options.map(([name, words]) =>
      el("option", { value: name, selected: name === value }, words))));
  return el("div.field", el("label", { for: id }, label), select);
}

/** A card with a heading. @param {Child} title @param {...Child} children */
export const card = (title, ...children) =>
  el("section.card", title ? el("h2", title) : null, children);

/** Names and values below each other. @param {[Child, Child][]} pairs */
export const facts = (pairs) =>
  el("dl.facts", pairs.map(([name, value]) => el("div", el("dt", name), el("dd", value))));

/** A table; `numbers` are the columns of numbers. @param {string} caption @param {Child[]} heads
 * @param {Child[][]} rows @param {number[]} [numbers] */
export function table(caption, heads, rows, numbers = []) {
  const cell = (/** @type {string} */ tag, /** @type {string | null} */ scope) =>
    (/** @type {Child} */ one, /** @type {number} */ i) =>
      el(tag, { scope, class: numbers.includes(i) && "num" }, one);
  const row = (/** @type {Child[]} */ [first, ...rest]) =>
    el("tr", el("th", { scope: "row" }, first), rest.map((one, i) => cell("td", null)(one, i + 1)));
  return el("div.scroll", { tabindex: 0, role: "region", "aria-label": caption }, el("table",
    el("caption.hidden", caption), el("thead", el("tr", heads.map(cell("th", "col")))),
    el("tbody", rows.map(row))));
}

/** What unfolds on request. @param {Child} summary @param {...Child} children */
export const more = (summary, ...children) => el("details", el("summary", summary), children);

/** Tabs of one screen, each a route. @param {string} label @param {[string, Child][]} tabs
 * @param {string} current the route of the open one */
export const tabs = (label, tabs, current) => el("nav.tabs", { "aria-label": label },
  tabs.map(([route, words]) => el("a", { href: `#/${route}`,
    "aria-current": route === current && "page" }, words)));

/** A note. @param {"info" | "good" | "warn" | "bad"} kind @param {...Child} children */
export const banner = (kind, ...children) =>
  el(`div.note.${kind}`, { role: kind === "bad" ? "alert" : null }, children);

/** A small mark of a state. @param {string} kind good, warn, bad or "" @param {Child} text */
export const badge = (kind, text) => el("span", { class: `badge ${kind}` }, text);

/** What stands where there is nothing yet. @param {string} title @param {Child} text
 * @param {Child} [act] */
export const empty = (title, text, act) =>
  el("section.card.empty", icon("leaf"), el("h2", title), el("p.mute", text), act);

/** Grey lines while something is loaded. */
export const skeleton = () => el("div.card.skeleton",
  { role: "status", "aria-label": t("loading") }, el("i"), el("i"), el("i"));

/** @param {unknown} error */
const reason = (error) => [el("p", sentence(error)), more(t("details"), el("p.small.mono",
  String(/** @type {Error} */ (error)?.message ?? error)))];

/** Only the page anew brings a module that did not arrive. @param {unknown} error */
const anew = (error) => error instanceof LateError
  && button(t("anew"), () => location.reload(), "primary");

/** The card of an error, with a way to try again. @param {unknown} error
 * @param {() => unknown} [again] */
export const trouble = (error, again) => {
  const act = anew(error) || (again && button(t("again"), again));
  return el("section.card.note.bad", { role: "alert" }, reason(error), act && el("div.row", act));
};

/** A part that loads: grey lines, then what `draw` makes of it, or the error and "try again".
 * @template T @param {() => Promise<T>} load @param {(value: T) => Child} draw */
export function busy(load, draw) {
  const node = el("div.stack");
  const run = async () => {
    node.ariaBusy = "true";
    node.replaceChildren(skeleton());
    let found;
    try {
      found = draw(await load());
    } catch (error) {
      found = trouble(error, run);
    }
    node.replaceChildren(...el("div", found).childNodes);
    node.ariaBusy = null;
  };
  run();
  return node;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let said;

/** Says something to screen readers, and shows it for a moment. @param {string} text */
export function announce(text) {
  const place = document.getElementById("said");
  if (!place) return;
  place.textContent = text;
  clearTimeout(said);
  said = setTimeout(() => place.textContent = "", 6000);
}

/** A dialog; `buttons` are made with its `close`. Escape closes it with null.
 * @template T @param {string} title @param {Child} content
 * @param {(close: (value: T | null) => void) => Child} buttons @returns {Promise<T | null>} */
export const dialog = (title, content, buttons) => new Promise((done) => {
  const close = (/** @type {T | null} */ value) => {
    node.close();
    node.remove();
    done(value);
  };
  const id = `f${++count}`, node = /** @type {HTMLDialogElement} */ (el("dialog",
    { "aria-labelledby": id, oncancel: () => close(null) }, el("h2", { id, tabindex: -1 }, title),
    el("div.stack", content), el("div.row.end", buttons(close))));
  document.body.append(node);
  node.showModal();
});

/** Closes every dialog as Escape does: what was asked for is not on the screen any more. */
export const closeDialogs = () => document.querySelectorAll("dialog").forEach((one) =>
  one.dispatchEvent(new Event("cancel")));

/** Asks before something is done; Escape is no. With `word`, that must be typed first.
 * @param {{title: string, text: Child, yes?: string, no?: string, danger?: boolean,
 *   word?: string}} ask @returns {Promise<boolean>} */
export async function confirm({ title, text, yes = title, no = t("cancel"), danger = false, word = "" }) {
  const label = t("typeword", { word }), typed = field(label);
  return !!await dialog(title, [typeof text === "string" ? el("p", text) : text,
    word && typed.node], (close) => [button(no, () => close(null)), button(yes, () => {
    if (word && typed.input.value.trim() !== word) typed.fail(label);
    else close(true);
  }, danger ? "danger" : "primary")]);
}

/** Shows what went wrong. @param {unknown} error */
export const failed = (error) => dialog(
  t(sentence(error) === t("e.sent") ? "unproved" : "failed"), reason(error),
  (close) => [anew(error), button(t("ok"), () => close(null), anew(error) ? "" : "primary")]);

/** A text with a button that copies it. @param {string} text */
export const copyable = (text) => el("div.code", el("code", text), button(t("copy"), async () => {
  await navigator.clipboard.writeText(text);
  announce(t("copied"));
}, "quiet"));

/** Offers a file to keep. @param {string} name @param {string} type @param {BlobPart} content */
export function save(name, type, content) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
