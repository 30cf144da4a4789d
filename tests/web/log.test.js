import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";

import {b64, hex, unhex, utf8} from "../../consent/web/encoding.js";
import {
  leafHash, proveConsistency, rootOf, verifyConsistency, verifyInclusion,
} from "../../consent/web/merkle.js";
import {
  checkQuorum, checkVkey, enough, openCheckpoint, policyOf, readCheckpoint, readNote, readVkey,
} from "../../consent/web/note.js";
import {leafData, readProof, verifyProof} from "../../consent/web/proof.js";
import {readHashes, subtrees, tilePath, widthAt} from "../../consent/web/tiles.js";

const read = name => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url)));
const V = read("log"), C2SP = read("c2sp");
const LOG = readVkey(V.log.vkey), WITNESS = readVkey(V.witness.vkey);
const COSIGNED = V.log.checkpoint + V.witness.line;
const refused = slug => error => error.slug === slug;
const all = hashes => hashes.map(one => unhex(one, 32));

for (const name of ["tree", "eight"]) {
  const {leaves, roots, inclusion, consistency, entries} = V[name];

  test(`${name}: leaves and roots are the published ones`, async () => {
    for (const [i, entry] of entries.entries()) {
      assert.equal(hex(await leafHash(unhex(entry))), leaves[i]);
      assert.equal(hex(await rootOf(all(leaves.slice(0, i + 1)))), roots[i]);
    }
  });

  test(`${name}: inclusion holds at its own place alone`, async () => {
    for (const {index, size, proof} of inclusion) {
      const leaf = unhex(leaves[index]), path = all(proof), root = roots[size - 1];
      await verifyInclusion(index, size, leaf, path, root);
      const bad = [
        [index, size, leaf, path, "00".repeat(32)],
        [index, size, new Uint8Array(32), path, root],
        [index, size, new Uint8Array(31), path, root],
        [index, size, leaf, [...path, leaf], root],
        [index, size, leaf, path.map(one => one.slice(1)), path.length ? root : ""],
        [size, size, leaf, path, root],
        [-1, size, leaf, path, root],
        [NaN, size, leaf, path, root],
        ...(path.length ? [[index, size, leaf, path.slice(1), root]] : []),
        ...leaves.slice(0, size).map((_, i) => [i, size, leaf, path, root])
          .filter(([i]) => i !== index),
      ];
      for (const one of bad) await assert.rejects(verifyInclusion(...one), refused("bad-proof"));
    }
  });

  test(`${name}: consistency is proved as published, and holds for its sizes alone`, async () => {
    for (const {old, new: size, proof} of consistency) {
      const rootOld = old ? roots[old - 1] : hex(new Uint8Array(
        await crypto.subtle.digest("SHA-256", new Uint8Array()))), root = roots[size - 1];
      const find = (level, i) => rootOf(all(leaves.slice(i << level, i + 1 << level)));
      const made = await proveConsistency(old, size, find);
      assert.deepEqual(made.map(hex), proof);
      await verifyConsistency(old, size, rootOld, root, made);
      const bad = [
        [old, size, "00".repeat(32), root, made],
        [old, size, rootOld, root, [...made, new Uint8Array(32)]],
        [old, size, rootOld, root, [new Uint8Array(31)]],
        [size + 1, size, rootOld, root, made],
        ...(old ? [[old, size, rootOld, "00".repeat(32), made]] : []),
        ...(made.length ? [[old, size, rootOld, root, made.slice(1)],
          [old, size, rootOld, root, []]] : []),
      ];
      for (const one of bad) await assert.rejects(verifyConsistency(...one), refused("bad-proof"));
      await assert.rejects(proveConsistency(size + 1, size, find), refused("bad-proof"));
    }
  });
}

