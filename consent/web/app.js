// The frame around every screen: routes, bars, notes, language, look; the last module to run.

import { banner, button, closeDialogs, el, go, icon, link, skeleton, trouble }
  from "./dom.js";
import { bring, late } from "./late.js";
import { openHere } from "./lock.js";
import { leaveButton } from "./screens/lock.js";
import { SCREENS, TABS } from "./screens/registry.js";
import { Session } from "./session.js";
import { Store } from "./store.js";
import { locale, pickLocale, sentence, setLocale, t, time } from "./words.js";

/** @typedef {import("./screens/registry.js").Entry} Entry */

const meta = /** @type {HTMLMetaElement} */ (document.querySelector("meta[name=carbonvault]"));
const session = new Session(JSON.parse(meta.content), new Store());
const body = /** @type {HTMLElement} */ (document.getElementById("app"));
const dark = matchMedia("(prefers-color-scheme: dark)");

// Only the frame's moving parts are kept; everything else is made anew.
const heading = el("h1", { tabindex: -1 });
const main = el("main", { id: "main" });
const notes = el("div.stack", { hidden: true });
const tabs = el("nav.bar", { hidden: true });
/** @type {Set<() => void>} */
const lives = new Set();
let turn = 0, wasOpen = false, able = true;
const UNABLE = { show: () => banner("bad", t("unable")) };

