// What stays on this device: IndexedDB, a few named values (docs/protocol.md section 4).

/** @template T @param {IDBRequest<T>} ask @returns {Promise<T>} */
const answered = (ask) => new Promise((done, fail) => {
  ask.onsuccess = () => done(ask.result);
  ask.onerror = () => fail(ask.error);
});

/** @returns {Promise<IDBDatabase>} */
const opened = async () => {
  const ask = indexedDB.open("carbonvault", 1);
  ask.onupgradeneeded = () => ask.result.createObjectStore("kept");
  return answered(ask);
};

/** Named values of this device. */
export class Store {
  /** @type {Promise<IDBDatabase|null>|null} */ #db = null;
  /** @type {Map<string, unknown>} */ #brief = new Map();
  /** This device keeps nothing: values last as long as the page. */
  lost = false;

  /** @param {IDBTransactionMode} mode */
  async #kept(mode) {
    this.#db ??= opened().catch(() => {
      this.lost = true;
      return null;
    });
    return (await this.#db)?.transaction("kept", mode).objectStore("kept");
  }

  /** A value by its name. @param {string} name @returns {Promise<any>} */
  async get(name) {
    const kept = await this.#kept("readonly");
    return kept ? answered(kept.get(name)) : this.#brief.get(name);
  }

  /** Keeps a value. @param {string} name @param {unknown} value */
  async put(name, value) {
    const kept = await this.#kept("readwrite");
    if (kept) await answered(kept.put(value, name));
    else this.#brief.set(name, value);
  }

  /** Forgets everything of a vault; the person's choice of language and look stays. */
  async forget() {
    const { locale, theme } = await this.get("prefs") ?? {}, kept = await this.#kept("readwrite");
    if (kept) await answered(kept.clear());
    this.#brief.clear();
    await this.put("prefs", { locale, theme });
  }
}
