// A little TOML: the forms that methodology files use; anything else is refused.
import { strictJson } from "./encoding.js";
import { VaultError } from "./errors.js";

/** @typedef {{[name: string]: any}} Table */

const HEAD = /^\[(\[?)([\w-]+(?:\.[\w-]+)*)\](\]?)\s*(#.*)?$/, PAIR = /^([\w-]+)\s*=\s*(.+)$/;
const PART = /"[^"\\]*"|#.*|[\w:+-]+(?=\s*(=)?)|=/g, PLAIN = /^(true|false|0|[1-9]\d*)$/;
const DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d))?$/;

/**
 * Return the members of a TOML text; its dates stay texts.
 * @param {string} source
 * @returns {Table}
 */
export function parseToml(source) {
  /** @type {Table} */
  const root = {};
  let here = root;
  source.split("\n").forEach((line, number) => {
    try {
      const head = HEAD.exec(line), pair = PAIR.exec(line);
      if (head && head[1].length === head[3].length) here = enter(root, head[2], !!head[1]);
      else if (pair) put(here, pair[1], value(pair[2]));
      else if (!/^\s*(#.*)?$/.test(line)) throw new VaultError("bad-shape");
    } catch (bad) {
      if (!(bad instanceof VaultError)) throw bad;
      throw new VaultError("bad-methodology", `line ${number + 1} is no TOML as read here`);
    }
  });
  return root;
}

/** @param {string} text */
const value = (text) => strictJson(text.replace(PART, (part, key) => {
  if (part[0] === '"' || PLAIN.test(part)) return part;
  if (part[0] === "#") return "";
  return part === "=" ? ":" : key || DATE.test(part) ? `"${part}"` : "?";
}));

/** @param {Table} into @param {string} name @param {any} found */
function put(into, name, found) {
  if (typeof into !== "object" || Object.hasOwn(into, name)) throw new VaultError("bad-shape");
  Object.defineProperty(into, name, { value: found, enumerable: true });
  return found;
}

/** @param {Table} root @param {string} path @param {boolean} many @returns {Table} */
function enter(root, path, many) {
  const names = path.split("."), last = names.pop() ?? "", here = names.reduce((at, name) => {
    const next = Object.hasOwn(at, name) ? at[name] : put(at, name, {});
    return Array.isArray(next) ? next.at(-1) : next;
  }, root);
  if (!many) return put(here, last, {});
  const all = Object.hasOwn(here, last) ? here[last] : put(here, last, []);
  if (!Array.isArray(all)) throw new VaultError("bad-shape");
  return all[all.push({}) - 1];
}
