// What the session keeps on a device, reads again without a network, and shuts.
import assert from "node:assert/strict";
import { test } from "node:test";

import { VaultError } from "../../consent/web/errors.js";
import { Holder } from "../../consent/web/holder.js";
import { openBy } from "../../consent/web/lock.js";
import { random, wrapId, wrapRoot } from "../../consent/web/keys.js";
import { b64u, unb64u, unhex } from "../../consent/web/encoding.js";
import { readDirectory } from "../../consent/web/directory.js";
import { EMPTY } from "../../consent/web/state.js";
import { Store } from "../../consent/web/store.js";
import { setLocale } from "../../consent/web/words.js";
import { shelfOf, vectors } from "./shelf.js";

globalThis.document = { hidden: false, getElementById() {} };
Object.defineProperty(globalThis, "navigator", { configurable: true, value: { language: "en",
  locks: { request: async (_, work) => work() } } });
/** @type {Set<any>} */
const tabs = new Set();
globalThis.BroadcastChannel = class {
  constructor() { tabs.add(this); }
  postMessage() {
    for (const tab of tabs) if (tab !== this) this.last = tab.onmessage();
  }
};
globalThis.setInterval = () => 0;
const { Session } = await import("../../consent/web/session.js");
setLocale("en");

/** What Holder.open would give, its parts as they came. */
let parts;
/** What opening waits for, at its places "open" and "load". */
let wait = async (_place) => {};
let accounts = 0;
Holder.open = async (given) => {
  parts = given;
  await wait("open");
  const name = b64u(given.root).slice(0, 8);
  return { account: name, load: () => wait("load"), openAccount: async () => accounts++, held: async () => ({ listing: { zone: "UTC" } }),
    directory: async () => ({}), refresh: () => new Promise(() => {}), wire: given.wire,
    memory: () => ({ made: {}, counter: 1, look: { checkpoint: "", seen: {} } }),
    grants: async () => (await given.wire.get("/v1/holder/grants")).body,
    uses: async () => (await given.wire.get("/v1/holder/releases")).body };
};

const CONFIG = { vault: "https://v.example", auditor: "A".repeat(43), log: "x", demo: false,
  lists: null, passkeys: false, version: "1", templates: "" };
class Kept {
  all = new Map();
  full = false;
  get = async (name) => structuredClone(this.all.get(name));
  async put(name, value) {
    if (this.full) throw new DOMException("full", "QuotaExceededError");
    this.all.set(name, value);
  }
  async forget() {
    this.all.clear();
  }
}
let answer, calls = 0;
globalThis.fetch = async (url, { signal }) => {
  signal.throwIfAborted(); // as a browser's own
  calls++;
  return new Promise((done, fail) => {
    signal.addEventListener("abort", () => fail(signal.reason));
    Promise.resolve(answer(new URL(url).pathname)).then(done, fail);
  });
};
const told = (body = {}, headers = {}) =>
  new Response(JSON.stringify(body), { headers: { ETag: '"7"', ...headers } });
const settle = () => new Promise((done) => setTimeout(done, 30));
const cut = () => { throw new TypeError("reset"); };
const slug = (wanted) => (error) => error instanceof VaultError && error.slug === wanted;

async function opened(store = new Kept(), root = random(20)) {
  answer = () => told({ fresh: true });
  const session = new Session(CONFIG, store);
  await session.start();
  await session.unlock(root);
  return { session, store, root, wire: parts.wire, live: parts.live };
}

test("a full device is told what the vault answers, and what it stored", async () => {
  const { session, store, wire, live } = await opened();
  assert.deepEqual((await wire.get("/v1/holder/grants")).body, { fresh: true });
  await settle();
  store.full = true;
  answer = () => told({ newer: true });
  assert.deepEqual((await wire.get("/v1/holder/grants")).body, { newer: true });
  await live.send("PUT", "/v1/holder/state", new Uint8Array([1]), { "If-Match": '"6"' });
  await session.remember({ code: "x" });
  await settle();
  assert.equal(session.offline, null);
});

test("an answer of more than a megabyte is not kept, and is read", async () => {
  const { wire } = await opened();
  answer = () => told({ long: "x".repeat(1 << 20) });
  assert.equal((await wire.get("/v1/holder/grants")).body.long.length, 1 << 20);
  await settle();
  answer = cut;
  await assert.rejects(wire.get("/v1/holder/grants"), slug("unreachable"));
});

