// The web app's Holder, played from outside: one JSON command a line on stdin, one answer a line on
// stdout (tests/test_web_sdk.py). A command may carry what a hostile server does to its answers.
//   {"id":1,"do":"open","who":"ann","root":"…hex…","url":"…","policy":{…},"now":1767225600}
//   {"id":1,"ok":{"account":"…"}}       {"id":2,"error":"bad-proof","detail":"…"}
import { createInterface } from "node:readline";

import { b64u, hex, text, unb64u, unhex } from "../../consent/web/encoding.js";
import { VaultError } from "../../consent/web/errors.js";
import { Holder, recover } from "../../consent/web/holder.js";
import { accountKey, writeCode } from "../../consent/web/keys.js";
import { fetchRelease } from "../../consent/web/methodology.js";
import { addCloses, openLink } from "../../consent/web/records.js";
import { standingOf } from "../../consent/web/sharing.js";
import { mintedFor, writeState } from "../../consent/web/state.js";
import { Wire, unless } from "../../consent/web/wire.js";

/** Every link's records, and its closes recomputed from them. */
async function openLinks(h) {
  const directory = await h.directory(), opened = [];
  const release = (id) => fetchRelease(h.wire, directory, id);
  for (const [link, { source }] of Object.entries(h.knownLinks))
    await unless(openLink(h.wire, h.root, { directory, link, source }, release)
      .then((own) => opened.push(own)), "not-found"); // never attached, or erased
  return opened;
}

/** The grams that a window's token uncovers, from this holder's own records. */
function ownTotal(h, { grant, categories }, window, links) {
  const entry = mintedFor(h.device.state, grant, window);
  if (!entry) throw new VaultError("not-found", "no token was made for this window");
  return addCloses(links, entry.cells, categories);
}

/** A new recovery code, its wrap kept at the vault. */
async function addCode(h) {
  const secret = h.random(20);
  await h.putWrap(secret);
  return writeCode(secret);
}

let now = 0;
/** What is known of each person: holder, url, what their server does, opened requests. */
const people = new Map();
const waiting = new Map();
const say = (found) => process.stdout.write(`${JSON.stringify(found)}\n`);

/** Another first symbol: base64 and hex stay well formed. */
const other = (symbol) => (symbol === "A" ? "B" : "A");
const bend = (jws) => jws.replace(/\.(.)([^.]*)$/, (_, first, rest) => `.${other(first)}${rest}`);
const bendPath = (proof) => {
  const lines = proof.split("\n"), at = lines.findIndex((line) => line.startsWith("index")) + 1;
  // The line after the index is the path's first hash, or empty in a tree of one.
  lines[at] = `${other(lines[at][0])}${lines[at].slice(1)}`;
  return lines.join("\n");
};
const edited = (jws, edit) => {
  const [head, payload, signature] = jws.split(".");
  const body = JSON.parse(text(unb64u(payload)));
  edit(body);
  return [head, b64u(new TextEncoder().encode(JSON.stringify(body))), signature].join(".");
};
const inAll = (name, edit) => (body) => body[name]?.forEach(edit);

