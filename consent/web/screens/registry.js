// Every route of the app, what it needs, and the module that draws it.

import * as start from "./start.js";
import * as lock from "./lock.js";
import * as home from "./home.js";
import * as records from "./records.js";
import * as sources from "./sources.js";
import * as link from "./link.js";
import * as consents from "./consents.js";
import * as requests from "./requests.js";
import * as request from "./request.js";
import * as grant from "./grant.js";
import * as activity from "./activity.js";
import * as settings from "./settings.js";
import * as log from "./log.js";
import * as register from "./register.js";
import * as methodology from "./methodology.js";
import * as limits from "./limits.js";

/** @typedef {import("../session.js").Session} Session */
/** What a screen is given. @typedef {{session: Session, holder: import("../holder.js").Holder,
 *   params: URLSearchParams, go: (route: string) => void, title: (text: string) => void,
 *   redraw: () => void, live: (draw: () => import("../dom.js").Child) => HTMLElement}} Ctx */
/** @typedef {{show: (ctx: Ctx) => Node|Promise<Node>}} Screen */
/** @typedef {{id: string, route: string, needs: "open"|"unlocked", tab?: string, states: string[],
 *   screen: Screen}} Entry */

const PARTS = ["normal", "empty", "loading", "error", "long"];

/** @param {string} route @param {Entry["needs"]} needs @param {Screen} screen
 * @param {string} [tab] the route whose tab is lit */
const at = (route, needs, screen, tab = "") => ({ id: route.replace("/", "-"), route, needs, tab,
  states: PARTS, screen });

export const SCREENS = [
  at("start", "open", start),
  at("lock", "open", lock),
  at("home", "unlocked", home, "home"),
  at("records", "unlocked", records, "records"),
  at("sources", "unlocked", sources, "sources"),
  at("sources/link", "unlocked", link, "sources"),
  at("consents", "unlocked", consents, "consents"),
  at("requests", "unlocked", requests, "consents"),
  at("request", "unlocked", request, "consents"),
  at("grant", "unlocked", grant, "consents"),
  at("activity", "unlocked", activity, "activity"),
  at("settings", "unlocked", settings, "settings"),
  at("log", "open", log),
  at("register", "open", register),
  at("methodology", "open", methodology),
  at("limits", "open", limits),
];

export const TABS = ["home", "records", "sources", "consents", "activity"];