/** @returns {{entry: Entry, params: URLSearchParams}} */
function wanted() {
  const [route, query] = location.hash.replace(/^#\/?/, "").split("?");
  const asked = location.pathname === "/authorize" && !route;
  const found = SCREENS.find((one) => one.route === (asked ? "request" : route)) ?? named("home");
  return { entry: found, params: new URLSearchParams(asked ? location.search : query) };
}

const named = (/** @type {string} */ route) =>
  /** @type {Entry} */ (SCREENS.find((one) => one.route === route));

/** The screen to draw: what is asked for, or the way in. */
function reachable() {
  const { entry, params } = wanted(), door = ["start", "lock"].includes(entry.route);
  if (session.holder && door) return { entry: named("home"), params };
  if (session.holder || (entry.needs === "open" && !door)) return { entry, params };
  const inside = session.own && !session.handed;
  return { entry: named(inside && entry.route !== "start" ? "lock" : "start"), params };
}

async function show(again = false, spot = again ? focused() : null) {
  const mine = ++turn, { entry, params } = reachable();
  if (wasOpen !== !!session.holder) build();
  lives.clear();
  const title = (/** @type {string} */ text) => {
    heading.textContent = text;
    document.title = `${text} · ${t("app")}`;
  };
  const live = (/** @type {() => import("./dom.js").Child} */ draw) => {
    const place = el("div.stack"), make = () => {
      const spot = focused();
      place.replaceChildren(...el("div", draw()).childNodes);
      spot?.();
    };
    lives.add(make);
    make();
    return place;
  };
  frame(entry);
  title(t(`title.${entry.id}`));
  if (!again) {
    closeDialogs();
    main.replaceChildren(notes, heading, skeleton());
  }
  const redraw = () => show(true);
  let node;
  try {
    const screen = able ? await late(entry.load()) : UNABLE;
    if (mine !== turn) return; // what it needs may be shut by now
    const holder = /** @type {any} */ (session.holder);
    node = await screen.show({ session, holder, params, go, title, redraw, live });
  } catch (error) {
    node = trouble(error, redraw);
  }
  if (mine !== turn) return;
  main.replaceChildren(notes, heading, node);
  if (spot) spot();
  else if (!again) {
    scrollTo(0, 0);
    heading.focus({ preventScroll: true });
  }
}

/** Once an open vault is at rest the remaining screens come by themselves: none is asked for too
 * late, when there is no network, or another version in its place. */
const rest = () => SCREENS.forEach(({ load }) => load().catch(() => {}));

/** What puts the focus back where it was, once the screen is drawn again. */
function focused() {
  const was = document.activeElement;
  if (!was || !main.contains(was)) return null;
  const alike = () => /** @type {HTMLElement[]} */ ([...main.querySelectorAll(was.tagName)]);
  const named = () => alike().filter(({ textContent }) => textContent === said);
  const said = was.textContent, place = alike().findIndex((one) => one === was);
  const rank = named().findIndex((one) => one === was);
  return () => (named()[rank] ?? alike()[place] ?? heading).focus({ preventScroll: true });
}

/** @param {Entry} entry */
function frame(entry) {
  const open = !!session.holder;
  body.className = open ? "tabbed" : "";
  tabs.hidden = !open;
  tabs.setAttribute("aria-label", t("nav"));
  tabs.replaceChildren(...TABS.map((route) => tab(route, route === entry.tab)));
  noted();
}

/** @param {string} route @param {boolean} here */
const tab = (route, here) => el("a", { href: `#/${route}`, "aria-current": here && "page" },
  icon(route), t(`title.${route}`));

const alarms = () => (session.background.watched?.alarms.length ?? 0) + session.unequal;
const FAR = 300;

let told = "";
function noted() {
  const tab = tabs.querySelector("[href='#/activity']"), n = alarms();
  tab?.querySelector(".dot")?.remove();
  if (n) tab?.append(el("span.dot", el("span.hidden", t("warnings")), n));
  const [failed] = session.offline ? [] : Object.values(session.background.failed);
  const { lost } = session.store, apart = Math.abs(session.skew), far = apart > FAR;
  const now = [session.offline, failed, alarms(), lost, far, locale()].join();
  if (now === told) return; // an alert that is made again is read out again
  told = now;
  notes.hidden = !session.offline && !failed && !alarms() && !lost && !far;
  notes.replaceChildren(...el("div",
    session.offline && banner("warn", t("offline", { time: time(session.offline) })),
    alarms() > 0 && banner("bad", t("alarm"), " ", link(t("alarmsee"), "activity")),
    lost && banner("warn", t("lost")),
    far && banner("warn", t("apart", { n: Math.round(apart / 60) })),
    failed ? banner("bad", sentence(failed)) : null).childNodes);
}

function look() {
  const { theme } = session.prefs;
  document.documentElement.dataset.theme = theme || (dark.matches ? "dark" : "light");
}

function build() {
  wasOpen = !!session.holder;
  document.documentElement.lang = locale();
  look();
  const other = locale() === "en" ? "zh-CN" : "en";
  body.replaceChildren(
    el("a.skip", { href: "#main", onclick: skip }, t("skip")),
    el("header.top", el("a.logo", { href: "#/home" }, icon("vault"), t("app")),
      session.holder ? [
        el("a", { href: "#/settings", "aria-label": t("title.settings") }, icon("settings")),
        button(el("span", icon("lock"), el("span.hidden", t("lock"))),
          () => session.lock())]
        : button(el("span", { lang: other }, other === "en" ? "English" : "中文"),
          () => session.prefer("locale", other))),
    el("div.wrap", session.config.demo && el("aside.demo", t("demo")), main, footer()), tabs,
    el("p.toast", { id: "said", "aria-live": "polite" }));
}

/** @param {Event} event */
const skip = (event) => {
  event.preventDefault();
  heading.focus();
};

const footer = () => el("footer.foot",
  el("p.row", ["limits", "log", "register", "methodology"].map((route) =>
    link(t(`title.${route}`), route))),
  el("p", t("version"), " ", el("span.mono", session.config.version.slice(0, 16))));

function preferred() {
  setLocale(session.prefs.locale ?? pickLocale(navigator.languages));
  build();
}

function changed() {
  noted();
  const { at, running } = session.background;
  if (at && !running && !session.offline && navigator.onLine) rest(); // what fails comes no more
  if (wasOpen && !session.holder) show();
  else for (const make of lives) make();
}

function taken() {
  const code = /^#w=(.+)/.exec(location.hash);
  if (!code) return;
  history.replaceState(null, "", location.pathname + location.search);
  session.handed = decodeURIComponent(code[1]);
}

/** Whether this browser signs and seals as the protocol wants; the newest of the two is Ed25519. */
async function probe() {
  const make = (/** @type {string} */ name, /** @type {KeyUsage[]} */ ...uses) =>
    crypto.subtle.generateKey(name, false, uses);
  try {
    await Promise.all([make("Ed25519", "sign", "verify"), make("X25519", "deriveBits")]);
  } catch {
    able = false;
  }
}

/** Whoever comes back waits for no module after the other. */
function ahead() {
  bring();
  wanted().entry.load().catch(() => {});
}

async function begin() {
  taken();
  session.store.get("own").then((own) => own && ahead(), () => {});
  await Promise.all([session.start(), probe()]);
  preferred();
  try {
    const root = able && await openHere(session.store);
    if (root) await session.unlock(root);
  } catch (error) {
    heading.textContent = t("app");
    return main.replaceChildren(heading, trouble(error, begin),
      ...session.own ? [el("div.row", leaveButton(session, () => show()))] : []);
  }
  await show();
}

addEventListener("hashchange", () => {
  taken();
  show();
});
session.addEventListener("change", changed);
session.addEventListener("prefs", () => {
  const spot = focused();
  preferred();
  show(true, spot);
});
dark.addEventListener("change", look);
// What went wrong is said once on a screen; one button tries all of it.
const TROUBLE = "section.card.note.bad";
new MutationObserver(() => {
  const said = new Set();
  for (const one of [...main.querySelectorAll(TROUBLE), ...notes.querySelectorAll(".bad")]) {
    const { textContent } = one.querySelector("p") ?? one;
    one.toggleAttribute("hidden", said.has(textContent));
    said.add(textContent);
  }
}).observe(main, { childList: true, subtree: true });
main.addEventListener("click", ({ target, isTrusted }) => isTrusted
  && /** @type {Element} */ (target).matches(`${TROUBLE} button`)
  && main.querySelectorAll(`${TROUBLE}[hidden] button`).forEach((one) =>
    one.dispatchEvent(new Event("click"))), true); // the own act takes it away
await begin();

const worker = "/sw.js";
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("cv-sw", {
  createScriptURL: (/** @type {string} */ url) => {
    if (url === worker) return url;
    throw new TypeError(url);
  } });
navigator.serviceWorker?.register(policy?.createScriptURL(worker) ?? worker,
  { updateViaCache: "none" }).catch(() => {});