/** What a hostile server does, by name: which path, and how the answer is changed. */
const ATTACKS = {
  "lower-counter": ["/v1/holder/state", (body, headers) => headers.set("ETag", '"1"')],
  "other-counter": ["/v1/holder/state", (body, headers) => headers.set("ETag", '"999"')],
  "hidden-state": ["/v1/holder/state", (body, headers) => headers.set("ETag", '"0"')],
  "no-counter": ["/v1/holder/state", (body, headers) => headers.delete("ETag")],
  "platform-key": ["/v1/directory", (body) => {
    body.directory = edited(body.directory, ({ entries }) => {
      for (const key of entries.flatMap(({ hpke }) => hpke)) key.pk = b64u(new Uint8Array(32).fill(9));
    });
  }],
  "older-directory": ["/v1/directory", (body, headers, given) => Object.assign(body, given)],
  "directory-proof": ["/v1/directory", (body) => { body.proof = bendPath(body.proof); }],
  "posted-proof": ["/v1/holder/", (body) => {
    if (body.proof) body.proof = bendPath(body.proof);
  }],
  "absent-proof": ["/closes", inAll("absents", (item) => { item.proof = bendPath(item.proof); })],
  "absent-text": ["/closes", inAll("absents", (item) => { item.text = bend(item.text); })],
  "release-text": ["/v1/holder/releases", inAll("releases", (item) => {
    item.release = edited(item.release, (body) => { body.purpose = "DirectMarketing"; });
  })],
  "release-proof": ["/v1/holder/releases",
    inAll("releases", (item) => { item.proof = bendPath(item.proof); })],
  "token-text": ["/v1/holder/tokens",
    inAll("tokens", (item) => { item.token = bend(item.token); })],
  "grant-text": ["/v1/holder/grants", inAll("grants", (item) => {
    item.grant = edited(item.grant, (body) => { body.data_life_days = 1; });
  })],
  "close-text": ["/closes", inAll("closes", (item) => {
    item.close = edited(item.close, (body) => { body.cells.reverse(); });
  })],
  "hidden-tokens": ["/v1/holder/", (body) => {
    for (const name of ["tokens", "releases"]) if (body[name]) body[name] = [];
  }],
  "revived-grants": ["/v1/holder/grants", inAll("grants", (item) => {
    Object.assign(item, { state: "live", n: 0 });
  })],
  "template-text": ["/v1/templates", (body) => {
    for (const template of Object.values(body)) template.text.en.purpose = "nothing at all";
  }],
};

async function answerOf(url, init, attack, given) {
  const reply = await fetch(url, init), [path, change] = ATTACKS[attack] ?? [];
  if (!path || !reply.ok || !new URL(url).pathname.includes(path)) return reply;
  const body = JSON.parse(await reply.text()), headers = new Headers(reply.headers);
  headers.delete("content-length");
  change(body, headers, given);
  return new Response(JSON.stringify(body), { status: reply.status, headers });
}

/** A way to the vault that this person's server may change, lose or hold up. */
const wayOf = (person) => async (url, init) => {
  if (init.method === "PUT" && --person.holdUp === 0) {
    say({ event: "held-up" });
    await new Promise((go) => waiting.set("go", go));
  }
  if (person.drop && init.method === "POST" && url.endsWith(person.drop))
    throw new TypeError("it never arrived");
  if (init.method === "POST") person.posted.push(new URL(url).pathname);
  const reply = await answerOf(url, init, person.attack, person.given);
  if (person.lose && init.method === "POST") {
    person.lose--;
    throw new TypeError("the answer was lost");
  }
  return reply;
};

const grantOf = async (holder, id) => {
  const found = (await holder.grants()).find(({ grant }) => grant.grant === id);
  return found.grant;
};