test("of no growth there is nothing to prove, and both roots count", async () => {
  const [a, b] = V.eight.roots, [hash] = all(V.eight.leaves);
  const empty = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array())));
  for (const [m, n, ...roots] of [[0, 0, empty, empty], [0, 2, empty, b], [2, 2, b, b]])
    await verifyConsistency(m, n, ...roots, []);
  const bad = [[0, 0, empty, a, []], [0, 0, a, a, []], [0, 2, a, b, []], [2, 2, a, b, []],
    [2, 2, b, a, []], [2, 2, b, b, [hash]], [0, 2, empty, b, [hash]], [-1, 2, empty, b, []],
    [NaN, 2, empty, b, []], [3, 2, b, b, []]];
  for (const one of bad) await assert.rejects(verifyConsistency(...one), refused("bad-proof"));
});

test("hashes of 31 and 33 bytes do not stand for two of 32", async () => {
  const [left, right] = all(V.eight.leaves), root = V.eight.roots[1];
  const moved = Uint8Array.of(left[31], ...right);
  assert.equal(hex(await rootOf([left.slice(0, 31), moved])), root);
  await assert.rejects(verifyInclusion(0, 2, left.slice(0, 31), [moved], root),
    refused("bad-proof"));
});

test("the published checkpoint opens under its keys", async () => {
  for (const key of [LOG, WITNESS]) await checkVkey(key);
  assert.deepEqual(await openCheckpoint(COSIGNED, LOG, [WITNESS]), {
    origin: LOG.name, size: V.log.size, root: V.log.root,
    cosigned: [{witness: WITNESS, time: V.witness.time}],
  });
  assert.deepEqual((await openCheckpoint(COSIGNED, LOG)).cosigned, []);
});

for (const {why, note, error} of V.bad_notes)
  test(`a note is refused: ${why}`, async () => {
    await assert.rejects(openCheckpoint(note, LOG, [WITNESS]), refused(error));
  });

for (const {why, vkey} of V.bad_vkeys)
  test(`a verifier key is refused: ${why}`, async () => {
    await assert.rejects(async () => checkVkey(readVkey(vkey)), refused("bad-shape"));
  });

test("a log key is no witness, and a witness's key is no log", async () => {
  await assert.rejects(openCheckpoint(V.log.checkpoint, LOG, [LOG]), refused("bad-proof"));
  await assert.rejects(openCheckpoint(COSIGNED, WITNESS), refused("bad-proof"));
});

test("any changed bit of a cosigned checkpoint is refused or leaves no quorum", async () => {
  const raw = utf8(COSIGNED), policy = policyOf(LOG, [WITNESS], 1);
  for (let bit = 0; bit < raw.length * 8; bit += 7) {
    const other = raw.slice();
    other[bit >> 3] ^= 1 << bit % 8;
    await assert.rejects(async () => {
      const text = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(other);
      checkQuorum(policy, (await openCheckpoint(text, LOG, [WITNESS])).cosigned);
    });
  }
});

test("a quorum counts names, each once, and knows its witnesses", () => {
  const key = (name, n) => ({...WITNESS, name, public: new Uint8Array([n]), text: `${name}${n}`});
  const by = (...keys) => keys.map(witness => ({witness, time: 1}));
  const [a, b, again, twin] = [key("a", 1), key("b", 2), key("a", 3), key("c", 1)];
  const policy = policyOf(LOG, [a, b, again], 2);
  assert.ok(enough(policy, by(a, b)));
  assert.ok(!enough(policy, by(a, again)));
  assert.ok(!enough(policy, by(a, a, key("d", 4))));
  assert.deepEqual(policyOf(LOG, [a, twin], 1).witnesses, [twin]);
  assert.ok(enough(policyOf(LOG, [], 0), []));
  checkQuorum(policy, by(b, again));
  assert.throws(() => checkQuorum(policy, by(b)), refused("not-witnessed"));
});

