// Making tokens beside a stop, and a stop that does not arrive: with a vault of plain objects.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Consents } from "../../consent/web/consents.js";
import { Device } from "../../consent/web/device.js";
import { b64u } from "../../consent/web/encoding.js";
import { VaultError } from "../../consent/web/errors.js";
import { Holder } from "../../consent/web/holder.js";
import { accountKey, openingKey, random } from "../../consent/web/keys.js";
import { standingOf } from "../../consent/web/sharing.js";
import { mark, withStatus } from "../../consent/web/state.js";

const NOW = 1767225600, ID = "0f".repeat(16), LINK = "01".repeat(16);
const grant = { grant: ID, org: "bank.example", platform: "bank.example", categories: [4],
  first: "2026-01", last: "2026-06", step: 1, until: 4e9 };
const slug = (wanted) => (error) => error instanceof VaultError && error.slug === wanted;

/** A holder whose vault keeps a state and takes tokens; `did` is what it was sent. */
async function holderAt(told = "live") {
  const root = random(20), platform = await openingKey(random(32));
  let stored = null, counter = 0;
  const did = { tokens: 0, status: [], broken: null, onToken: async () => {}, onState: () => {} };
  const wire = {
    get: async () => ({ body: { state: stored }, etag: `"${counter}"` }),
    async send(method, path, body) {
      if (path === "/v1/holder/state") {
        await did.onState();
        stored = b64u(body);
        return { body: {}, etag: `"${++counter}"` };
      }
      if (did.broken) throw did.broken;
      did.status.push(path);
      return { body: { proof: "x" }, etag: "" };
    },
    async post() {
      did.tokens++;
      await did.onToken();
      return { body: { proof: "x" }, etag: "" };
    },
  };
  const holder = Object.create(Consents.prototype);
  const own = { grant, state: told, count: 0 };
  Object.assign(holder, { root, wire, live: wire, now: () => NOW, random, made: {}, stops: {},
    key: await accountKey(root), device: new Device(root, wire, random, 0),
    directory: async () => ({ monthAt: () => "2026-03", sealingKey: () => platform.public }),
    grants: async () => [{ ...own, proved: await holder._isProved(ID, own.state, own.count) }],
    links: async () => [{ link: LINK, source: "bike.example", org: "bike.example",
      begins: "2026-01", absent: new Set(), ends: null }],
    uses: async () => [], _listed: async () => [], _placeOf: async () => ({ index: 7 }) });
  return { holder, did, own };
}
const standing = async ({ holder }) =>
  standingOf((await holder.grants())[0], holder.device.state, NOW);

test("tokens are made for every window that is due", async () => {
  const { holder, did } = await holderAt();
  assert.equal((await holder.mintAll(3)).made.length, 6);
  assert.equal(did.tokens, 6);
});

for (const [what, act] of Object.entries({
  "a stop": ({ holder }) => holder.stop(grant),
  "a pause": ({ holder }) => holder.pause(grant),
  "a lock": ({ holder }) => void (holder.closed = true),
}))
  test(`no token is sealed after ${what} that comes while tokens are made`, async () => {
    const one = await holderAt();
    one.did.onToken = () => act(one);
    const found = await one.holder.mintAll(3);
    assert.deepEqual([one.did.tokens, found.made.length, found.failed], [1, 1, []]);
    assert.ok(one.holder.device.state.minted.length <= 1, "nor is a window taken");
  });

test("nor is one whose window was just kept", async () => {
  const { holder, did } = await holderAt();
  did.onState = () => void (holder.closed = true);
  await holder.mintAll(3);
  assert.deepEqual([did.tokens, holder.device.state.minted.length], [0, 1]);
});

test("nor is one that another device stopped meanwhile", async () => {
  const { holder, did } = await holderAt();
  holder.device.save = async (change) =>
    void await change(withStatus(holder.device.state, ID, "revoked"));
  await assert.rejects(holder.mintFree(grant, 3), slug("revoked"));
  assert.equal(did.tokens, 0);
});

test("a stop that does not arrive is not called one, is sent again, then proved", async () => {
  const one = await holderAt(), { holder, did } = one;
  did.broken = new VaultError("unreachable", "cut");
  await assert.rejects(holder.stop(grant), slug("unreachable"));
  assert.equal(await standing(one), "unconfirmed");
  assert.equal(holder.stops[ID], NOW);
  await assert.rejects(holder.mintFree(grant, 3), slug("revoked"));
  await assert.rejects(holder.confirm(), slug("unreachable"));
  did.broken = null;
  await holder.confirm();
  assert.equal(did.status.length, 1);
  assert.equal(await standing(one), "revoked", "the vault shows it live, its log holds the stop");
  await holder.confirm();
  assert.equal(did.status.length, 1);
});

test("so is a pause, by its last turn", async () => {
  const one = await holderAt(), { holder, did, own } = one;
  await holder.pause(grant);
  assert.equal(await standing(one), "paused");
  own.count = 1;
  await holder.resume(grant);
  own.count = 2;
  did.broken = new VaultError("unreachable", "cut");
  await assert.rejects(holder.pause(grant), slug("unreachable"));
  assert.equal(await standing(one), "pausing", "the pause before was proved, and ended");
  did.broken = null;
  await holder.confirm();
  assert.equal(await standing(one), "paused");
  assert.ok(Object.hasOwn(holder.device.state.made, await mark("cv1-pause", { grant: ID, n: 3 })));
  assert.equal(holder.stops[ID], undefined);
});

test("a stop that the vault shows is not sent again", async () => {
  const one = await holderAt(), { holder, did, own } = one;
  did.broken = new VaultError("unreachable", "the answer was lost");
  await assert.rejects(holder.stop(grant), slug("unreachable"));
  Object.assign(own, { state: "revoked", count: 1 });
  await holder.confirm();
  assert.deepEqual([await standing(one), did.status], ["revoked", []]);
});

test("a link has ended when the vault says so and shows what ended it", async () => {
  const holder = Object.create(Holder.prototype);
  Object.assign(holder, { now: () => NOW, live: {}, _record: async () => {},
    device: { state: { links: { [LINK]: { source: "bike.example", from: "2026-01" } } } },
    _act: async () => { throw new VaultError("unlinked", "it has ended"); } });
  const ended = (ends) => {
    holder.endings = async () => ({ absent: new Set(), ends });
    return holder.unlink(LINK);
  };
  await ended("2026-02");
  await assert.rejects(ended(null), slug("bad-proof"));
});
