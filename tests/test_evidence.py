"""Evidence against a log or a witness: it stands by itself, and an honest log cannot be accused."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple, cast
from unittest.mock import patch

import httpx2
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from consent import evidence
from consent.commands import evidence as evidence_file
from consent.commands.evidence import describe
from consent.commands.evidence import evidence as evidence_command
from consent.commands.export import tiles_of as exported
from consent.evidence import (
    Challenge,
    Evidence,
    Fork,
    Rollback,
    file_name,
    heads_of,
    judge_evidence,
    make_challenge,
    make_fork,
    make_rollback,
    read_evidence,
    rolled_back,
    settle,
    write_evidence,
)
from consent.log import tiles
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.cosignature import LatticeKey, cosign, witness_key
from consent.log.merkle import EMPTY_ROOT
from consent.log.note import VerifierKey, b64
from consent.log.tiles import ReadTile
from consent.terminal import new_app
from tests.log import naive
from tests.small_log import SmallLog
from tests.test_watch_web import web_of
from vault.crypto.keys import SigningKey
from vault.encoding import Json
from vault.errors import BadProof, BadShape


class Said(NamedTuple):
    code: int
    out: str
    err: str


def run_app(app: typer.Typer, *words: object, locale: str = "C.UTF-8") -> Said:
    """What a command writes, and its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.dict(os.environ, {"LC_ALL": locale}),
        pytest.raises(SystemExit) as ended,
    ):
        get_command(app)([*map(str, words)])
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())


ORIGIN = "vault.example/log"
HONEST = SmallLog(ORIGIN, 600)
FALSE = HONEST.branch(5).grow(595)
W1 = LatticeKey(b"\x09" * 32)
WITNESS = witness_key("w1.example", W1)
SIZES = (1, 2, 3, 5, 6, 7, 8, 9, 255, 256, 257, 300, 511, 512, 513, 600)
sizes = st.sampled_from(SIZES)


def tiles_of(log: SmallLog, size: int | None = None) -> ReadTile:
    """Tiles as a log of this size serves them."""
    stored = tiles.grow(0, log.entries[:size], lambda _level, _n: b"")
    return lambda level, n: stored.get((level, n), b"")


TILES = {(log.world, size): tiles_of(log, size) for log in (HONEST, FALSE) for size in SIZES}


def read(log: SmallLog, size: int) -> ReadTile:
    return TILES[log.world, size]


def cosigned(log: SmallLog, size: int, time: int, name: str = "w1.example") -> str:
    return log.note(size) + str(cosign(log.checkpoint(size), name, W1, time))


def edited(found: Evidence, **changed: Json) -> Evidence:
    return read_evidence(json.dumps({**found.plain(), **changed}).encode())


def fork_of(small: int = 7, large: int = 9) -> Fork:
    return make_fork(HONEST.vkey, FALSE.note(small), HONEST.note(large), read(HONEST, large))


@given(sizes, sizes, st.booleans())
def test_any_two_notes_of_two_histories_make_a_fork(small: int, large: int, turned: bool) -> None:
    small, large = sorted((small, large))
    one, two = (FALSE, HONEST) if turned else (HONEST, FALSE)
    notes = (one.note(small), two.note(large))
    if small <= 5:  # what both have in common is one history
        with pytest.raises(BadProof, match="one history"):
            make_fork(HONEST.vkey, *notes, read(two, large))
        return
    fork = make_fork(HONEST.vkey, *notes, read(two, large))
    judge_evidence(fork, HONEST.vkey)
    assert make_fork(HONEST.vkey, *notes[::-1], read(two, large)) == fork or small == large
    assert [head.size for head in heads_of(fork)] == [small, large]
    assert fork.prefix == naive.mth(two.entries[:small])
    assert list(fork.proof) == (two.proof(small, large) if small < large else [])


@given(sizes, sizes)
def test_honest_log_cannot_be_accused_by_its_own_tiles(small: int, large: int) -> None:
    small, large = sorted((small, large))
    with pytest.raises(BadProof, match="one history"):
        make_fork(HONEST.vkey, HONEST.note(small), HONEST.note(large), read(HONEST, large))


