from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.log import checkpoint, cosignature, note, tlog_policy
from consent.log.checkpoint import Checkpoint
from consent.log.note import VerifierKey
from consent.log.proof import leaf_data, read_proof, verify_proof
from tests.log.vectors import VECTORS, BadKey, BadNote, BadProofFile, ProofFile
from vault.crypto.keys import SigningKey
from vault.errors import BadProof, BadShape, VaultError

LOG_KEY = SigningKey(bytes.fromhex(VECTORS["log"]["seed"]))
LOG = note.read_vkey(VECTORS["log"]["vkey"])
WITNESS_KEY = SigningKey(bytes.fromhex(VECTORS["witness"]["seed"]))
WITNESS = note.read_vkey(VECTORS["witness"]["vkey"])
HEAD = Checkpoint(LOG.name, VECTORS["log"]["size"], bytes.fromhex(VECTORS["log"]["root"]))
SIGNED = VECTORS["log"]["checkpoint"]
COSIGNED = SIGNED + VECTORS["witness"]["line"]


def test_vkeys_are_the_published_ones() -> None:
    assert VerifierKey(LOG.name, note.ED25519, LOG_KEY.public) == LOG
    assert VerifierKey(WITNESS.name, note.COSIGNATURE, WITNESS_KEY.public) == WITNESS
    assert str(LOG) == VECTORS["log"]["vkey"]
    assert str(WITNESS) == VECTORS["witness"]["vkey"]


def test_checkpoint_and_cosignature_are_the_published_ones() -> None:
    assert checkpoint.sign_checkpoint(HEAD, LOG_KEY) == SIGNED
    witness = VECTORS["witness"]
    line = cosignature.cosign(HEAD, witness["name"], WITNESS_KEY, witness["time"])
    assert str(line) == witness["line"]
    opened = tlog_policy.open_checkpoint(COSIGNED, LOG, [WITNESS], 1)
    assert opened.checkpoint == HEAD
    assert opened.cosigned == (cosignature.Cosigned(WITNESS, witness["time"]),)


def test_note_is_written_as_it_was_read() -> None:
    assert str(note.read_note(COSIGNED)) == COSIGNED


def test_text_of_a_note_may_hold_empty_lines() -> None:
    read = note.read_note("one\n\ntwo\n\n" + VECTORS["witness"]["line"])
    assert read.text == "one\n\ntwo\n"


def test_lines_of_unknown_keys_are_ignored() -> None:
    foreign = cosignature.cosign(HEAD, "other.example", WITNESS_KEY, 1)
    assert tlog_policy.open_checkpoint(SIGNED + str(foreign), LOG, [WITNESS]).cosigned == ()


@pytest.mark.parametrize("bad", VECTORS["bad_notes"], ids=lambda bad: str(bad["why"]))
def test_strict_reading_refuses(bad: BadNote) -> None:
    with pytest.raises(VaultError) as refused:
        tlog_policy.open_checkpoint(bad["note"], LOG, [WITNESS])
    assert refused.value.slug == bad["error"]


@pytest.mark.parametrize("bad", VECTORS["bad_vkeys"], ids=lambda bad: str(bad["why"]))
def test_vkey_of_another_form_is_refused(bad: BadKey) -> None:
    with pytest.raises(BadShape):
        note.read_vkey(bad["vkey"])


def test_bytes_that_are_not_utf8_are_refused() -> None:
    assert note.read_utf8(SIGNED.encode("utf-8")) == SIGNED
    with pytest.raises(BadShape):
        note.read_utf8(SIGNED.encode("utf-8").replace("—".encode(), b"\xe2\x80"))


@pytest.mark.parametrize("size", [0, 1, 9, 10, 10**19 - 1])
def test_every_size_of_up_to_19_digits_is_read(size: int) -> None:
    head = Checkpoint(LOG.name, size, HEAD.root)
    assert (
        tlog_policy.open_checkpoint(checkpoint.sign_checkpoint(head, LOG_KEY), LOG).checkpoint
        == head
    )


@given(st.integers(0, len(COSIGNED.encode()) * 8 - 1))
def test_any_changed_bit_of_a_cosigned_checkpoint_is_refused(bit: int) -> None:
    raw = bytearray(COSIGNED.encode())
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises((BadShape, BadProof)):
        tlog_policy.open_checkpoint(note.read_utf8(bytes(raw)), LOG, [WITNESS], 1)


def cosigned_by(*names: str) -> tuple[str, list[VerifierKey]]:
    keys = [SigningKey(bytes([i + 1]) * 32) for i in range(len(names))]
    lines = [
        str(cosignature.cosign(HEAD, name, key, 7)) for name, key in zip(names, keys, strict=True)
    ]
    vkeys = [
        VerifierKey(name, note.COSIGNATURE, key.public)
        for name, key in zip(names, keys, strict=True)
    ]
    return SIGNED + "".join(lines), vkeys


