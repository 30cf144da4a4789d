// Every route of the app, what it needs, and how the module that draws it comes: the two doors with
// the first view, all else when it is wanted.

import * as lock from "./lock.js";
import * as start from "./start.js";

/** @typedef {import("../session.js").Session} Session */
/** What a screen is given. @typedef {{session: Session, holder: import("../holder.js").Holder,
 *   params: URLSearchParams, go: (route: string) => void, title: (text: string) => void,
 *   redraw: () => unknown, live: (draw: () => import("../dom.js").Child) => HTMLElement}} Ctx */
/** @typedef {{show: (ctx: Ctx) => Node|Promise<Node>}} Screen */
/** @typedef {{id: string, route: string, needs: "open"|"unlocked", tab?: string, states: string[],
 *   load: () => Promise<Screen>}} Entry */

const PARTS = ["normal", "empty", "loading", "error", "long"];

/** @param {string} route @param {Entry["needs"]} needs @param {Entry["load"]} load
 * @param {string} [tab] the route whose tab is lit */
const at = (route, needs, load, tab = "") => ({ id: route.replace("/", "-"), route, needs, tab,
  states: PARTS, load });

export const SCREENS = [
  at("start", "open", async () => start),
  at("lock", "open", async () => lock),
  at("home", "unlocked", () => import("./home.js"), "home"),
  at("records", "unlocked", () => import("./records.js"), "records"),
  at("sources", "unlocked", () => import("./sources.js"), "sources"),
  at("sources/link", "unlocked", () => import("./link.js"), "sources"),
  at("consents", "unlocked", () => import("./consents.js"), "consents"),
  at("requests", "unlocked", () => import("./requests.js"), "consents"),
  at("request", "unlocked", () => import("./request.js"), "consents"),
  at("grant", "unlocked", () => import("./grant.js"), "consents"),
  at("activity", "unlocked", () => import("./activity.js"), "activity"),
  at("settings", "unlocked", () => import("./settings.js"), "settings"),
  at("log", "open", () => import("./log.js")),
  at("register", "open", () => import("./register.js")),
  at("methodology", "open", () => import("./methodology.js")),
  at("limits", "open", () => import("./limits.js")),
];

export const TABS = ["home", "records", "sources", "consents", "activity"];