@given(sizes, sizes, st.data())
def test_honest_log_cannot_be_accused_by_an_invented_proof(
    small: int, large: int, data: st.DataObject
) -> None:
    small, large = sorted((small, large))
    hashes = st.sampled_from(
        [*HONEST.proof(small, large), naive.mth(FALSE.entries[:small]), EMPTY_ROOT, bytes(32)]
    )
    forged = Fork(
        type="log-evidence",
        kind="fork",
        log=str(HONEST.vkey),
        first=HONEST.note(small),
        second=HONEST.note(large),
        prefix=data.draw(hashes | st.just(HONEST.checkpoint(small).root)),
        proof=tuple(data.draw(st.lists(hashes, max_size=12))),
    )
    with pytest.raises(BadProof):
        judge_evidence(forged)


def test_without_the_proof_anyone_could_accuse(monkeypatch: pytest.MonkeyPatch) -> None:
    accusation = fork_of().model_copy(update={"first": HONEST.note(7), "prefix": bytes(32)})
    with pytest.raises(BadProof):
        judge_evidence(accusation)
    monkeypatch.setattr(evidence, "verify_consistency", lambda *_: None)
    judge_evidence(accusation)


def test_two_notes_of_one_size_need_no_tiles() -> None:
    fork = make_fork(HONEST.vkey, FALSE.note(9), HONEST.note(9))
    assert (fork.proof, fork.prefix) == ((), HONEST.checkpoint(9).root)
    with pytest.raises(BadProof, match="tiles are needed"):
        make_fork(HONEST.vkey, FALSE.note(8), HONEST.note(9))


def test_log_that_signs_another_root_for_nothing_has_two_histories() -> None:
    bad = sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), HONEST.key)
    for other in (HONEST.note(0), HONEST.note(9)):
        fork = make_fork(HONEST.vkey, bad, other)
        assert (fork.prefix, fork.proof) == (EMPTY_ROOT, ())
    with pytest.raises(BadProof):
        make_fork(HONEST.vkey, HONEST.note(0), HONEST.note(9))


def test_fork_needs_both_signatures_of_one_log() -> None:
    fork, stranger = fork_of(), SmallLog(ORIGIN, 9, SigningKey(b"\x77" * 32))
    for changed in ({"first": stranger.note(7)}, {"second": stranger.note(9)}):
        with pytest.raises(BadProof, match="signed by"):
            judge_evidence(fork.model_copy(update=changed))
    other = SmallLog("other.example/log", 9)
    with pytest.raises(BadProof):
        judge_evidence(fork.model_copy(update={"log": str(other.vkey)}))


def test_pinned_key_must_be_the_files_own() -> None:
    judge_evidence(fork_of(), HONEST.vkey)
    with pytest.raises(BadProof, match="another key"):
        judge_evidence(fork_of(), VerifierKey(ORIGIN, 1, bytes(32)))


def test_notes_stand_in_the_order_of_their_sizes() -> None:
    fork = fork_of()
    with pytest.raises(BadProof):
        judge_evidence(fork.model_copy(update={"first": fork.second, "second": fork.first}))


@given(st.data())
def test_any_changed_bit_of_a_forks_hashes_is_refused(data: st.DataObject) -> None:
    fork = fork_of(6, 300)
    place = data.draw(st.integers(-1, len(fork.proof) - 1))
    raw = bytearray(fork.prefix if place < 0 else fork.proof[place])
    raw[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
    proof = [*fork.proof]
    if place >= 0:
        proof[place] = bytes(raw)
    changed = {"prefix": bytes(raw)} if place < 0 else {"proof": tuple(proof)}
    with pytest.raises(BadProof):
        judge_evidence(fork.model_copy(update=changed))


@pytest.mark.parametrize("kind", ["fork", "challenge", "rollback"])
def test_file_is_read_as_it_was_written(kind: str) -> None:
    found = one_of_each()[kind]
    assert read_evidence(write_evidence(found)) == found
    assert write_evidence(found).count(b"\n") == 1
    assert file_name(found).startswith(f"{kind}-")
    spread = json.dumps(found.plain(), indent=2, ensure_ascii=True).encode()
    assert read_evidence(spread) == found


def one_of_each() -> dict[str, Evidence]:
    return {
        "fork": fork_of(),
        "challenge": make_challenge(HONEST.vkey, FALSE.note(7), HONEST.note(9), [bytes(32)]),
        "rollback": make_rollback(
            HONEST.vkey, WITNESS, cosigned(HONEST, 9, 100), cosigned(HONEST, 7, 101)
        ),
    }


def test_name_of_a_file_is_of_its_two_checkpoints() -> None:
    with_more = make_fork(HONEST.vkey, cosigned(FALSE, 9, 5), HONEST.note(9))
    assert file_name(with_more) == file_name(make_fork(HONEST.vkey, FALSE.note(9), HONEST.note(9)))
    assert file_name(with_more) != file_name(make_fork(HONEST.vkey, FALSE.note(8), HONEST.note(8)))


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "evidence"},
        {"kind": "forks"},
        {"kind": 1},
        {"kind": "challenge"},
        {"more": 1},
        {"prefix": None},
        {"prefix": b64(bytes(31))},
        {"prefix": b64(bytes(32)).rstrip("=")},
        {"prefix": "_" * 43 + "="},
        {"proof": b64(bytes(32))},
        {"proof": [b64(bytes(33))]},
        {"proof": [b64(bytes(32))] * 66},
        {"first": 1},
        {"second": "x" * ((1 << 19) + 1)},
    ],
    ids=lambda changed: str(changed)[:40],
)
def test_file_of_another_form_is_refused(changed: dict[str, Json]) -> None:
    with pytest.raises(BadShape):
        edited(fork_of(), **changed)