test("what acts is never answered from a copy; what is shown is, and says so", async () => {
  const { session, wire, live } = await opened();
  for (const way of [wire, live]) await way.get("/v1/holder/grants");
  await settle();
  answer = cut;
  await assert.rejects(live.get("/v1/holder/grants"), slug("unreachable"));
  assert.deepEqual((await wire.get("/v1/holder/grants")).body, { fresh: true });
  assert.notEqual(session.offline, null);
});

test("an old list stays marked until that very list is read again", async () => {
  const { session } = await opened();
  await Promise.all([session.grants(), session.uses()]);
  await settle();
  session.forget();
  answer = (path) => (path.endsWith("/grants") ? cut() : told());
  await Promise.all([session.grants(), session.uses()]);
  assert.notEqual(session.offline, null, "releases came, grants did not");
  answer = () => told();
  session.forget();
  await session.uses();
  assert.notEqual(session.offline, null);
  await session.grants();
  await settle();
  assert.equal(session.offline, null);
});

test("names of what is kept tell no path", async () => {
  const { store, wire } = await opened(), id = "0f".repeat(16);
  await wire.get(`/v1/holder/links/${id}/closes`);
  await settle();
  const names = [...store.all.keys()];
  assert.ok(names.length > 1);
  assert.ok(!names.some((name) => name.includes(id) || name.includes("/v1")), names.join());
});

test("another vault in another tab closes this one, which writes nothing over it", async () => {
  const store = new Kept(), one = await opened(store), two = new Session(CONFIG, store);
  await two.start();
  await two.unlock(random(20));
  await settle();
  const { account } = two.own, { holder } = two;
  assert.equal(one.session.holder, null);
  assert.equal(holder.closed, undefined);
  await one.session.remember({ code: "x" });
  assert.equal(store.all.get("own").account, account);
  const late = new Session(CONFIG, store); // a tab that heard nothing
  Object.assign(late, { own: { account: "other" } });
  await late.remember({ code: "late" });
  assert.equal(store.all.get("own").account, account);
  assert.notEqual(store.all.get("own").code, "late");
});

test("what is in flight when it is left is not kept, and makes nothing more", async () => {
  const { session, store, wire } = await opened(), { holder } = session;
  await settle();
  await wire.get("/v1/holder/requests");
  await session.leave();
  await settle();
  assert.deepEqual([...store.all.keys()], []);
  assert.equal(holder.closed, true);
});

for (const act of ["lock", "leave"])
  test(`after ${act} nothing is sent, and what was under way is aborted and kept by nobody`,
    async () => {
      const { session, store, wire, live } = await opened(), { promise, resolve: on } = gate();
      const { holder } = session;
      await settle();
      answer = async () => (await promise, told({ late: true }));
      const under = [wire, live].map((way) => way.get("/v1/holder/requests")
        .then(() => "came", ({ name }) => name));
      await settle();
      await session[act](); // it waits for none of them
      const before = [...store.all.keys()], sent = calls;
      assert.deepEqual(await Promise.all(under), ["AbortError", "AbortError"]);
      on();
      for (const way of [wire, live])
        for (const send of [() => way.get("/v1/holder/grants"), () => way.post("/v1/x", "late")])
          await assert.rejects(send(), { name: "AbortError" });
      await settle();
      assert.deepEqual([calls, [...store.all.keys()]], [sent, before]);
      assert.ok(holder.wire.over.aborted, "and the auditor is not asked");
    });

test("before an act the network is tried; a slow one keeps nobody waiting", async (t) => {
  const { session } = await opened(), never = gate().promise;
  await settle();
  answer = cut;
  await assert.rejects(session.reach(), slug("unreachable"));
  answer = () => never;
  const locked = session.reach();
  await settle();
  await session.lock();
  await assert.rejects(locked, { name: "AbortError" }, "nothing opens over a locked vault");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const slow = session.reach();
  t.mock.timers.tick(3000);
  await slow;
});

test("what is over by a clock that runs ahead is not over before the vault's clock says so",
  async () => {
    const { session, wire } = await opened(), ahead = 40 * 86400;
    answer = () => told({}, { Date: new Date(Date.now() - ahead * 1000).toUTCString() });
    await wire.get("/v1/holder/grants");
    assert.ok(Math.abs(session.now() - ahead - session.past()) <= 2);
    assert.ok(Math.abs(session.skew - ahead) <= 2);
    answer = () => told({}, { Date: new Date(Date.now() + ahead * 1000).toUTCString() });
    await wire.get("/v1/holder/grants");
    assert.equal(session.past(), session.now());
  });