test("a signature of one kind does not pass under a key of another", async () => {
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const text = readNote(V.log.checkpoint).text, head = `cosignature/v1\ntime 7\n${text}`;
  const time = unhex("0000000000000007"), name = LOG.name;
  const kinds = [[1, text, []], [4, head, time]];
  for (const [alg, said, before] of kinds) {
    const {log, line} = await signAs(name, pair, said, alg, before);
    if (alg === 1) await openCheckpoint(`${text}\n${line}`, log);
    else await assert.rejects(openCheckpoint(`${text}\n${line}`, log), refused("bad-proof"));
  }
  const plain = await signAs(name, pair, text, 4);
  await assert.rejects(openCheckpoint(`${text}\n${plain.line}`, plain.log), refused("bad-proof"));
  const timed = await signAs("w1.example", pair, head, 1, time), good = await signAs("w1.example",
    pair, head, 4, time);
  const opened = await openCheckpoint(V.log.checkpoint + good.line, LOG, [good.log]);
  assert.deepEqual(opened.cosigned, [{witness: good.log, time: 7}]);
  await assert.rejects(openCheckpoint(V.log.checkpoint + timed.line, LOG, [timed.log]),
    refused("bad-proof"));
});

test("leaf data is the published one", async () => {
  const {salt, at, text, entry} = V.leaf_data;
  assert.equal(hex(await leafData(unhex(salt), at, text)), entry);
});

for (const {text, salt, at, index, proof} of V.proofs)
  test(`the published proof of ${text} verifies`, async () => {
    const parts = readProof(proof);
    assert.deepEqual([hex(parts.salt), parts.at, parts.index, parts.origin],
      [salt, at, index, LOG.name]);
    const place = await verifyProof(proof, text, LOG, [WITNESS]);
    assert.deepEqual([place.index, place.at, place.size, place.cosigned.length],
      [index, at, 3, 1]);
    await assert.rejects(verifyProof(proof, `${text}x`, LOG), refused("bad-proof"));
    await assert.rejects(verifyProof(proof, "文", LOG), refused("bad-proof"));
    await assert.rejects(verifyProof(proof, text, WITNESS), refused("bad-proof"));
  });

for (const {why, proof} of V.bad_proofs)
  test(`a proof file is refused: ${why}`, async () => {
    const {text} = V.proofs[1];
    await assert.rejects(verifyProof(proof, text, LOG, [WITNESS]), refused("bad-proof"));
  });

test("tiles have one path each", () => {
  for (const {path, level, n, width} of V.paths)
    if (level >= 0) assert.equal(tilePath(level, n, width), path);
});

test("a tile that ends inside a hash is refused", () => {
  assert.throws(() => readHashes(new Uint8Array(33)), refused("bad-proof"));
});

test("a tile is as wide as its tree says", () => {
  assert.deepEqual([0, 1, 2].map(n => widthAt(600, 0, n)), [256, 256, 88]);
  assert.deepEqual([0, 1].map(n => widthAt(600, 1, n)), [2, 0]);
  assert.equal(widthAt(600, -1, 2), 88);
  assert.equal(widthAt(600, 2, 0), 0);
  assert.equal(widthAt(2 ** 50, 6, 0), 4);
});

test("subtrees are found across tiles, each read once", async () => {
  const row = await Promise.all(Array.from({length: 600}, (_, i) => leafHash(utf8(`${i}`))));
  const heights = [row, await Promise.all([0, 256].map(i => rootOf(row.slice(i, i + 256))))];
  const asked = [];
  const find = subtrees(async (level, n) => {
    asked.push(tilePath(level, n));
    return Uint8Array.from(heights[level].slice(256 * n, 256 * n + 256).flatMap(one => [...one]));
  });
  assert.deepEqual(await find(0, 599), row[599]);
  assert.deepEqual(await find(3, 40), await rootOf(row.slice(320, 328)));
  assert.deepEqual(await find(9, 0), await rootOf(row.slice(0, 512)));
  await find(9, 0);
  assert.deepEqual(asked, ["tile/0/002", "tile/0/001", "tile/1/000"]);
  await assert.rejects(find(0, 600), refused("bad-proof"));
});

