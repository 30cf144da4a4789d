"""Well-formed messages against a rule: the exact refusal; and the same bytes again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256

import pytest

from consent import guard
from consent.app import wall_clock
from consent.demo.cast import BANK, CITY
from consent.log.note import read_vkey
from consent.log.proof import read_proof, verify_proof
from tests.town import (
    APR,
    BLOB,
    BY_NAME,
    JWS,
    LOGGED,
    OTHER_ID,
    POSTS,
    SEALED,
    STRANGER,
    WRAP,
    Door,
    Kind,
    Letter,
    Text,
    Town,
    account_letter,
    ask_letter,
    attach_letter,
    batch_letter,
    bind_letter,
    check_body,
    check_letter,
    check_problem,
    check_refused,
    close_letter,
    directory_letter,
    each_post,
    fill,
    grant_letter,
    json_of,
    jws,
    letter,
    link_text,
    path_of,
    post,
    revoke_letter,
    rows,
    send,
    signed_by,
    token_letter,
    touched,
)
from tests.world import EAST, FEB, JAN, MAR, URL, WEST, World
from vault import dpop
from vault.crypto.keys import consent_key
from vault.crypto.seal import OVERHEAD
from vault.encoding import Json, b64u, compact_json, sign_jws, unb64u
from vault.errors import (
    Absent,
    AtomUsed,
    BadJws,
    BadShape,
    BadType,
    BeyondTemplate,
    DifferentBytes,
    Expired,
    Gap,
    LogUnavailable,
    NotClosed,
    NotFound,
    NotMinted,
    NotOffered,
    Revoked,
    TooEarly,
    TooLate,
    UnknownKey,
    WrongPurpose,
)
from vault.months import Month


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """One town for everything that leaves no trace."""
    with Town() as town:
        yield town


@pytest.fixture
def fresh() -> Iterator[Town]:
    """A town of its own for a test that changes it."""
    with Town() as town:
        yield town


# What is well-formed and against a rule


def test_a_batch_out_of_sequence_is_a_gap(town: Town) -> None:
    found = batch_letter(town)
    seq = found.plain["seq"]
    assert isinstance(seq, int)
    for skipped in (seq + 1, seq + 1000, 2**32 - 1):
        check_letter(town, found.changed(seq=skipped), Gap)


def test_other_bytes_for_a_taken_batch_are_refused(town: Town) -> None:
    check_letter(town, batch_letter(town).changed(seq=0), DifferentBytes)


@pytest.mark.parametrize("size", [0, 1, 4096, 4095 + OVERHEAD, 3 * 4096 + OVERHEAD, 2**20 + 8192])
def test_a_batch_is_padded_to_its_bucket(town: Town, size: int) -> None:
    check_letter(town, batch_letter(town).changed(sealed=b64u(bytes(size))), BadShape)


def test_tags_come_in_eights_each_once(town: Town) -> None:
    found = batch_letter(town)
    tags = [bytes([9, i]).hex() * 8 for i in range(16)]
    for listed in ([], tags[:7], tags[:9], [*tags[:7], tags[0]], tags * 300):
        check_letter(town, found.changed(tags=[*listed]), BadShape)


def test_a_close_before_its_slot_is_too_early(town: Town) -> None:
    check_letter(town, close_letter(town, MAR), TooEarly)


def test_a_close_after_its_slot_is_too_late(fresh: Town) -> None:
    fresh.move(APR)
    check_letter(fresh, close_letter(fresh, FEB), Absent)  # the vault's word for too late
    check_letter(fresh, close_letter(fresh, Month("2025-12")), TooLate)


@pytest.mark.parametrize(
    "changed",
    [
        {"methodology": "demo-2"},
        {"upto": 0},
        {"upto": -1},
        {"upto": 2},
        {"upto": 2**32 - 1},
        {"batches": bytes(32).hex()},
    ],
    ids=str,
)
def test_a_close_is_over_what_stands_here_by_the_release_in_force(
    town: Town, changed: dict[str, Json]
) -> None:
    check_letter(town, close_letter(town).changed(**changed), BadShape)


def test_other_bytes_for_a_closed_month_are_refused_and_kept_as_evidence(fresh: Town) -> None:
    second = close_letter(fresh, JAN)
    for _ in range(2):
        before = rows(fresh.database)
        check_problem(send(fresh, second), DifferentBytes)
        assert touched(fresh, before) <= {"evidence"}
    kept = fresh.database.read(lambda tx: tx.all(Text, "SELECT text FROM evidence"))
    assert [row.found.encode() for row in kept] == [second.body()]


def test_a_second_text_for_a_closed_month_under_a_wrong_signature_is_no_evidence(
    town: Town,
) -> None:
    found, door = close_letter(town, JAN), BY_NAME["cv1-close"]
    check_body(town, door, signed_by(found, STRANGER, found.key), BadJws)


def test_an_attached_link_is_not_attached_again(fresh: Town) -> None:
    found = attach_letter(fresh)
    assert send(fresh, found).status_code == 200
    check_letter(fresh, found.changed(iat=1), DifferentBytes)
    bobs = replace(found, key=fresh.key("bob"))
    door = BY_NAME["cv1-attach"]
    check_refused(fresh, lambda: post(fresh, door, bobs.body(), "bob"), DifferentBytes)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"from": "2026-04"}, TooEarly),
        ({"from": "2026-01"}, TooLate),
        ({"source": EAST}, BadShape),
        ({"link": OTHER_ID.hex()}, BadShape),
        ({"source": "nobody.demo"}, BadShape),
        ({"more": 1}, BadShape),
    ],
    ids=str,
)
def test_a_link_is_attached_with_its_sources_own_answer_in_time(
    town: Town, changed: dict[str, Json], wanted: Kind
) -> None:
    found = attach_letter(town)
    receipt = link_text(town, b"\x55" * 16, **changed)
    check_letter(town, found.changed(receipt=receipt), wanted)


def test_the_answer_inside_an_attach_is_checked_like_any_message(town: Town) -> None:
    found = attach_letter(town)
    inner = json.loads(_payload(str(found.plain["receipt"])))
    by_stranger = sign_jws("cv1-link", inner, STRANGER)
    by_platform = sign_jws("cv1-link", inner, town.key(BANK))
    head, payload, _ = str(found.plain["receipt"]).split(".")
    forged = f"{head}.{payload}.{b64u(STRANGER.sign(b'x'))}"
    cases = [
        (by_stranger, UnknownKey),
        (by_platform, UnknownKey),
        (forged, BadJws),
        ("x", BadJws),
        ("零.零.零", BadJws),
        (sign_jws("cv1-unlink", inner, town.key(WEST)), BadType),
        (found.body().decode(), BadType),
    ]
    for receipt, wanted in cases:
        check_letter(town, found.changed(receipt=receipt), wanted)


def _payload(text: str) -> bytes:
    return unb64u(text.split(".")[1])


def test_an_account_is_made_once(fresh: Town) -> None:
    found = account_letter(fresh)
    assert send(fresh, found).status_code == 200
    check_letter(fresh, found.changed(iat=1), DifferentBytes)
    check_letter(fresh, found.changed(vault="other.demo"), BadShape)


def test_a_wrap_stands_as_it_was_put(fresh: Town) -> None:
    path = f"/v1/holder/wraps/{WRAP.hex()}"
    for key, blob in ((fresh.key("ann"), b"other"), (fresh.key("bob"), BLOB)):
        check_refused(fresh, partial(fresh.knock, "PUT", path, blob, key), DifferentBytes)
    assert fresh.knock("DELETE", path, key=fresh.key("ann")).status_code == 200
    check_refused(fresh, lambda: fresh.knock("GET", f"/v1/wraps/{WRAP.hex()}"), NotFound)
    check_refused(fresh, lambda: fresh.knock("DELETE", path, key=fresh.key("ann")), NotFound)


def test_an_organisation_is_bound_once_and_a_key_to_one_account(fresh: Town) -> None:
    found = bind_letter(fresh)
    check_letter(fresh, found.changed(org="nobody.demo"), UnknownKey)
    check_letter(fresh, found.changed(org=CITY), DifferentBytes)
    taken = consent_key(fresh.ann.root, CITY).public
    check_letter(fresh, found.changed(pk=b64u(taken)), DifferentBytes)
    assert send(fresh, found).status_code == 200
    check_letter(fresh, found.changed(pk=b64u(STRANGER.public)), DifferentBytes)
    door, bobs = BY_NAME["cv1-bind"], replace(found, key=fresh.key("bob"))
    check_refused(fresh, lambda: post(fresh, door, bobs.body(), "bob"), DifferentBytes)


@pytest.mark.parametrize(
    ("changed", "member"),
    [
        ({"template": "NO-SUCH-TEMPLATE"}, "template"),
        ({"template": "GREEN-LOAN-RATE"}, "platform"),
        ({"purposes": ["PersonalisedBenefits"]}, "purposes"),
        ({"purposes": ["DirectMarketing", "PublicBenefit"]}, "purposes"),
        ({"categories": [1, 2, 3, 4, 5]}, "categories"),
        ({"first": "2026-04", "last": "2026-06", "step": 3}, "step"),
        ({"first": "2025-02"}, "first"),
        ({"last": "2027-04"}, "last"),
        ({"until": 1785513601}, "until"),
        ({"show_sources": True}, "show_sources"),
        ({"data_life_days": 181}, "data_life_days"),
    ],
    ids=str,
)
def test_a_grant_beyond_its_template_names_the_member(
    town: Town, changed: dict[str, Json], member: str
) -> None:
    found = grant_letter(town).changed(**changed)
    check_letter(town, found, BeyondTemplate)
    assert send(town, found).json()["detail"].startswith(f"{member}:")


@pytest.mark.parametrize(
    "changed",
    [{"mode": "cohort"}, {"exclusive": True}],
    ids=str,
)
def test_what_this_vault_does_not_offer_is_said(town: Town, changed: dict[str, Json]) -> None:
    check_letter(town, grant_letter(town).changed(**changed), NotOffered)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"org": BANK}, UnknownKey),
        ({"platform": BANK}, UnknownKey),
        ({"platform": "nobody.demo"}, NotFound),
        ({"notice": {"sha256": "00" * 32, "locale": "en"}}, BadShape),
        ({"notice": {"sha256": "00" * 32, "locale": "fr"}}, BadShape),
        ({"purposes": []}, BadShape),
        ({"categories": []}, BadShape),
        ({"categories": [4, 1]}, BadShape),
        ({"categories": [4, 4]}, BadShape),
        ({"categories": [8]}, BadShape),
        ({"first": "2026-06"}, BadShape),
        ({"last": "2026-13"}, BadShape),
        ({"step": 2}, BadShape),
        ({"type": "carbon_total"}, BadShape),
        ({"until": 0}, Expired),
    ],
    ids=str,
)
def test_a_grant_is_what_the_person_read_and_for_one_platform(
    town: Town, changed: dict[str, Json], wanted: Kind
) -> None:
    found = grant_letter(town).changed(**changed)
    if wanted is Expired:
        found = grant_letter(town, first=JAN, last=JAN, until=town.time)
    check_letter(town, found, wanted)


def test_a_grants_id_is_given_once(fresh: Town) -> None:
    found = grant_letter(fresh)
    assert send(fresh, found).status_code == 200
    check_letter(fresh, found.changed(iat=1), DifferentBytes)


def test_a_used_atom_is_refused(town: Town) -> None:
    found = token_letter(town).changed(
        grant=town.granted.grant.hex(),
        window=["2026-02"],
        cells=[[town.anns.hex(), ["2026-02"]]],
    )
    check_letter(town, found, AtomUsed)


def test_a_window_that_overlaps_by_one_atom_is_refused_whole(fresh: Town) -> None:
    overlapping = grant_letter(fresh, first=MAR, last=MAR, categories=(2, 4))
    assert send(fresh, overlapping).status_code == 200
    found = token_letter(fresh).changed(
        grant=overlapping.plain["grant"],
        window=["2026-03"],
        cells=[[fresh.anns.hex(), ["2026-03"]]],
    )
    check_letter(fresh, found, AtomUsed)


def test_a_sealed_that_is_not_its_tokens_is_refused(town: Town) -> None:
    door, found = BY_NAME["cv1-token"], token_letter(town)
    token = json.loads(found.body())["token"]
    for sealed in (b"", b"t" * 112, SEALED + b"s", SEALED[:-1]):
        body = compact_json({"token": token, "sealed": b64u(sealed)})
        check_body(town, door, body, DifferentBytes)
    short = found.changed(sealed=sha256(b"short").hexdigest())
    text = json.loads(short.body())["token"]
    body = compact_json({"token": text, "sealed": b64u(b"short")})
    check_body(town, door, body, DifferentBytes)


@pytest.mark.parametrize("window", [["2026-03"], ["2026-04", "2026-05"], ["2026-06"]], ids=str)
def test_a_token_is_for_a_window_of_its_grant(town: Town, window: list[Json]) -> None:
    found = token_letter(town)
    check_letter(town, found.changed(window=window), BadShape)


@pytest.mark.parametrize(
    "months", [[], ["2026-05"], ["2026-04", "2026-05"], ["2026-04", "2026-04"]], ids=str
)
def test_the_cells_of_a_token_lie_in_its_window(town: Town, months: list[Json]) -> None:
    found = token_letter(town).changed(cells=[[town.anns.hex(), months]])
    check_letter(town, found, BadShape)


def test_the_cells_of_a_token_are_sorted_and_not_none(town: Town) -> None:
    found = token_letter(town)
    cells = found.plain["cells"]
    assert isinstance(cells, list)
    for listed in ([], cells[::-1], [cells[0], cells[0]]):
        check_letter(town, found.changed(cells=[*listed]), BadShape)


def test_a_token_is_made_a_year_ahead_and_no_earlier(
    fresh: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Month("2027-03")
    given = grant_letter(fresh, first=far, last=far)
    assert send(fresh, given).status_code == 200
    found = token_letter(fresh).changed(
        grant=given.plain["grant"], window=[far], cells=[[fresh.anns.hex(), [far]]]
    )
    # No template lets a grant reach further: one month less stands for it.
    with monkeypatch.context() as patched:
        patched.setattr(guard, "AHEAD_LIMIT", 11)
        check_letter(fresh, found, TooEarly)
    assert send(fresh, found).status_code == 200


def test_what_an_ask_lacks_is_said_and_not_logged(town: Town) -> None:
    ask = ask_letter(town)
    check_letter(town, ask.changed(window=["2026-02"]), NotClosed)
    check_letter(town, ask.changed(grant=town.unminted.grant.hex(), window=["2026-04"]), NotMinted)
    check_letter(town, ask.changed(window=["2026-01", "2026-02"]), BadShape)
    check_letter(town, ask.changed(window=["2026-04"]), BadShape)
    check_letter(town, ask.changed(purpose="x" * 81), BadShape)


def check_refusal_logged(town: Town, found: Letter, wanted: Kind) -> None:
    """Check that an ask is refused with one logged refusal, once however often it is asked."""
    before = rows(town.database)
    check_problem(send(town, found), wanted)
    assert touched(town, before) == LOGGED
    check_letter(town, found, wanted)


def test_an_ask_beyond_the_consent_is_refused_and_the_refusal_logged_once(fresh: Town) -> None:
    ask = ask_letter(fresh)
    check_refusal_logged(fresh, ask.changed(purpose="PersonalisedBenefits"), WrongPurpose)
    check_letter(fresh, ask.changed(purpose="零" * 80), WrongPurpose)
    assert send(fresh, revoke_letter(fresh)).status_code == 200
    check_refusal_logged(fresh, ask, Revoked)


def test_after_until_nothing_is_asked_or_minted(fresh: Town) -> None:
    ask = ask_letter(fresh)
    fresh.time = fresh.unminted.until
    fresh.catch_up()
    check_refusal_logged(fresh, ask, Expired)
    check_letter(fresh, token_letter(fresh), Expired)


def test_a_stopped_grant_stays_stopped(fresh: Town) -> None:
    stop = revoke_letter(fresh)
    for n in (2, 3, 2**53 - 1):
        check_letter(fresh, stop.changed(n=n), BadShape)
    check_letter(fresh, stop.changed(grant=fresh.unminted.grant.hex()), BadShape)
    assert send(fresh, stop).status_code == 200
    for n in (1, 2, 3):
        check_letter(fresh, stop.changed(n=n, iat=1), Revoked)
    left = fresh.database.read(
        lambda tx: tx.all(Text, "SELECT hex(grant_id) FROM tokens WHERE sealed IS NOT NULL")
    )
    assert fresh.granted.grant.hex().upper() not in {row.found for row in left}


def test_no_token_is_made_for_a_stopped_grant(fresh: Town) -> None:
    found = token_letter(fresh)
    stop = revoke_letter(fresh).changed(grant=fresh.unminted.grant.hex())
    path = f"/v1/holder/grants/{fresh.unminted.grant.hex()}/status"
    assert fresh.knock("POST", path, stop.body(), fresh.key("ann")).status_code == 200
    check_letter(fresh, found, Revoked)


def test_the_next_directory_follows_the_last_and_names_this_vault(town: Town) -> None:
    found = directory_letter(town)
    version = found.plain["version"]
    assert isinstance(version, int)
    check_letter(town, found.changed(version=version - 1), DifferentBytes)
    check_letter(town, found.changed(version=1), DifferentBytes)
    check_letter(town, found.changed(version=version + 1), BadShape)
    check_letter(town, found.changed(prev="00" * 32), BadShape)
    check_letter(town, found.changed(vault=BANK), BadShape)
    check_letter(town, found.changed(vault="nobody.demo"), BadShape)
    check_letter(town, found.changed(zone="Asia/Atlantis"), BadShape)
    entries = found.plain["entries"]
    assert isinstance(entries, list)
    check_letter(town, found.changed(entries=[*entries, entries[1]]), BadShape)
    check_letter(town, found.changed(entries=entries[1:]), BadShape)
    other_key = fill(found.plain, ("entries", 0, "sig", 0, "pk"), json_of(b64u(STRANGER.public)))
    check_body(town, BY_NAME["cv1-directory"], found.body(other_key), BadShape)


def test_without_a_directory_every_door_that_needs_one_says_so() -> None:
    with Town() as town:
        empty = World(seed=b"empty")
        with empty.client:
            for door in POSTS:
                if door.takes != "cv1-directory":
                    body, key = letter(town, door).body(), town.key(door.by)
                    request = dpop.Request(door.method, URL + path_of(town, door), body)
                    proof = dpop.prove(key, request, wall_clock(), town.random(16))
                    before = rows(empty.database)
                    reply = empty.client.request(
                        door.method, path_of(town, door), content=body, headers={"DPoP": proof}
                    )
                    check_problem(reply, LogUnavailable)
                    assert rows(empty.database) == before
            check_problem(empty.client.get("/v1/directory"), LogUnavailable)


# The same bytes again


@each_post
def test_the_same_bytes_again_get_the_stored_answer(fresh: Town, door: Door) -> None:
    found = letter(fresh, door)
    body = found.body()
    first = post(fresh, door, body).json()
    fresh.time += 3600
    fresh.catch_up()  # the town's requests run out
    before = rows(fresh.database)
    again = post(fresh, door, body)
    assert again.status_code == 200
    assert touched(fresh, before) == set()
    assert answer_of(again.json()) == answer_of(first)


def answer_of(found: dict[str, str]) -> dict[str, object]:
    """Return an answer with the entry that its proof is about, in whatever tree.

    The seconds that a request has left are told anew each time.
    """
    proof = read_proof(found["proof"]) if "proof" in found else None
    place = (proof.index, proof.at, proof.salt) if proof else None
    return {**found, "proof": place, "expires_in": None}


def test_the_same_wrap_again_changes_nothing(town: Town) -> None:
    before = rows(town.database)
    path = f"/v1/holder/wraps/{WRAP.hex()}"
    assert town.knock("PUT", path, BLOB, town.key("ann")).status_code == 200
    assert touched(town, before) == set()


def test_what_was_logged_is_proved_again_with_a_proof_that_verifies(fresh: Town) -> None:
    for door in JWS:
        found = letter(fresh, door)
        for _ in range(2):
            reply = post(fresh, door, found.body()).json()
            if "proof" in reply:
                text = jws(found.typ, compact_json(found.plain), found.key)
                verify_proof(reply["proof"], text, read_vkey(fresh.log_vkey))