@pytest.mark.parametrize("quorum", [0, 1, 2, 3])
def test_quorum_is_met_by_as_many_witnesses(quorum: int) -> None:
    signed, witnesses = cosigned_by("a", "b", "c")
    assert len(tlog_policy.open_checkpoint(signed, LOG, witnesses, quorum).cosigned) == 3
    with pytest.raises(BadProof):
        tlog_policy.open_checkpoint(signed, LOG, witnesses, 4)
    with pytest.raises(BadProof):
        tlog_policy.open_checkpoint(signed, LOG, witnesses[:quorum], quorum + 1)


def test_one_witness_line_twice_counts_once() -> None:
    with pytest.raises(BadProof):
        tlog_policy.open_checkpoint(COSIGNED + VECTORS["witness"]["line"], LOG, [WITNESS], 2)


def test_one_key_under_two_names_counts_once() -> None:
    # A cosignature/v1 does not sign its name, so one line gives the other.
    both = [WITNESS, VerifierKey("w2.example", note.COSIGNATURE, WITNESS.public)]
    again = cosignature.cosign(HEAD, "w2.example", WITNESS_KEY, VECTORS["witness"]["time"])
    with pytest.raises(BadProof):
        tlog_policy.open_checkpoint(COSIGNED + str(again), LOG, both, 2)


def test_log_key_is_no_witness_and_witness_key_is_no_log() -> None:
    with pytest.raises(BadProof):
        tlog_policy.open_checkpoint(SIGNED, LOG, [LOG], 1)
    with pytest.raises(BadProof):
        tlog_policy.open_checkpoint(COSIGNED, WITNESS)


def test_signature_of_one_kind_does_not_pass_under_a_key_of_another() -> None:
    text = str(HEAD)
    as_log = VerifierKey(LOG.name, note.COSIGNATURE, LOG_KEY.public)
    plain = note.Signature(as_log.name, as_log.key_id, LOG_KEY.sign(text.encode()))
    with pytest.raises(BadProof):
        tlog_policy.open_checkpoint(str(note.Note(text, (plain,))), as_log)
    as_witness = VerifierKey(WITNESS.name, note.ED25519, WITNESS_KEY.public)
    timed = cosignature.cosign(HEAD, WITNESS.name, WITNESS_KEY, 7)
    line = note.Signature(as_witness.name, as_witness.key_id, timed.value)
    with pytest.raises(BadProof):
        tlog_policy.open_checkpoint(SIGNED + str(line), LOG, [as_witness])


def test_leaf_data_is_the_published_one() -> None:
    one = VECTORS["leaf_data"]
    entry = leaf_data(bytes.fromhex(one["salt"]), one["at"], one["text"])
    assert entry.hex() == one["entry"]


@pytest.mark.parametrize("one", VECTORS["proofs"], ids=lambda one: str(one["text"]))
def test_proof_file_verifies_and_is_written_as_it_was_read(one: ProofFile) -> None:
    assert str(read_proof(one["proof"])) == one["proof"]
    logged = verify_proof(one["proof"], one["text"], LOG, [WITNESS], 1)
    assert (logged.index, logged.at, logged.size) == (one["index"], one["at"], 3)
    assert [cosigned.witness for cosigned in logged.cosigned] == [WITNESS]


def test_proof_of_one_text_is_none_of_another() -> None:
    for one in VECTORS["proofs"]:
        for text in ("grant", "release", "revoke", "Grant", "", "gränt"):
            if text != one["text"]:
                with pytest.raises(BadProof):
                    verify_proof(one["proof"], text, LOG)


def test_proof_without_enough_witnesses_is_refused() -> None:
    with pytest.raises(BadProof):
        verify_proof(VECTORS["proofs"][0]["proof"], "grant", LOG, [WITNESS], 2)
    with pytest.raises(BadProof):
        verify_proof(VECTORS["proofs"][0]["proof"], "grant", LOG, [], 1)


@pytest.mark.parametrize("bad", VECTORS["bad_proofs"], ids=lambda bad: str(bad["why"]))
def test_bad_proof_file_is_refused(bad: BadProofFile) -> None:
    text = VECTORS["proofs"][1]["text"]
    with pytest.raises(BadProof):
        verify_proof(bad["proof"], text, LOG, [WITNESS], 1)


@given(st.data())
def test_any_changed_bit_of_a_proof_file_is_refused(data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(VECTORS["proofs"]))
    raw = bytearray(one["proof"].encode())
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises((BadShape, BadProof)):
        verify_proof(note.read_utf8(bytes(raw)), one["text"], LOG, [WITNESS], 1)