test("what was closed is read by a directory that has expired, whatever the vault then answers",
  async () => {
    const { session, holder = session.holder } = await opened(), { coming } = await import(
      "../../consent/web/sharing.js");
    const over = async () => { throw new VaultError("bad-directory", "the directory expired"); };
    Object.assign(holder, { directory: over, knownLinks: {}, device: { state: EMPTY } });
    assert.deepEqual(await session.links(), []);
    session.uses = async () => [];
    const grant = { grant: "aa", first: "2026-01", last: "2026-02", step: 1, until: 1,
      categories: [4] };
    assert.equal((await coming({ session, holder }, { grant, state: "live" })).length, 2);
    Object.assign(holder, { held: over, current: { newest: { listing: {} } } });
    session.forget();
    assert.deepEqual(await session.links(), []);
  });

test("a key newer than the directory is looked up before the vault is blamed", async () => {
  const { links, texts, directory: signed, auditor, root } = vectors("web_records.json");
  const one = links.find(({ name }) => name === "a source whose keys changed");
  const directory = await readDirectory(signed, unb64u(auditor));
  const older = Object.assign(Object.create(directory), { keys: new Map() });
  const { session, holder = session.holder } = await opened();
  let refreshed = 0;
  const current = { refresh: async () => refreshed++ };
  Object.assign(holder, { current, held: async () => (refreshed ? directory : older),
    root: unhex(root), knownLinks: { [one.link]: { source: "bike.example" } },
    wire: shelfOf(one, (n) => texts[n]) });
  const [own] = await session.links();
  assert.deepEqual([refreshed, own.trouble, own.closes.length], [1, null, 2]);
});

test("the log counts as watched when it was, and a clock that fails stops nothing", async () => {
  const { session } = await opened();
  session.background = { ...session.background, running: false };
  let fails = true;
  Object.assign(session.holder, { refresh: async () => {}, confirm: async () => {},
    mintAll: async () => null, watch: async () => {
      if (fails) throw new VaultError("unreachable", "cut");
      return { alarms: [] };
    } });
  await session.refresh();
  assert.equal(session.background.looked, 0);
  assert.ok(session.background.at);
  fails = false;
  await session.refresh();
  assert.ok(session.background.looked);
});

test("a figure that left and is not the own one counts until the vault is locked", async () => {
  const { session } = await opened(), { vault } = vectors("web_records.json");
  const [{ release: text }] = vault.answers["/v1/holder/releases"].body.releases;
  session.background = { ...session.background, running: false };
  let entries = [];
  Object.assign(session.holder, { refresh: async () => {}, confirm: async () => {},
    mintAll: async () => null, knownLinks: {}, grants: async () => [], _listed: async () => [],
    watch: async () => ({ alarms: [], entries }) });
  await session.refresh();
  assert.equal(session.unequal, 0);
  entries = [{ typ: "cv1-release", name: "x", text }];
  await session.refresh();
  assert.equal(session.unequal, 1);
  await session.lock();
  assert.equal(session.unequal, 0);
});

test("a device without a database works, and says that it keeps nothing", async () => {
  const store = new Store();
  await store.put("prefs", { locale: "en", theme: "dark", ahead: 12 });
  await store.put("own", 1);
  assert.equal(store.lost, true);
  await store.forget();
  assert.equal(await store.get("own"), undefined);
  assert.deepEqual(await store.get("prefs"), { locale: "en", theme: "dark" },
    "the months ahead are the last person's choice");
});

test("a wrap that was removed opens nothing, though this device still has it", async () => {
  const root = random(20), secret = random(32), blob = await wrapRoot(secret, root, random(12));
  const wire = (get) => ({ get });
  const gone = async () => { throw new VaultError("not-found", "gone"); };
  const away = async () => { throw new VaultError("unreachable", "away"); };
  await assert.rejects(openBy(wire(gone), secret, blob), slug("not-found"));
  const found = await openBy(wire(away), secret, blob);
  assert.deepEqual([found.root, found.wrap], [root, await wrapId(secret)]);
  await assert.rejects(openBy(wire(away), secret), slug("unreachable"));
});

// What comes in between while a vault is opened: its module, its directory, its state

/** A promise, and what fulfils it. */
function gate() {
  let resolve = () => {};
  return { promise: new Promise((done) => resolve = done), resolve: () => resolve() };
}

