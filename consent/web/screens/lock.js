// The locked vault: what opens it again on this device.

import { button, busy, confirm, el } from "../dom.js";
import { passkeysOffered } from "../lock.js";
import { t } from "../words.js";
import { codeForm, enter, passkeyButton } from "./start.js";

/** The ways to open it. @param {import("./registry.js").Ctx} ctx */
export function show(ctx) {
  const { session } = ctx;
  const open = async (/** @type {Uint8Array} */ root) => {
    if (await enter(session, root)) ctx.redraw();
  };
  return el("div.stack", el("p.mute", t("start.hint")),
    busy(() => passkeysOffered(session.config), (offered) => offered && passkeyButton(ctx, open)),
    codeForm(ctx, open),
    leaveButton(session, ctx.redraw));
}

/** A vault that does not open, also one that is gone, can be given up here.
 * @param {import("../session.js").Session} session @param {() => unknown} then */
export const leaveButton = (session, then) => button(t("start.leave"), async () => {
  const sure = { title: t("start.leave"), text: t("start.leavewhy"), danger: true };
  if (!await confirm(sure)) return;
  await session.leave();
  await then();
}, "quiet");
