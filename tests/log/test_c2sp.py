"""What the C2SP pages publish, and two checkpoints of public logs, against the parsers here.

tests/vectors/c2sp.json names each source. Where a page does not publish the key of its example, the
example is taken apart and written again, and nothing is said of its signature.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import TypedDict

import pytest

from consent.log.checkpoint import Checkpoint, read_checkpoint
from consent.log.cosignature import verify_cosignature
from consent.log.note import COSIGNATURE, ED25519, ML_DSA_44, Note, b64, read_note, read_vkey
from consent.log.proof import HEADER, read_proof
from consent.log.tlog_policy import open_checkpoint
from vault.crypto.keys import verify_signature
from vault.errors import BadJws, BadProof, BadShape


class Signed(TypedDict):
    vkey: str
    public: str
    note: str


class Sofa(TypedDict):
    note: str
    size: int
    time: int


class Request(TypedDict):
    body: str
    old: int
    answer: str


class Published(TypedDict):
    extra: str
    index: int
    hashes: list[str]
    checkpoint: str


class Staging(TypedDict):
    log: str
    witnesses: list[str]
    note: str
    time: int


class Lattice(TypedDict):
    witnesses: list[str]
    text: str
    lines: str
    time: int


class Vectors(TypedDict):
    plain: Signed
    neumann: Signed
    quasimodo: Signed
    sofa: Sofa
    request: Request
    proof: Published
    staging: Staging
    lattice: Lattice


def _load() -> Vectors:
    file = Path(__file__).parent.parent / "vectors" / "c2sp.json"
    found: Vectors = json.loads(file.read_text(encoding="utf-8"))
    return found


PAGES = _load()


@pytest.mark.parametrize("one", [PAGES["plain"], PAGES["neumann"]], ids=["page", "go"])
def test_published_note_verifies_under_its_published_key(one: Signed) -> None:
    key, note = read_vkey(one["vkey"]), read_note(one["note"])
    assert (key.alg, key.public.hex(), str(key)) == (ED25519, one["public"], one["vkey"])
    (line,) = note.signatures
    assert (line.name, line.key_id) == (key.name, key.key_id)
    verify_signature(key.public, line.value, note.text.encode())
    assert str(note) == one["note"]
    with pytest.raises(BadJws):
        verify_signature(key.public, line.value, note.text.encode() + b" ")


def test_note_with_an_empty_line_in_its_text_is_the_pages_parts() -> None:
    published = PAGES["quasimodo"]["note"]
    note = read_note(published)
    assert note.text.split("\n")[2:] == ["", "ed è subito sera.", ""]
    (line,) = note.signatures
    assert (line.name, line.key_id.hex()) == ("quasimodo.example/salvatore", "367ba04b")
    assert len(line.value) == 64
    assert str(note) == published


def test_checkpoint_example_is_the_pages_parts() -> None:
    sofa = PAGES["sofa"]
    note = read_note(sofa["note"])
    head = read_checkpoint(note.text)
    root = b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert head == Checkpoint("example.com/behind-the-sofa", sofa["size"], root)
    log, witness = note.signatures
    assert (log.name, len(log.value)) == (head.origin, 64)
    assert (witness.name, len(witness.value)) == ("witness.example.com/w1", 8 + 64)
    assert int.from_bytes(witness.value[:8], "big") == sofa["time"]
    assert str(Note(str(head), note.signatures)) == sofa["note"]


def test_request_body_example_is_the_pages_parts() -> None:
    # The body's first part is split off as the page says; the rest is a note as any other.
    request = PAGES["request"]
    lines, _, signed = request["body"].partition("\n\n")
    old, *hashes = lines.split("\n")
    assert re.fullmatch(r"old (0|[1-9][0-9]*)", old)
    assert int(old.removeprefix("old ")) == request["old"]
    assert [len(b64decode(line, validate=True)) for line in hashes] == [32] * 4
    note = read_note(signed)
    assert read_checkpoint(note.text).size == PAGES["sofa"]["size"] >= request["old"]
    assert [line.name for line in note.signatures] == ["example.com/behind-the-sofa"] * 2
    assert str(note) == signed


def test_answer_example_is_read_as_the_page_says_appended_to_the_checkpoint() -> None:
    request = PAGES["request"]
    signed = request["body"].partition("\n\n")[2]
    note = read_note(signed + request["answer"])
    names = [line.name for line in note.signatures[2:]]
    assert names == ["witness.example/w1", "witness.example/w1", "witness.example/w2"]
    assert all(len(line.value) == 8 + 64 for line in note.signatures[2:])
    assert "".join(map(str, note.signatures[2:])) == request["answer"]


def test_proof_example_is_the_pages_parts_with_an_extra_of_ours() -> None:
    page, extra = PAGES["proof"], b64(bytes(24))
    text = "\n".join(
        [
            HEADER,
            f"extra {extra}",
            f"index {page['index']}",
            *page["hashes"],
            "",
            page["checkpoint"],
        ]
    )
    proof = read_proof(text)
    assert (proof.index, [*map(b64, proof.hashes)]) == (page["index"], page["hashes"])
    assert read_checkpoint(proof.checkpoint) == Checkpoint(
        "example.com/fancylog", 109482, b64decode("sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=")
    )
    assert str(proof) == text


def test_extra_of_another_application_is_refused() -> None:
    # The page leaves extra to the application; here it is salt and time, 24 bytes.
    page = PAGES["proof"]
    assert len(b64decode(page["extra"], validate=True)) == 39
    with pytest.raises(BadShape, match="24 bytes"):
        read_proof(f"{HEADER}\nextra {page['extra']}\nindex 0\n\n{page['checkpoint']}")


def test_checkpoint_of_a_public_log_opens_with_four_public_witnesses() -> None:
    one = PAGES["staging"]
    log, witnesses = read_vkey(one["log"]), [read_vkey(vkey) for vkey in one["witnesses"]]
    opened = open_checkpoint(one["note"], log, witnesses, 4)
    assert opened.checkpoint.size == 1_432_088_532
    assert [cosigned.witness for cosigned in opened.cosigned] == witnesses
    assert {cosigned.time for cosigned in opened.cosigned} == {one["time"]}
    assert str(read_note(one["note"])) == one["note"]
    for changed in (
        one["note"].replace("1432088532", "1432088533"),
        one["note"].replace("U7", "V7"),
    ):
        with pytest.raises(BadProof):
            open_checkpoint(changed, log)


def test_cosignatures_of_a_public_witness_verify_by_ed25519_and_ml_dsa() -> None:
    one = PAGES["lattice"]
    note = read_note(one["text"] + "\n" + one["lines"])
    head = read_checkpoint(note.text)
    keys = [read_vkey(vkey) for vkey in one["witnesses"]]
    assert [key.alg for key in keys] == [COSIGNATURE, ML_DSA_44]
    for key in keys:
        (line,) = (line for line in note.signatures if line.key_id == key.key_id)
        assert verify_cosignature(key, line.value, head).time == one["time"]
        with pytest.raises(BadProof):
            verify_cosignature(key, line.value, Checkpoint(head.origin, head.size + 1, head.root))
