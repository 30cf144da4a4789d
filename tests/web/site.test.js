// What a page may choose of itself, and what it may not: the auditor's list, and a key kept here.
import assert from "node:assert/strict";
import { test } from "node:test";

import { NOBODY_ASKED, NOT_THEIRS } from "../../consent/web/activity.js";
import { Holder } from "../../consent/web/holder.js";
import { accountKey } from "../../consent/web/keys.js";
import { Session } from "../../consent/web/session.js";

const SIGNED = "https://audit.example";

/** Asks as a holder whose directory lists this contact; which URLs were asked, and what came.
 * @param {string|null} named @param {string|undefined} contact
 * @param {AbortSignal} [over] of their vault */
async function asked(named, contact, over = new AbortController().signal) {
  const directory = { listing: { entries: [{ id: "a.example", roles: ["auditor"], contact }] } };
  const key = await accountKey(new Uint8Array(20)), urls = [], real = globalThis.fetch;
  globalThis.fetch = async (url, { signal }) => {
    signal.throwIfAborted();
    urls.push(new URL(String(url)).origin);
    throw new TypeError("no network");
  };
  const self = { directory: async () => directory, device: { state: { orgs: [] } }, key,
    wire: { over } };
  try {
    const found = await Holder.prototype._askAuditor.call(self, named);
    return { urls: new Set(urls), found };
  } finally {
    globalThis.fetch = real;
  }
}

test("only the address that the auditor signed is asked for the list", async () => {
  for (const named of [SIGNED, null]) {
    const { urls, found } = await asked(named, SIGNED);
    assert.deepEqual(urls, new Set([SIGNED]));
    assert.notEqual(found.why, NOT_THEIRS.why);
  }
});

test("once the vault is locked nobody is asked", async () => {
  const done = asked(SIGNED, SIGNED, AbortSignal.abort());
  assert.deepEqual(await done.then(({ urls }) => [...urls], ({ name }) => name), "AbortError");
});

test("a list at another address than the auditor's contact is not compared, and it is told why",
  async () => {
    for (const [named, contact] of [["https://evil.example", SIGNED], [`${SIGNED}/x`, SIGNED],
      ["https://evil.example", undefined], [SIGNED, "desk@audit.example"]]) {
      const { urls, found } = await asked(named, contact);
      assert.equal(urls.size, 0);
      assert.equal(found, NOT_THEIRS);
      assert.equal(found.auditor, NOBODY_ASKED.auditor);
    }
  });

test("without a signed address nobody is asked", async () => {
  assert.equal((await asked(null, undefined)).found, NOBODY_ASKED);
});

/** @param {boolean} keeps */
async function kept(keeps) {
  const put = new Map(), self = { config: { keeps }, root: new Uint8Array(20), own: null,
    store: { put: async (name, value) => put.set(name, value) },
    remember: async (/** @type {object} */ change) => put.set("own", change) };
  await Session.prototype.keepOpen.call(self, true);
  return { device: put.get("device"), way: put.get("own").way };
}

test("a page from one's own machine keeps no key in the store of its port", async () => {
  globalThis.navigator ??= /** @type {any} */ ({});
  const usual = await kept(true); // the control: the page of a vault keeps one
  assert.equal(usual.device.key.type, "secret");
  assert.equal(usual.way, "device");
  assert.deepEqual(await kept(false), { device: null, way: "code" });
});
