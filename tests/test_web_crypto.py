"""The web app's vectors are current, and Python opens and verifies what the app makes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import cast

import pytest

from tests.web_vectors_crypto import FILE, text_of, vectors
from vault.crypto.keys import OpeningKey, SigningKey
from vault.crypto.seal import open_sealed, unpad
from vault.encoding import Json, compact_json, read_envelope

NODE = shutil.which("node")
SEED, INFO = b"\x05" * 32, b"cv1/batch/test"
BODY: dict[str, Json] = {"说明": "停止共享", "n": [0, -1, 2**53 - 1]}
# Seals a padded text to a key with a fresh key of one use, and signs a body.
MAKE = """
import { signJws, unhex, utf8, hex } from "./encoding.js";
import { openingKey, signingKey } from "./keys.js";
import { pad, seal } from "./seal.js";
const { seed, info, plain, body } = JSON.parse(process.argv[1]);
const to = await openingKey(unhex(seed)), key = await signingKey(unhex(seed));
const sealed = await seal(to.public, pad(utf8(plain)), utf8(info));
console.log(JSON.stringify({ sealed: hex(sealed), jws: await signJws("cv1-test", body, key) }));
"""


def test_committed_vectors_are_current() -> None:
    assert FILE.read_text(encoding="utf-8") == text_of(vectors())


@pytest.mark.skipif(NODE is None, reason="node is not on this machine")
def test_python_opens_what_the_app_seals_and_verifies_what_it_signs() -> None:
    given = {"seed": SEED.hex(), "info": INFO.decode(), "plain": '{"城市":1}', "body": BODY}
    made = app_makes(json.dumps(given))
    opened = open_sealed((OpeningKey(SEED),), bytes.fromhex(made["sealed"]), INFO)
    assert unpad(opened).decode() == given["plain"]
    envelope = read_envelope(made["jws"], "cv1-test")
    envelope.verify(SigningKey(SEED).public)
    assert envelope.payload == compact_json(BODY)


def app_makes(given: str) -> dict[str, str]:
    """What the app's modules print for this argument."""
    web = Path(__file__).parents[1] / "consent" / "web"
    script = MAKE.replace('"./', f'"{web.as_uri()}/')
    done = subprocess.run(
        [str(NODE), "--no-warnings", "--input-type=module", "-e", script, given],
        capture_output=True,
        check=True,
        timeout=60,
    )
    return cast("dict[str, str]", json.loads(done.stdout))