/** The commands; `p` is the person, `h` their holder. */
const DO = {
  async open(p, { root, url, policy, memory }) {
    Object.assign(p, { asked: new Map(), posted: [], ...p.begun });
    const key = await accountKey(unhex(root));
    const wire = new Wire(url, key, { fetch: wayOf(p) });
    const pins = { ...policy, auditor: unhex(policy.auditor) };
    p.holder = await Holder.open(
      { root: unhex(root), wire, policy: pins, now: () => now, memory: memory ?? null });
    return { account: p.holder.account };
  },
  become: (p, { attack = null, given = null, lose = 0, holdUp = 0, drop = "" }) =>
    void Object.assign(p, { attack, given, lose, holdUp, drop }),
  posted: (p) => p.posted.splice(0),
  begin: (p, { attack, given }) => void (p.begun = { attack, given }),
  account: ({ holder: h }) => h.openAccount(),
  load: ({ holder: h }) => h.load(),
  refresh: ({ holder: h }) => h.refresh(),
  addCode: ({ holder: h }) => addCode(h),
  deviceCode: ({ holder: h }) => h.showDeviceCode(),
  recover: async (p, { code, url }) => hex(await recover(code, new Wire(url))),
  async link({ holder: h }, { source, nonce }) {
    const start = await h.startLink(source, nonce);
    return { ...start, code: hex(start.code) };
  },
  attach: ({ holder: h }, { start, answer }) =>
    h.attach({ ...start, code: unhex(start.code) }, answer),
  unlink: ({ holder: h }, { link }) => h.unlink(link),
  reject: ({ holder: h }, { link, close }) => h.reject(link, close),
  links: async ({ holder: h }) =>
    (await h.links()).map((fact) => ({ ...fact, absent: [...fact.absent].sort() })),
  records: async (p) => (await openLinks(p.holder)).map(({ link, source, batches, closes }) => ({
    link, source, records: batches.flatMap(({ records }) => records).length,
    closes: closes.map(({ month, grams, rejected }) => ({ month, grams, rejected })),
  })),
  allow: async ({ holder: h }, { terms, locale }) => (await h.allow(terms, locale)).grant,
  notice: ({ holder: h }, { terms, locale }) => h.noticeOf(terms, locale),
  grants: async ({ holder: h }) => (await h.grants())
    .map(({ grant, state, count, deletion }) => ({ grant: grant.grant, state, count, deletion })),
  mint: async ({ holder: h }, { grant, ahead }) => h.mint(await grantOf(h, grant), ahead),
  mintFree: async ({ holder: h }, { grant, ahead }) => h.mintFree(await grantOf(h, grant), ahead),
  async mintAll({ holder: h }, { ahead }) {
    const { failed, ...found } = await h.mintAll(ahead);
    return { ...found, failed: failed.map(({ grant, error }) => ({ grant, error: error.slug })) };
  },
  stop: async ({ holder: h }, { grant }) => h.stop(await grantOf(h, grant)),
  pause: async ({ holder: h }, { grant }) => h.pause(await grantOf(h, grant)),
  resume: async ({ holder: h }, { grant }) => h.resume(await grantOf(h, grant)),
  confirm: ({ holder: h }) => h.confirm(),
  standing: async ({ holder: h }, { grant }) => standingOf(
    (await h.grants()).find((own) => own.grant.grant === grant), h.device.state, now),
  uses: async ({ holder: h }) => (await h.uses()).map(({ release, place }) =>
    ({ grant: release.grant, window: release.window, index: place.index })),
  ownTotal: async ({ holder: h }, { grant, window }) =>
    ownTotal(h, await grantOf(h, grant), window, await openLinks(h)),
  figures: async ({ holder: h }, { terms }) => h.figures(terms, await openLinks(h)),
  async request(p, { name, client }) {
    const asked = await p.holder.openRequest(name, client ?? null);
    p.asked.set(asked.handle, asked);
    const { request, ...shown } = asked;
    return { ...shown, client: request.client_id };
  },
  termsAsked: (p, { handle, optional, last }) => p.asked.get(handle).terms(optional, last),
  async accept(p, { handle, optional, locale, last }) {
    const done = await p.holder.acceptRequest(p.asked.get(handle), optional, locale, last);
    return { grant: done.grant.grant, redirect: done.redirect };
  },
  decline: (p, { handle }) => p.holder.declineRequest(p.asked.get(handle)),
  requests: async ({ holder: h }) =>
    (await h.requests()).map(({ handle, state }) => ({ handle, state })),
  askDeletion: async ({ holder: h }, { grant }) => h.askDeletion(await grantOf(h, grant)),
  receipt: async ({ holder: h }, { grant }) => text(await h.receipt(await grantOf(h, grant))),
  async watch({ holder: h }) {
    const { verified, alarms, why } = await h.watch();
    return { verified, alarms, why };
  },
  erase: ({ holder: h }) => h.erase(),
  memory: ({ holder: h }) => h.memory(),
  state: ({ holder: h }) => text(writeState(h.device.state)),
};

async function run({ id, do: name, who, now: clock, ...given }) {
  if (name === "go") return waiting.get("go")();
  if (clock) now = clock;
  if (!people.has(who)) people.set(who, {});
  try {
    const ok = await DO[name](people.get(who), given);
    say({ id, ok: ok ?? null });
  } catch (error) {
    if (error instanceof VaultError) say({ id, error: error.slug, detail: error.detail });
    else say({ id, error: "broken", detail: String(error?.stack ?? error) });
  }
}

for await (const line of createInterface({ input: process.stdin })) run(JSON.parse(line));
