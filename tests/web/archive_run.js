// Writes the archive of the vectors' vault to the standard output, for tests/test_web_records.py.
import { unhex } from "../../consent/web/encoding.js";
import { makeArchive } from "../../consent/web/archive.js";
import { accountKey } from "../../consent/web/keys.js";
import { vectors } from "./shelf.js";

const { root, vault, now, answers } = vectors("web_records.json").vault;
const wire = { get: async (path) => answers[path] };
process.stdout.write(await makeArchive(wire, await accountKey(unhex(root)), vault, now));