def test_rollbacks_of_two_witnesses_have_two_files() -> None:
    names = {
        file_name(
            make_rollback(
                HONEST.vkey,
                witness_key(name, W1),
                cosigned(HONEST, 9, 100, name),
                cosigned(HONEST, 7, 101, name),
            )
        )
        for name in ("w1.example", "w2.example")
    }
    assert len(names) == 2


def test_file_that_is_too_large_or_no_json_is_refused() -> None:
    for raw in (b"", b"[]", b"{", b"\xff", b" " * (evidence.MAX_EVIDENCE + 1)):
        with pytest.raises(BadShape):
            read_evidence(raw)


@given(st.binary(max_size=200))
def test_notes_of_any_content_prove_nothing(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace")
    for changed in ({"first": text}, {"second": text}, {"log": text}):
        with pytest.raises(BadProof):
            judge_evidence(fork_of().model_copy(update=changed))


def test_challenge_says_only_that_a_proof_does_not_hold() -> None:
    challenge = make_challenge(HONEST.vkey, HONEST.note(7), HONEST.note(9), [bytes(32)])
    judge_evidence(challenge, HONEST.vkey)
    assert challenge.old == 7
    # The same pair without any proof, since the lines are not signed by anyone.
    judge_evidence(make_challenge(HONEST.vkey, HONEST.note(7), HONEST.note(9)))


def test_challenge_whose_proof_holds_is_none() -> None:
    with pytest.raises(BadProof, match="the proof holds"):
        make_challenge(HONEST.vkey, HONEST.note(7), HONEST.note(9), HONEST.proof(7, 9))


@pytest.mark.parametrize(("old", "new"), [(0, 9), (9, 9)])
def test_challenge_where_nothing_is_to_be_proven_is_none(old: int, new: int) -> None:
    with pytest.raises(BadProof, match="nothing to prove"):
        make_challenge(HONEST.vkey, HONEST.note(old), HONEST.note(new), [bytes(32)])


def test_challenge_goes_from_its_own_old_size() -> None:
    challenge = one_of_each()["challenge"]
    for changed in ({"old": 6}, {"first": HONEST.note(9), "second": HONEST.note(7), "old": 9}):
        with pytest.raises(BadProof):
            judge_evidence(challenge.model_copy(update=changed))


def test_tiles_settle_a_challenge_as_a_fork_or_acquit_the_log() -> None:
    guilty = make_challenge(HONEST.vkey, FALSE.note(7), HONEST.note(300))
    fork = settle(guilty, read(HONEST, 300))
    assert fork is not None
    judge_evidence(fork, HONEST.vkey)
    innocent = make_challenge(HONEST.vkey, HONEST.note(7), HONEST.note(300), [bytes(32)])
    assert settle(innocent, read(HONEST, 300)) is None


def test_challenge_of_one_size_is_a_fork_already() -> None:
    challenge = make_challenge(HONEST.vkey, FALSE.note(9), HONEST.note(9))
    assert settle(challenge, lambda _level, _n: b"") == make_fork(
        HONEST.vkey, FALSE.note(9), HONEST.note(9)
    )


def test_tiles_of_another_tree_settle_nothing() -> None:
    guilty = make_challenge(HONEST.vkey, FALSE.note(7), HONEST.note(300))
    for wrong in (read(FALSE, 300), read(HONEST, 257), lambda _level, _n: b""):
        with pytest.raises(BadProof):
            settle(guilty, wrong)


def lying(small: SmallLog, large: SmallLog, old: int, size: int) -> ReadTile:
    """Tiles that lead to the large tree's root, and whose first ones are the small tree's."""
    honest, other = read(large, size), read(small, 257)

    def tile(level: int, n: int) -> bytes:
        return other(level, n) if (level, n) == (0, 0) else honest(level, n)

    assert size > 256 >= old
    return tile


def test_tiles_that_lie_inside_do_not_acquit(monkeypatch: pytest.MonkeyPatch) -> None:
    # The root of 300 is bound by tile 0 of level 1 and tile 1 of level 0: tile 0 may say anything.
    guilty = make_challenge(HONEST.vkey, FALSE.note(7), HONEST.note(300))
    lie = lying(FALSE, HONEST, 7, 300)
    with pytest.raises(BadProof, match="both roots"):
        settle(guilty, lie)
    monkeypatch.setattr(evidence, "verify_consistency", lambda *_: None)
    assert evidence.beginning(7, HONEST.checkpoint(300), lie) == FALSE.checkpoint(7).root


def test_rollback_gives_the_two_times() -> None:
    rollback = cast("Rollback", one_of_each()["rollback"])
    assert rolled_back(rollback) == (100, 101)
    judge_evidence(rollback, HONEST.vkey)


@pytest.mark.parametrize(("first", "second"), [((9, 100), (7, 100)), ((9, 101), (7, 100))])
def test_smaller_tree_cosigned_before_is_no_rollback(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    with pytest.raises(BadProof, match="after the larger"):
        make_rollback(HONEST.vkey, WITNESS, cosigned(HONEST, *first), cosigned(HONEST, *second))


@pytest.mark.parametrize("size", [9, 10])
def test_tree_that_is_not_smaller_is_no_rollback(size: int) -> None:
    with pytest.raises(BadProof, match="not smaller"):
        make_rollback(HONEST.vkey, WITNESS, cosigned(HONEST, 9, 1), cosigned(HONEST, size, 2))


def test_rollback_needs_both_cosignatures_of_one_witness() -> None:
    larger, smaller = cosigned(HONEST, 9, 100), cosigned(HONEST, 7, 101)
    other = cosigned(HONEST, 7, 101, "w2.example")
    for pair in ((HONEST.note(9), smaller), (larger, HONEST.note(7)), (larger, other)):
        with pytest.raises(BadProof):
            make_rollback(HONEST.vkey, WITNESS, *pair)
    with pytest.raises(BadProof):
        make_rollback(HONEST.vkey, HONEST.vkey, larger, smaller)


def test_size_that_no_file_holds_is_refused_and_no_crash() -> None:
    huge = sign_checkpoint(Checkpoint(ORIGIN, 2**60, bytes(32)), HONEST.key)
    huger = sign_checkpoint(Checkpoint(ORIGIN, 2**61, bytes(32)), HONEST.key)
    with pytest.raises(BadProof, match="does not hold this"):
        make_challenge(HONEST.vkey, huge, huger)
    with pytest.raises(BadProof):
        make_fork(HONEST.vkey, huge, HONEST.note(9), read(HONEST, 9))


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_words_say_what_is_proven_and_what_is_not(locale: str) -> None:
    proven, open_ = {"en": ("This proves", "Not proven"), "zh-CN": ("证明成立", "未证明")}[locale]
    for found in one_of_each().values():
        lines = describe(found, "en" if locale == "en" else "zh-CN")
        assert lines[0].startswith(proven)
        assert any(line.startswith(open_) for line in lines)
    assert "two histories" not in describe(one_of_each()["challenge"], "en")[0]


APP = new_app("Audit.")
APP.command("evidence")(evidence_command)
APP.callback()(lambda: None)


def test_command_judges_a_file_offline(tmp_path: Path) -> None:
    for kind, found in one_of_each().items():
        path = tmp_path / file_name(found)
        path.write_bytes(write_evidence(found))
        said = run_app(APP, "evidence", path, "--log", HONEST.vkey)
        assert (said.code, "is the one you gave" in said.out) == (0, True)
        told = json.loads(run_app(APP, "evidence", path, "--json").out)
        assert (told["kind"], told["pinned"]) == (kind, False)
        assert str(HONEST.vkey) in told["says"][-1]


def challenge_file(folder: Path, first: SmallLog = FALSE) -> Path:
    found = make_challenge(HONEST.vkey, first.note(7), HONEST.note(300), [bytes(32)])
    path = folder / file_name(found)
    path.write_bytes(write_evidence(found))
    return path


def export_of(log: SmallLog, size: int, out: Path) -> Path:
    """A folder as `log export` writes it, at this size."""
    for tile in exported(size):
        path = out / str(tile)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiles.cut(tile, size, tiles_of(log, size)))
    return out


@pytest.mark.parametrize("size", [300, 400, 512, 600])
def test_command_settles_a_challenge_by_an_exported_folder(tmp_path: Path, size: int) -> None:
    file, folder = challenge_file(tmp_path), export_of(HONEST, size, tmp_path / "log")
    said = run_app(APP, "evidence", file, "--tiles", folder, "--json")
    told = json.loads(said.out)
    assert (said.code, told["kind"], told["settled"]) == (0, "challenge", "fork")
    path = Path(told["fork"])
    judge_evidence(read_evidence(path.read_bytes()), HONEST.vkey)
    assert (path.parent, path.stat().st_mode & 0o777) == (tmp_path, 0o600)
    said = run_app(APP, "evidence", challenge_file(tmp_path, HONEST), "--tiles", folder)
    assert (said.code, "The log is acquitted" in said.out) == (0, True)


def test_command_settles_a_challenge_by_tiles_under_a_url(tmp_path: Path) -> None:
    folder = export_of(HONEST, 300, tmp_path / "log")
    url = "https://mirror.example/log"

    def answer(request: httpx2.Request) -> httpx2.Response:
        path = folder / str(request.url).removeprefix(url + "/")
        raw = path.read_bytes() if path.is_file() else b""
        return httpx2.Response(200 if raw else 404, stream=httpx2.ByteStream(raw))

    with patch.object(evidence_file, "Web", lambda: web_of(answer)):
        said = run_app(APP, "evidence", challenge_file(tmp_path), "--tiles", url + "/")
        assert (said.code, "there are two histories" in said.out) == (0, True)
        assert len(list(tmp_path.glob("fork-*.json"))) == 1
        file = challenge_file(tmp_path, HONEST)
        said = run_app(APP, "evidence", file, "--tiles", url, locale="zh_CN.UTF-8")
        assert (said.code, "日志没有过错" in said.out) == (0, True)


def test_tiles_that_settle_nothing_end_with_1_and_write_nothing(tmp_path: Path) -> None:
    file = challenge_file(tmp_path)
    false, short = (
        export_of(log, size, tmp_path / name)
        for log, size, name in ((FALSE, 300, "false"), (HONEST, 257, "short"))
    )
    for folder, slug in ((false, "bad-proof"), (short, "unreachable"), (tmp_path, "unreachable")):
        said = run_app(APP, "evidence", file, "--tiles", folder)
        assert (said.code, slug in said.err) == (1, True)
    assert not list(tmp_path.glob("fork-*"))


def test_only_a_challenge_is_settled_by_tiles(tmp_path: Path) -> None:
    path = tmp_path / "fork.json"
    path.write_bytes(write_evidence(fork_of()))
    assert run_app(APP, "evidence", path, "--tiles", tmp_path).code == 2


def test_command_speaks_chinese(tmp_path: Path) -> None:
    path = tmp_path / "fork.json"
    path.write_bytes(write_evidence(fork_of()))
    said = run_app(APP, "evidence", path, locale="zh_CN.UTF-8")
    assert said.out.startswith("证明成立：日志 vault.example/log 签署了两种历史。")


def test_command_ends_with_1_when_nothing_is_proven(tmp_path: Path) -> None:
    path = tmp_path / "fork.json"
    accusation = fork_of().model_copy(update={"first": HONEST.note(7)})
    for raw in (write_evidence(accusation), b"{}", b"\xff"):
        path.write_bytes(raw)
        said = run_app(APP, "evidence", path)
        assert (said.code, "bad-proof" in said.err) == (1, True)
    path.write_bytes(write_evidence(fork_of()))
    stranger = VerifierKey(ORIGIN, 1, bytes(32))
    assert run_app(APP, "evidence", path, "--log", stranger).code == 1


def test_kinds_are_told_apart() -> None:
    kinds = [type(found) for found in one_of_each().values()]
    assert kinds == [Fork, Challenge, Rollback]
