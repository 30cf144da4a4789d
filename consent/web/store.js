// What stays on this device: IndexedDB, a few named values (docs/protocol.md section 4).

/** @template T @param {IDBRequest<T>} ask @returns {Promise<T>} */
const answered = (ask) => new Promise((done, fail) => {
  ask.onsuccess = () => done(ask.result);
  ask.onerror = () => fail(ask.error);
});

/** @returns {Promise<IDBDatabase>} */
const opened = () => {
  const ask = indexedDB.open("carbonvault", 1);
  ask.onupgradeneeded = () => ask.result.createObjectStore("kept");
  return answered(ask);
};

/** Named values of this device. */
export class Store {
  /** @type {Promise<IDBDatabase>|null} */ #db = null;

  /** @param {IDBTransactionMode} mode */
  async #kept(mode) {
    this.#db ??= opened();
    return (await this.#db).transaction("kept", mode).objectStore("kept");
  }

  /** A value by its name. @param {string} name @returns {Promise<any>} */
  async get(name) {
    return answered((await this.#kept("readonly")).get(name));
  }

  /** Keeps a value. @param {string} name @param {unknown} value */
  async put(name, value) {
    await answered((await this.#kept("readwrite")).put(value, name));
  }

  /** Forgets everything of a vault; the person's choice of language and look stays. */
  async forget() {
    const prefs = await this.get("prefs");
    await answered((await this.#kept("readwrite")).clear());
    if (prefs) await this.put("prefs", prefs);
  }
}
