// Ways to open a vault: recovery code, another device's code, passkey with PRF, this device's key
// (docs/protocol.md section 4). Each of them unwraps the one root.

import { b64u, equal, sha256, unb64u, utf8 } from "./encoding.js";
import { VaultError, isError } from "./errors.js";
import { random, readCode, unwrapRoot, wrapId } from "./keys.js";
import { textOf } from "./wire.js";

/** @typedef {import("./wire.js").Wire} Wire */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {{root: Uint8Array, wrap: string, blob: Uint8Array}} Opened */

/** Opens a vault by the secret of one of its wraps; `kept`: its blob, for when no vault answers.
 * @param {Wire} wire @param {Uint8Array} secret @param {Uint8Array} [kept]
 * @returns {Promise<Opened>} */
export async function openBy(wire, secret, kept) {
  const wrap = await wrapId(secret), blob = await fetchWrap(wire, wrap).catch((error) => {
    // A wrap that was taken away must not open again because this device still has it.
    if (kept && isError(error, "unreachable")) return kept;
    throw error;
  });
  return { root: await unwrapRoot(secret, blob), wrap, blob };
}

/** @param {Wire} wire @param {string} wrap */
async function fetchWrap(wire, wrap) {
  try {
    return unb64u(textOf((await wire.get(`/v1/wraps/${wrap}`)).body, "blob"));
  } catch (error) {
    throw isError(error, "not-found") ? new VaultError("not-found", "no such wrap") : error;
  }
}

/** Opens a vault by a recovery code, or by the code that another device shows.
 * @param {Wire} wire @param {string} code */
export const openByCode = async (wire, code) => openBy(wire, readCode(code));

/** Keeps the root on this device, under a key that cannot be read out. May be evicted.
 * @param {Store} store @param {Uint8Array} root */
export async function keepHere(store, root) {
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false,
    ["encrypt", "decrypt"]);
  const iv = random(12);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key,
    /** @type {BufferSource} */ (root));
  await store.put("device", { key, iv, sealed });
  navigator.storage?.persist?.();
}

/** The root kept here, null when there is none. @param {Store} store
 * @returns {Promise<Uint8Array|null>} */
export async function openHere(store) {
  const kept = await store.get("device");
  if (!kept) return null;
  const { key, iv, sealed } = kept;
  return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, sealed));
}

const TYPE = /** @type {const} */ ("public-key");
const prf = async () => ({ prf: { eval: { first: await sha256(utf8("cv1/prf")) } } });
const rpId = () => location.hostname;

/** Whether passkeys can be asked for here; an authenticator may still refuse.
 * @param {{passkeys: boolean}} config @returns {Promise<boolean>} */
export async function passkeysOffered({ passkeys }) {
  const known = /** @type {any} */ (globalThis.PublicKeyCredential);
  return passkeys && !!known && !!(await known.getClientCapabilities?.())?.["extension:prf"];
}

/** @param {Credential|null} made @returns {any} */
const extensions = (made) => /** @type {PublicKeyCredential} */ (made).getClientExtensionResults();
/** @param {any} found @returns {Uint8Array|null} */
const firstOf = ({ prf: found }) =>
  found?.results?.first ? new Uint8Array(found.results.first) : null;

/** The 32 bytes of a passkey of this vault, null when it gives none. @param {string} [id] which one
 * @returns {Promise<Uint8Array|null>} */
export async function askPasskey(id) {
  const allowCredentials = id ? [{ type: TYPE, id: unb64u(id) }] : [];
  const got = await navigator.credentials.get({ publicKey: { challenge: random(32), rpId: rpId(),
    userVerification: "required", allowCredentials,
    extensions: /** @type {any} */ (await prf()) } });
  return firstOf(extensions(got));
}

/** Makes a passkey and tries it: its id and secret, or null when it cannot open a vault and was
 * taken back. @param {string} name what the person's list of passkeys shows
 * @returns {Promise<{id: string, secret: Uint8Array}|null>} */
export async function makePasskey(name) {
  const made = /** @type {PublicKeyCredential} */ (await navigator.credentials.create({ publicKey: {
    rp: { id: rpId(), name: "Carbon Vault" }, user: { id: random(16), name, displayName: name },
    challenge: random(32), pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: TYPE, alg })),
    authenticatorSelection: { residentKey: "required", requireResidentKey: true,
      userVerification: "required" },
    extensions: /** @type {any} */ (await prf()) } }));
  const found = extensions(made), id = b64u(new Uint8Array(made.rawId));
  try {
    if (found.prf?.enabled) {
      const first = firstOf(found) ?? await askPasskey(id), again = await askPasskey(id);
      if (first && again && equal(first, again)) return { id, secret: first };
    }
  } catch (error) {
    await takeBack(id);
    throw error;
  }
  await takeBack(id);
  return null;
}

/** Tells the browser that a passkey opens nothing any more. @param {string} id */
export async function takeBack(id) {
  const known = /** @type {any} */ (PublicKeyCredential);
  await known.signalUnknownCredential?.({ rpId: rpId(), credentialId: id });
}
