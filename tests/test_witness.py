"""The witness: what it cosigns, what it refuses and with which status, and what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from consent.evidence import (
    Challenge,
    Fork,
    judge_evidence,
    make_challenge,
    make_rollback,
    read_evidence,
)
from consent.log import merkle
from consent.log import refusal as rules
from consent.log.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from consent.log.cosignature import LatticeKey, cosign, verify_cosignature
from consent.log.note import (
    COSIGNATURE,
    MAX_SIGNATURES,
    ML_DSA_44,
    Signature,
    VerifierKey,
    read_note,
)
from consent.log.proof import MAX_HASHES
from consent.log.refusal import Refusal
from consent.log.submission import write_request
from consent.log.tlog_policy import open_checkpoint
from consent.witness import core, shelf
from consent.witness import http as witness_http
from consent.witness.core import Store, Witness, log_id, read_request
from consent.witness.http import BODY_LIMIT, STATUS, make_witness, status_of
from consent.witness.place import MOST_KEPT, FileStore, MemoryStore
from consent.witness.twins import MOST_TRIED
from tests.inside import Inside
from tests.log import naive
from tests.log.vectors import VECTORS, unhex
from tests.small_log import NOW, WITNESS, WITNESS_KEY, SmallLog, body, witness_of
from vault import calls
from vault.crypto.keys import SigningKey, verify_signature
from vault.errors import (
    BadInput,
    BadPlace,
    BadProof,
    BadShape,
    Forked,
    NotFound,
    OldSize,
    TooLarge,
    TooSlow,
    tree,
)

ORIGIN = "vault.example/log"
LATTICE = LatticeKey(b"\x02" * 32)
# c2sp.org/tlog-witness, "add-checkpoint": the example of a request and of an answer.
PAGE_REQUEST = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""  # noqa: E501
PAGE_ANSWER = """\
— witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
— witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==
— witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==
"""  # noqa: E501


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = NOW

    def __call__(self) -> int:
        return self.seconds


class Answer(NamedTuple):
    status: int
    text: str
    type: str


def ask(witness: Witness, raw: bytes) -> Answer:
    """Post a body over HTTP."""
    found = Inside(make_witness(witness)).post("/add-checkpoint", content=raw)
    return Answer(found.status_code, found.text, found.headers["content-type"])


def kept(folder: Path) -> list[Fork | Challenge]:
    """Return the evidence files of a folder; each proves what it says."""
    found = [read_evidence(path.read_bytes()) for path in sorted((folder / "evidence").iterdir())]
    for evidence in found:
        judge_evidence(evidence)
    return [one for one in found if isinstance(one, Fork | Challenge)]


def shelves(folder: Path) -> Path:
    """Make the folders that a store needs."""
    for name in ("seen", "evidence"):
        (folder / name).mkdir()
    return folder


# What it cosigns


def test_cosignature_verifies_under_each_of_its_keys() -> None:
    log = SmallLog(ORIGIN, 3)
    witness = Witness(WITNESS, [WITNESS_KEY, LATTICE], {ORIGIN: [log.vkey]}, MemoryStore(), Clock())
    lines = witness.add_checkpoint(log.request(0))
    opened = open_checkpoint(log.note() + lines, log.vkey, witness.keys, 1)
    assert [(one.witness.alg, one.time) for one in opened.cosigned] == [
        (COSIGNATURE, NOW),
        (ML_DSA_44, NOW),
    ]
    assert lines.count("\n") == 2
    assert witness.newest(ORIGIN) == log.note() + lines


def test_answer_over_http_is_signature_lines_as_plain_text() -> None:
    log = SmallLog(ORIGIN, 3)
    witness = witness_of(log)
    found = ask(witness, log.request(0))
    assert (found.status, found.type) == (200, "text/plain; charset=utf-8")
    assert found.text.startswith("— w1.example ")
    assert found.text.endswith("\n")
    open_checkpoint(log.note() + found.text, log.vkey, witness.keys, 1)


def test_empty_tree_may_be_cosigned_and_grown() -> None:
    log = SmallLog(ORIGIN)
    witness = witness_of(log)
    witness.add_checkpoint(log.request(0))
    assert witness.seen(ORIGIN).checkpoint == Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT)
    log.grow(4)
    witness.add_checkpoint(log.request(0))
    assert witness.seen(ORIGIN).checkpoint == log.checkpoint()


def test_same_checkpoint_is_cosigned_again_with_a_newer_time() -> None:
    log, clock, store = SmallLog(ORIGIN, 3), Clock(), MemoryStore()
    witness = witness_of(log, store=store, now=clock)
    first = witness.add_checkpoint(log.request(0))
    assert witness.add_checkpoint(log.request(3)) == first  # the same second: nothing is written
    clock.seconds += 60
    assert witness.add_checkpoint(log.request(3)) != first
    assert witness.seen(ORIGIN).time == NOW + 60


def test_lines_of_other_keys_are_ignored_and_neither_stored_nor_served() -> None:
    log = SmallLog(ORIGIN, 3)
    witness = witness_of(log)
    strange = str(cosign(log.checkpoint(), "w9.example", SigningKey(b"\x09" * 32), NOW))
    other = SmallLog("other.example", key=SigningKey(b"\x08" * 32))
    forged = sign_checkpoint(log.checkpoint(), other.key)[len(str(log.checkpoint())) + 1 :]
    lines = witness.add_checkpoint(log.request(0) + strange.encode() + forged.encode())
    assert witness.newest(ORIGIN) == log.note() + lines


def test_a_log_may_change_its_key_while_both_are_trusted() -> None:
    old = SmallLog(ORIGIN, 3)
    new = SmallLog(ORIGIN, 3, SigningKey(b"\x07" * 32)).grow(2)
    witness = Witness(
        WITNESS, [WITNESS_KEY], {ORIGIN: [old.vkey, new.vkey]}, MemoryStore(), Clock()
    )
    witness.add_checkpoint(old.request(0))
    witness.add_checkpoint(new.request(3))
    open_checkpoint(witness.newest(ORIGIN), new.vkey, witness.keys, 1)


@pytest.mark.parametrize("seconds", [0, -1, 2**63])
def test_a_clock_that_has_no_time_signs_nothing(seconds: int) -> None:
    log = SmallLog(ORIGIN, 3)
    witness = witness_of(log, now=lambda: seconds)
    with pytest.raises(BadPlace, match="clock"):
        witness.add_checkpoint(log.request(0))
    assert witness.seen(ORIGIN).checkpoint.size == 0
    assert ask(witness, log.request(0)).status == 500


@pytest.mark.parametrize("back", [1, 60, core.SLOWEST])
def test_time_of_a_cosignature_does_not_fall_with_the_clock(back: int) -> None:
    log, clock = SmallLog(ORIGIN, 8), Clock()
    witness = witness_of(log, now=clock)
    first = log.note(3) + witness.add_checkpoint(log.request(0, 3))
    clock.seconds -= back
    second = log.note(5) + witness.add_checkpoint(log.request(3, 5))
    assert witness.seen(ORIGIN).time == NOW
    with pytest.raises(BadProof, match="did not cosign"):
        make_rollback(log.vkey, witness.keys[0], second, first)
    clock.seconds = NOW + 7
    witness.add_checkpoint(log.request(5))
    assert witness.seen(ORIGIN).time == NOW + 7


def test_with_a_time_that_falls_an_honest_witness_accuses_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core, "_time_after", lambda _, now: now)
    log, clock = SmallLog(ORIGIN, 8), Clock()
    witness = witness_of(log, now=clock)
    first = log.note(3) + witness.add_checkpoint(log.request(0, 3))
    clock.seconds -= 1
    second = log.note(5) + witness.add_checkpoint(log.request(3, 5))
    judge_evidence(make_rollback(log.vkey, witness.keys[0], second, first))


def test_clock_an_hour_behind_signs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    log, clock = SmallLog(ORIGIN, 8), Clock()
    witness = witness_of(log, now=clock)
    witness.add_checkpoint(log.request(0, 3))
    before, clock.seconds = witness.newest(ORIGIN), NOW - core.SLOWEST - 1
    for size in (3, 5):
        with pytest.raises(BadPlace, match=f"clock says {clock.seconds}, and {NOW} was cosigned"):
            witness.add_checkpoint(log.request(3, size))
        found = ask(witness, log.request(3, size))
        assert (found.status, found.text) == (
            500,
            "the witness failed at this; it signed nothing\n",
        )
    assert witness.newest(ORIGIN) == before
    assert f"clock says {clock.seconds}" in caplog.text  # its operator is told
    clock.seconds += 1
    witness.add_checkpoint(log.request(3, 5))


# The table of the page. The witness has cosigned 5 entries; the log has 8, its branch 5 and 9.

LOG = SmallLog(ORIGIN, 8)
BRANCH, LATER = LOG.branch(3).grow(2), LOG.branch(3).grow(6)
FORGER = SmallLog(ORIGIN, 8, SigningKey(b"\x0f" * 32))
GHOST = SmallLog("ghost.example", 8)
EMPTY_LIE = sign_checkpoint(Checkpoint(ORIGIN, 0, b"\x00" * 32), LOG.key)
HONEST = LOG.request(5)


def changed(old: str, new: str) -> bytes:
    text = HONEST.decode()
    assert old in text
    return text.replace(old, new, 1).encode()


def long_proof(count: int) -> bytes:
    return body(5, [b"\x00" * 32] * count, LOG.note())


def lines_added(count: int) -> bytes:
    line = str(cosign(LOG.checkpoint(), "w9.example", SigningKey(b"\x09" * 32), NOW))
    return HONEST + line.encode() * count


def bad_line_of_the_log() -> bytes:
    note = read_note(LOG.note())
    line = note.signatures[0]
    bad = type(line)(line.name, line.key_id, bytes(64))
    return HONEST + str(bad).encode()


REFUSED: dict[str, tuple[int, bytes]] = {
    "nothing": (400, b""),
    "not UTF-8": (400, HONEST + b"\xff"),
    "no old line": (400, LOG.note().encode()),
    "old with a leading zero": (400, changed("old 5", "old 05")),
    "old without a number": (400, changed("old 5", "old ")),
    "old with a sign": (400, changed("old 5", "old +5")),
    "old with two spaces": (400, changed("old 5", "old  5")),
    "old with a carriage return": (400, changed("old 5\n", "old 5\r\n")),
    "old in Arabic digits": (400, changed("old 5", "old ٥")),
    "no empty line before the checkpoint": (400, changed("\n\n" + ORIGIN, "\n" + ORIGIN)),
    "no newline at the end": (400, HONEST[:-1]),
    "no signature": (400, body(5, LOG.proof(5), str(LOG.checkpoint()) + "\n")),
    "an extension line": (400, changed("\n\n—", "\nmore\n\n—")),
    "a hash of 31 bytes": (400, body(5, [b"\x00" * 31], LOG.note())),
    "a hash without padding": (400, changed("=\n\n" + ORIGIN, "\n\n" + ORIGIN)),
    "64 hashes": (400, long_proof(MAX_HASHES + 1)),
    "101 signatures": (400, lines_added(MAX_SIGNATURES)),
    "old above the size": (400, body(9, [], LOG.note())),
    "old above the size, of an unknown log": (400, body(9, [], GHOST.note())),
    "unknown origin": (404, GHOST.request(5)),
    "unknown origin with another's signature": (
        404,
        body(5, [], sign_checkpoint(GHOST.checkpoint(), LOG.key)),
    ),
    "another key": (403, FORGER.request(5)),
    "another key and a wrong old size": (403, FORGER.request(3)),
    "a bad line of the log beside a good one": (403, bad_line_of_the_log()),
    "the size changed after signing": (403, changed("\n8\n", "\n7\n")),
    "older request again": (409, LOG.request(3, 5)),
    "first request again": (409, LOG.request(0, 5)),
    "a rolled-back log": (409, LOG.request(3, 4)),
    "a split view that starts earlier": (409, LATER.request(3)),
    "63 hashes": (422, long_proof(MAX_HASHES)),
    "a proof with a hash too few": (422, body(5, LOG.proof(5)[:-1], LOG.note())),
    "a proof with a hash too many": (422, body(5, [*LOG.proof(5), b"\x00" * 32], LOG.note())),
    "a proof of another size": (422, body(5, LOG.proof(4), LOG.note())),
    "no proof": (422, body(5, [], LOG.note())),
    "a proof for the same size": (422, body(5, [b"\x00" * 32], LOG.note(5))),
    "another root for the same size": (422, BRANCH.request(5)),
    "a split view": (422, LATER.request(5)),
    "too large": (413, HONEST + b"x" * BODY_LIMIT),
}


def witness_at_five(store: Store) -> Witness:
    witness = witness_of(LOG, store=store)
    witness.add_checkpoint(LOG.request(0, 5))
    return witness


@pytest.mark.parametrize("why", REFUSED)
def test_refusal_has_the_status_of_the_page_and_changes_nothing(why: str) -> None:
    status, raw = REFUSED[why]
    witness = witness_at_five(MemoryStore())
    before = witness.newest(ORIGIN)
    found = ask(witness, raw)
    assert found.status == status
    wanted = ("5\n", "text/x.tlog.size") if status == 409 else (found.text, found.type)
    assert (found.text, found.type) == wanted
    assert "—" not in found.text
    assert witness.newest(ORIGIN) == before


def test_honest_request_of_that_table_is_cosigned() -> None:
    witness = witness_at_five(MemoryStore())
    assert ask(witness, HONEST).status == 200
    assert ask(witness, lines_added(MAX_SIGNATURES - 1)).status == 409  # read, and old by now


def test_log_that_was_never_cosigned_has_size_zero() -> None:
    found = ask(witness_of(LOG), LOG.request(3))
    assert (found.status, found.text, found.type) == (409, "0\n", "text/x.tlog.size")


@pytest.mark.parametrize(
    "raw",
    [
        body(0, [], EMPTY_LIE),
        body(0, [b"\x00" * 32], LOG.note()),
        body(0, LOG.proof(5), LOG.note()),
    ],
    ids=["size 0 with another root", "a proof from 0", "a proof of another size from 0"],
)
def test_first_checkpoint_that_does_not_hold_is_unprocessable(raw: bytes) -> None:
    witness = witness_of(LOG)
    assert ask(witness, raw).status == 422
    assert witness.seen(ORIGIN).note == ""


def test_empty_tree_with_another_root_is_unprocessable_after_the_true_one() -> None:
    log = SmallLog(ORIGIN)
    witness = witness_of(log)
    witness.add_checkpoint(log.request(0))
    assert ask(witness, body(0, [], EMPTY_LIE)).status == 422


def test_every_error_of_the_core_has_one_status() -> None:
    wanted = {
        BadShape: 400,
        NotFound: 404,
        BadProof: 403,
        OldSize: 409,
        Forked: 422,
        TooLarge: 413,
        TooSlow: 408,
        BadPlace: 500,
    }
    assert {kind: status_of(kind("x")) for kind in wanted} == wanted
    for above, below in pairwise(kind for kind, _ in STATUS):
        assert not issubclass(below, above)  # no row hides a later one
    unlisted = [kind for kind in tree() if status_of(kind("x")) == 500]
    assert not any(issubclass(kind, BadProof) for kind in unlisted)


def test_failure_of_this_machine_says_nothing_of_it() -> None:
    class Broken(MemoryStore):
        def update(self, origin: str, step: Callable[[str | None], str]) -> str:
            raise BadPlace("cannot write the file /secret/seen: No space left")

    found = ask(witness_of(LOG, store=Broken()), LOG.request(0))
    assert found.status == 500
    assert "secret" not in found.text


def test_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BODY_SECONDS", 0.01)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/add-checkpoint", "headers": []}
    asyncio.run(make_witness(witness_of(LOG))({**scope, "query_string": b""}, receive, send))
    assert sent[0]["status"] == 408


# The examples of the page


def test_example_request_of_the_page_is_read_and_written_again() -> None:
    request = read_request(PAGE_REQUEST.encode())
    assert (request.old, len(request.proof), request.checkpoint.size) == (20852014, 4, 20852163)
    assert request.checkpoint.origin == "example.com/behind-the-sofa"
    assert len(request.note.signatures) == 2
    note = str(request.note)
    assert write_request(request.old, request.proof, note) == PAGE_REQUEST.encode()


def test_example_request_of_the_page_is_of_an_unknown_log_or_key() -> None:
    assert ask(witness_of(LOG), PAGE_REQUEST.encode()).status == 404
    sofa = SmallLog("example.com/behind-the-sofa")
    assert ask(witness_of(sofa), PAGE_REQUEST.encode()).status == 403


def test_example_answer_of_the_page_is_signature_lines() -> None:
    note = read_note(f"{LOG.checkpoint()}\n{PAGE_ANSWER}")
    names = [line.name for line in note.signatures]
    assert names == ["witness.example/w1", "witness.example/w1", "witness.example/w2"]
    assert {len(line.value) for line in note.signatures} == {8 + 64}


def test_example_of_the_docstring_is_the_request_of_the_published_vectors() -> None:
    log = VECTORS["log"]
    (hash_,) = next(c["proof"] for c in VECTORS["tree"]["consistency"] if c["old"] == 2)
    written = body(2, [bytes.fromhex(hash_)], log["checkpoint"]).decode()
    page = [line[4:].split("    ")[0] for line in (core.__doc__ or "").splitlines()]
    assert [line for line in written.splitlines()[:6] if line in page] == written.splitlines()[:6]
    request = read_request(written.encode())
    seen = merkle.root(unhex(VECTORS["tree"]["leaves"])[:2])
    merkle.verify_consistency(2, 3, seen, request.checkpoint.root, request.proof)


# What it knows


def test_one_key_under_the_names_of_two_logs_is_refused() -> None:
    twin = SmallLog("twin.example", key=LOG.key)
    with pytest.raises(BadShape, match="two places"):
        witness_of(LOG, twin)


def test_key_of_a_witness_is_no_key_of_a_log() -> None:
    with pytest.raises(BadShape, match="two places"):
        witness_of(SmallLog(ORIGIN, key=WITNESS_KEY))


def test_key_must_stand_under_its_own_name_and_be_of_a_log() -> None:
    for key in (GHOST.vkey, VerifierKey(ORIGIN, COSIGNATURE, LOG.key.public)):
        with pytest.raises(BadShape, match="type 01"):
            Witness(WITNESS, [WITNESS_KEY], {ORIGIN: [key]}, MemoryStore(), Clock())


@pytest.mark.parametrize("name", ["", "two words", "a+b", "x" * 256])
def test_name_that_cannot_be_signed_is_refused(name: str) -> None:
    with pytest.raises(BadShape):
        Witness(name, [WITNESS_KEY], {}, MemoryStore(), Clock())


def test_witness_has_a_key() -> None:
    with pytest.raises(BadShape):
        Witness(WITNESS, [], {}, MemoryStore(), Clock())


def test_monitors_read_the_newest_cosigned_note() -> None:
    witness = witness_of(LOG, GHOST)
    client = Inside(make_witness(witness))
    path = f"/logs/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert client.get(path).status_code == 404
    client.post("/add-checkpoint", content=LOG.request(0))
    found = client.get(path)
    assert (found.status_code, found.text) == (200, witness.newest(ORIGIN))
    assert found.headers["content-type"] == "text/plain; charset=utf-8"
    open_checkpoint(found.text, LOG.vkey, witness.keys, 1)
    for other in (log_id("ghost.example"), log_id("nobody.example"), ORIGIN, "0" * 64):
        assert client.get(f"/logs/{other}/checkpoint").status_code == 404


def test_witness_says_who_it_is_and_which_logs_it_knows() -> None:
    client = Inside(make_witness(witness_of(LOG)))
    assert client.get("/healthz").text == "ok\n"
    found = client.get("/").json()
    assert found == {
        "name": WITNESS,
        "keys": [str(VerifierKey(WITNESS, COSIGNATURE, WITNESS_KEY.public))],
        "logs": [{"origin": ORIGIN, "id": log_id(ORIGIN), "keys": [str(LOG.vkey)]}],
    }
    assert client.get("/add-checkpoint").status_code == 405
    assert client.get("/docs").status_code == 404


# Evidence


def keeping(tmp_path: Path) -> Witness:
    return witness_at_five(FileStore(shelves(tmp_path)))


def test_two_roots_of_one_size_leave_proof_against_the_log(tmp_path: Path) -> None:
    witness = keeping(tmp_path)
    with pytest.raises(Forked):
        witness.add_checkpoint(BRANCH.request(5))
    (fork,) = kept(tmp_path)
    assert isinstance(fork, Fork)
    judge_evidence(fork, LOG.vkey)
    assert (fork.first, fork.second) == (witness.newest(ORIGIN), BRANCH.note())
    assert (fork.prefix, fork.proof) == (BRANCH.checkpoint().root, ())


def test_fork_is_kept_when_the_request_is_also_out_of_date(tmp_path: Path) -> None:
    witness = keeping(tmp_path)
    with pytest.raises(OldSize):
        witness.add_checkpoint(BRANCH.request(3))
    assert [one.kind for one in kept(tmp_path)] == ["fork"]


def test_split_view_leaves_a_question_to_the_log(tmp_path: Path) -> None:
    witness = keeping(tmp_path)
    with pytest.raises(Forked):
        witness.add_checkpoint(LATER.request(5))
    (challenge,) = kept(tmp_path)
    assert isinstance(challenge, Challenge)
    judge_evidence(challenge, LOG.vkey)
    assert (challenge.first, challenge.second) == (witness.newest(ORIGIN), LATER.note())
    assert (challenge.old, list(challenge.proof)) == (5, LATER.proof(5))


QUIET = {why for why, (status, _) in REFUSED.items() if status != 422} | {
    "a proof for the same size"
}


@pytest.mark.parametrize("why", sorted(QUIET))
def test_what_says_nothing_against_the_log_is_not_kept(why: str, tmp_path: Path) -> None:
    assert ask(keeping(tmp_path), REFUSED[why][1]).status == REFUSED[why][0]
    assert kept(tmp_path) == []


def test_honest_checkpoint_with_many_wrong_proofs_is_kept_once(tmp_path: Path) -> None:
    witness = keeping(tmp_path)
    for number in range(20):
        with pytest.raises(Forked):
            witness.add_checkpoint(body(5, [bytes([number]) * 32] * 3, LOG.note()))
    (challenge,) = kept(tmp_path)
    assert challenge.proof == (b"\x00" * 32,) * 3  # the first one stays


def test_wrong_proof_after_the_empty_tree_says_nothing_against_the_log(tmp_path: Path) -> None:
    witness = witness_of(LOG, store=FileStore(shelves(tmp_path)))
    witness.add_checkpoint(LOG.request(0, 0))
    assert ask(witness, body(0, [b"\x00" * 32], LOG.note())).status == 422
    assert kept(tmp_path) == []


def test_full_shelf_of_questions_leaves_room_for_a_fork_and_for_other_logs(tmp_path: Path) -> None:
    witness = keeping(tmp_path)
    long = SmallLog(ORIGIN, 6 + MOST_KEPT + 5)
    for size in range(6, long.size):
        with pytest.raises(Forked):
            witness.add_checkpoint(body(5, [], long.note(size)))
    assert len(kept(tmp_path)) == MOST_KEPT + 5
    with pytest.raises(Forked):
        witness.add_checkpoint(BRANCH.request(5))
    other = witness_of(GHOST, store=FileStore(tmp_path))
    other.add_checkpoint(GHOST.request(0, 5))
    with pytest.raises(Forked):
        other.add_checkpoint(body(5, [], GHOST.note()))
    assert len(kept(tmp_path)) == MOST_KEPT + 7


def test_question_that_matters_is_kept_after_many_harmless_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "MOST_KEPT", 3)
    witness = keeping(tmp_path)
    long = SmallLog(ORIGIN, 40)

    def ask_for(log: SmallLog, *sizes: int) -> list[int]:
        for size in sizes:
            with pytest.raises(Forked):
                witness.add_checkpoint(body(5, [], log.note(size)))
        found = [one for one in kept(tmp_path) if isinstance(one, Challenge)]
        return sorted(read_checkpoint(read_note(one.second).text).size for one in found)

    assert ask_for(long, *range(6, 15)) == [6, 7, 8, 12, 13, 14]
    assert 20 in ask_for(long.branch(2).grow(30), 20)
    assert ask_for(long, 21, 22) == [6, 7, 8, 20, 21, 22]


# What a stranger can make it do


@dataclass
class Counted(MemoryStore):
    """Notes in memory, of which one cannot be read; counts what is read."""

    broken: str = ""
    read: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def newest(self, origin: str) -> str | None:
        self.read.append(origin)
        if origin == self.broken:
            raise BadPlace("the disk is gone")
        return super().newest(origin)


def crowd(note: str, key: VerifierKey, count: int) -> str:
    """The note with lines whose key ids fit a known key, and that sign nothing."""
    names = [f"x{number}" for number in range(count)]
    lines = (
        Signature(name, VerifierKey(name, key.alg, key.public).key_id, bytes(64)) for name in names
    )
    return note + "".join(map(str, lines))


def test_note_of_a_stranger_costs_neither_files_nor_many_verifications(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logs, tried = [SmallLog(f"log{number}.example", 1) for number in range(30)], list[bytes]()
    store = Counted()
    witness = witness_of(*logs, store=store)

    def verify(public: bytes, value: bytes, text: bytes) -> None:
        tried.append(public)
        verify_signature(public, value, text)

    monkeypatch.setattr(rules, "verify_signature", verify)
    stranger = SmallLog("unknown.example", 3)
    note = crowd(stranger.note(), logs[7].vkey, 90)
    assert ask(witness, body(0, [], note)).status == 404
    assert (store.read, len(tried) <= MOST_TRIED) == ([], True)
    assert tried  # the control: there were some that fit
    tried.clear()
    assert ask(witness, stranger.request(0)).status == 404
    assert (store.read, tried) == ([], [])
    twin = SmallLog("unknown.example", 3, logs[7].key)
    assert ask(witness, twin.request(0)).status == 404
    assert store.read == [logs[7].origin]
    assert len(store.kept) == 1


def test_one_logs_file_that_cannot_be_read_is_nobody_elses_trouble() -> None:
    store = Counted(broken=GHOST.origin)
    witness = witness_of(LOG, GHOST, store=store)
    assert ask(witness, SmallLog("unknown.example", 3).request(0)).status == 404
    assert ask(witness, SmallLog("unknown.example", 3, GHOST.key).request(0)).status == 404
    (found,) = store.kept.values()  # it is kept, without the note that could not be read
    assert isinstance(found, Refusal)
    assert (found.log, found.known) == (str(GHOST.vkey), "")
    assert ask(witness, LOG.request(0)).status == 200


# A log that ended


def test_nothing_past_the_last_tree_is_cosigned_and_that_tree_once(tmp_path: Path) -> None:
    store = FileStore(shelves(tmp_path))

    def ended(size: int | None) -> Witness:
        known = {ORIGIN: [LOG.vkey], GHOST.origin: [GHOST.vkey]}
        ends = {} if size is None else {ORIGIN: size}
        return Witness(WITNESS, [WITNESS_KEY], known, store, lambda: NOW, ends)

    ended(None).add_checkpoint(LOG.request(0, 3))
    assert ask(ended(4), LOG.request(3, 5)).status == 403
    ended(4).add_checkpoint(LOG.request(3, 4))
    for size in (4, 5):
        said = ask(ended(4), LOG.request(4, size))
        assert (said.status, "ended with 4 entries" in said.text) == (403, True)
    assert read_checkpoint(read_note(ended(4).newest(ORIGIN)).text).size == 4
    assert kept(tmp_path) == []
    assert ask(ended(4), LOG.branch(2).grow(3).request(4, 4)).status == 422
    assert [one.kind for one in kept(tmp_path)] == ["fork"]  # a fork of it is kept still
    ended(4).add_checkpoint(GHOST.request(0, 5))
    ended(None).add_checkpoint(LOG.request(4, 5))  # the control


def test_evidence_holds_no_line_that_somebody_added(tmp_path: Path) -> None:
    witness = keeping(tmp_path)
    strange = str(cosign(BRANCH.checkpoint(), "w9.example", SigningKey(b"\x09" * 32), NOW))
    with pytest.raises(Forked):
        witness.add_checkpoint(BRANCH.request(5) + strange.encode())
    assert kept(tmp_path)[0].second == BRANCH.note()


HUGE = 2**53 + 1


def huge(size: int, root: bytes) -> str:
    return sign_checkpoint(Checkpoint(ORIGIN, size, root), LOG.key)


@pytest.mark.parametrize(
    ("raw", "kinds"),
    [
        (body(HUGE, [], huge(HUGE, b"b" * 32)), ["fork"]),
        (body(HUGE, [b"x" * 32], huge(HUGE + 8, b"b" * 32)), []),  # an old size no file holds
    ],
    ids=["another root", "a larger tree"],
)
def test_evidence_that_cannot_be_made_changes_no_answer(
    raw: bytes, kinds: list[str], tmp_path: Path
) -> None:
    witness = witness_of(LOG, store=FileStore(shelves(tmp_path)))
    witness.add_checkpoint(body(0, [], huge(HUGE, b"a" * 32)))
    assert ask(witness, raw).status == 422
    assert [one.kind for one in kept(tmp_path)] == kinds


def test_size_of_that_answer_fits_no_challenge() -> None:
    with pytest.raises(BadProof, match="does not hold this"):
        make_challenge(LOG.vkey, huge(HUGE, b"a" * 32), huge(HUGE + 8, b"b" * 32), [b"x" * 32])


@pytest.mark.parametrize("size", [5, 9])
def test_disk_that_keeps_no_evidence_changes_no_answer(
    size: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    witness = keeping(tmp_path)
    (tmp_path / "evidence").rmdir()
    assert ask(witness, LATER.request(5, size)).status == 422
    assert "evidence was not kept" in caplog.text


def test_evidence_is_kept_once_in_memory_too() -> None:
    store = MemoryStore()
    witness = witness_at_five(store)
    for _ in range(3):
        with pytest.raises(Forked):
            witness.add_checkpoint(BRANCH.request(5))
    assert len(store.kept) == 1


# For all


@given(st.lists(st.integers(0, 9), max_size=8))
def test_honest_growth_ends_with_the_newest_size(steps: list[int]) -> None:
    log = SmallLog(ORIGIN)
    witness = witness_of(log)
    for count in steps:
        old = log.size
        witness.add_checkpoint(log.grow(count).request(old))
        seen = witness.seen(ORIGIN)
        assert (seen.checkpoint, seen.time) == (log.checkpoint(), NOW)


@given(st.data())
def test_only_extensions_are_ever_cosigned(data: st.DataObject) -> None:
    main = SmallLog(ORIGIN, 12)
    worlds = [main, main.branch(0).grow(12), main.branch(5).grow(7), main.branch(8).grow(4)]
    witness = witness_of(main)
    cosigned: list[tuple[SmallLog, int]] = []
    for _ in range(data.draw(st.integers(1, 12))):
        world = data.draw(st.sampled_from(worlds))
        size = data.draw(st.integers(0, 12))
        old = data.draw(st.integers(0, size))
        try:
            witness.add_checkpoint(world.request(old, size))
            cosigned.append((world, size))
        except (OldSize, Forked):
            continue
    for (one, small), (other, large) in pairwise(cosigned):
        assert small <= large
        assert one.entries[:small] == other.entries[:small]
    if cosigned:
        world, size = cosigned[-1]
        assert witness.seen(ORIGIN).checkpoint == world.checkpoint(size)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_body_breaks_the_reader(raw: bytes) -> None:
    with pytest.raises(BadInput):
        read_request(raw)
    with pytest.raises(BadInput):
        read_request(b"old 3\n\n" + raw)


@given(st.integers(0, len(HONEST) - 1), st.integers(0, 255))
def test_changing_one_byte_never_gets_a_cosignature_for_another_tree(at: int, byte: int) -> None:
    raw = HONEST[:at] + bytes([byte]) + HONEST[at + 1 :]
    witness = witness_at_five(MemoryStore())
    found = ask(witness, raw)
    assert found.status in {200, 400, 403, 404, 409, 422}
    wanted = LOG.checkpoint(8 if found.status == 200 else 5)
    assert witness.seen(ORIGIN).checkpoint == wanted


@given(st.integers(1, 12), st.integers(0, 12))
def test_our_verifier_takes_what_the_naive_tree_proves(size: int, old: int) -> None:
    old = min(old, size)
    log = SmallLog(ORIGIN, size)
    note = read_note(log.note())
    assert read_checkpoint(note.text).root == naive.mth(log.entries)
    merkle.verify_consistency(
        old, size, naive.mth(log.entries[:old]), log.checkpoint().root, log.proof(old)
    )


def test_answer_with_another_origin_is_another_cosignature() -> None:
    log = SmallLog(ORIGIN, 3)
    witness = witness_of(log)
    line = read_note(log.note() + witness.add_checkpoint(log.request(0))).signatures[-1]
    moved = Checkpoint("other.example", 3, log.checkpoint().root)
    assert verify_cosignature(witness.keys[0], line.value, log.checkpoint()).time == NOW
    with pytest.raises(BadProof):
        verify_cosignature(witness.keys[0], line.value, moved)


def test_every_route_is_in_the_docstring_of_its_file() -> None:
    page = witness_http.__doc__ or ""
    for route in ("POST /add-checkpoint", "GET /logs/<hex>/checkpoint", "GET /healthz", "GET / "):
        assert route in page