test("the notes that C2SP and others publish are read, and verify under their keys", async () => {
  for (const {vkey, public: pk, note} of [C2SP.plain, C2SP.neumann]) {
    const key = readVkey(vkey), {signatures: [line]} = readNote(note);
    await checkVkey(key);
    assert.deepEqual([key.alg, hex(key.public), key.text], [1, pk, vkey]);
    assert.deepEqual([line.name, line.id], [key.name, key.id]);
  }
  assert.deepEqual(readNote(C2SP.quasimodo.note).text.split("\n").slice(2),
    ["", "ed è subito sera.", ""]);
  const {note, size} = C2SP.sofa, sofa = readCheckpoint(readNote(note).text);
  assert.deepEqual([sofa.origin, sofa.size], ["example.com/behind-the-sofa", size]);
  const {extra, index, hashes, checkpoint} = C2SP.proof;
  const file = said => readProof(["c2sp.org/tlog-proof@v1", `extra ${said}`, `index ${index}`,
    ...hashes, "", checkpoint].join("\n"));
  assert.throws(() => file(extra), refused("bad-shape")); // of another application
  for (const size of [16, 23, 25])
    assert.throws(() => file(b64(new Uint8Array(size))), refused("bad-shape"));
  const renamed = V.proofs[0].proof.replace("extra ", "other ");
  assert.throws(() => readProof(renamed), refused("bad-shape"));
  const parts = file(b64(new Uint8Array(24)));
  assert.deepEqual([parts.index, parts.path.map(b64)], [index, hashes]);
  assert.equal(readCheckpoint(parts.checkpoint).size, 109482);
});

test("a public log's checkpoint is cosigned by its public witnesses", async () => {
  const {log, witnesses, note, time} = C2SP.staging;
  const key = readVkey(log), keys = witnesses.map(readVkey);
  const opened = await openCheckpoint(note, key, keys);
  assert.equal(opened.size, 1432088532);
  assert.deepEqual(opened.cosigned, keys.map(witness => ({witness, time})));
  for (const other of [note.replace("1432088532", "1432088533"), note.replace("U7", "V7")])
    await assert.rejects(openCheckpoint(other, key), refused("bad-proof"));
});

test("a witness's ML-DSA-44 key is read, and what it signed counts for nothing", async () => {
  const {witnesses, text, lines} = C2SP.lattice, keys = witnesses.map(readVkey);
  await Promise.all(keys.map(checkVkey));
  assert.deepEqual(keys.map(({alg}) => alg), [4, 6]);
  const head = readCheckpoint(text), [first] = lines.split("\n");
  assert.ok(first.startsWith(`— ${head.origin} `));
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const {log, line} = await signAs(head.origin, pair, text);
  const opened = await openCheckpoint(`${text}\n${line}${lines}`, log, keys);
  assert.deepEqual(opened.cosigned.map(({witness}) => witness.alg), [4]);
  const broken = lines.replace(/....\n$/, "AAAA\n");
  assert.notEqual(broken, lines);
  const again = await openCheckpoint(`${text}\n${line}${broken}`, log, keys);
  assert.deepEqual(again, opened);
});

/** A key of this name and type, and its line: what stands before the signature, signature. */
async function signAs(name, {publicKey, privateKey}, text, alg = 1, before = []) {
  const pk = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  const material = Uint8Array.of(...utf8(`${name}\n`), alg, ...pk);
  const id = new Uint8Array(await crypto.subtle.digest("SHA-256", material)).slice(0, 4);
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, utf8(text)));
  const log = readVkey(`${name}+${hex(id)}+${b64(Uint8Array.of(alg, ...pk))}`);
  return {log, line: `— ${name} ${b64(Uint8Array.of(...id, ...before, ...signature))}\n`};
}