/** A session that opens and waits at a place; `on` lets it go on. @param {string} place */
async function opening(place, store = new Kept(), root = random(20), fresh = false) {
  const { promise, resolve: on } = gate();
  answer = () => told();
  const session = new Session(CONFIG, store);
  await session.start();
  wait = async (here) => here === place && promise;
  const done = session.unlock(root, fresh).then(() => "open", ({ name }) => name);
  if (place) await settle();
  wait = async () => {};
  return { session, store, root, done, on };
}

for (const place of ["", "open", "load"])
  for (const act of ["lock", "leave"])
    test(`a vault is not open after ${act} while it was opening (${place || "its module"})`,
      async () => {
        const { session, store, done, on } = await opening(place), { wire } = parts ?? {};
        const acted = session[act]();
        on();
        assert.equal(await done, "AbortError");
        await acted;
        await settle();
        assert.equal(session.holder, null);
        assert.equal(session.root, null);
        if (act === "leave") assert.deepEqual([...store.all.keys()], []);
        if (act === "leave" && place) {
          await assert.rejects(wire.get("/v1/holder/grants"), { name: "AbortError" });
          await settle();
          assert.deepEqual([...store.all.keys()], []);
        }
      });

test("a store that fails keeps no vault open: locked here, or in another tab", async () => {
  for (const elsewhere of [false, true]) {
    const { session, store } = await opened(), away = async () => { throw new Error("gone"); };
    Object.assign(store, { get: away, put: away });
    if (elsewhere) await new Session(CONFIG, new Kept()).lock();
    else await assert.rejects(session.lock(), /gone/);
    await settle();
    assert.deepEqual([session.holder, session.root], [null, null]);
  }
});

for (const act of ["lock", "leave"])
  test(`no key stays here of a vault that was to open by itself when ${act} came`, async () => {
    const { session, store } = await opened(), { put } = store, { promise, resolve: on } = gate();
    store.put = async (name, value) => {
      if (name === "device" && value) await promise; // the key is made, and not kept yet
      return put.call(store, name, value);
    };
    const kept = session.keepOpen(true);
    await settle();
    await session[act]();
    on();
    await kept;
    await settle();
    assert.equal(store.all.get("device") ?? null, null);
    assert.notEqual(session.own?.way, "device");
    if (act === "leave") assert.equal(store.all.get("own"), undefined);
  });

test("a vault that nobody stops is opened: the control of the above", async () => {
  for (const place of ["", "open", "load"]) {
    const { session, done, on } = await opening(place);
    on();
    assert.equal(await done, "open");
    assert.ok(session.holder);
  }
});

test("no account is made for a vault that was left before it was opened", async () => {
  accounts = 0;
  const { session, done, on } = await opening("open", new Kept(), random(20), true);
  await session.leave();
  on();
  assert.equal(await done, "AbortError");
  assert.equal(accounts, 0);
});

test("of two that open at once the later one is open, and what the earlier one read is kept by "
  + "nobody", async () => {
  const { session, store, done, on } = await opening("load"), { wire } = parts;
  const later = random(20);
  await session.unlock(later);
  on();
  assert.equal(await done, "AbortError");
  assert.deepEqual(session.root, later);
  assert.equal(store.all.get("own").account, session.holder.account);
  await settle();
  const before = store.all.size;
  await assert.rejects(wire.get("/v1/holder/grants"), { name: "AbortError" });
  await settle();
  assert.equal(store.all.size, before);
});

test("a vault that does not open leaves the open one as it was", async () => {
  const { session, store, wire } = await opened(), { holder } = session;
  wait = async () => { throw new VaultError("unreachable", "cut"); };
  await assert.rejects(session.unlock(random(20)), slug("unreachable"));
  wait = async () => {};
  assert.equal(session.holder, holder);
  assert.equal(holder.closed, undefined);
  await settle();
  const before = store.all.size;
  await wire.get("/v1/holder/requests");
  await settle();
  assert.equal(store.all.size, before + 1, "it still keeps its answers");
});

test("who leaves while the vault is being noted on the device leaves nothing there", async () => {
  const store = new Kept(), { get } = store, { promise, resolve: on } = gate();
  const { session, done } = await opening("", store);
  store.get = async (name) => {
    if (name === "own") await promise;
    return get(name);
  };
  while (!session.holder) await new Promise((next) => setTimeout(next));
  const left = session.leave();
  on();
  await left;
  assert.equal(await done, "AbortError");
  await settle();
  assert.deepEqual([[...store.all.keys()], session.own], [[], null]);
});
