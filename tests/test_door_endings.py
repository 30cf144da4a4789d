"""What ends at the doors: links, months, grants, wraps and people; and the windows made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import httpx2
import pytest

from consent import erasure
from consent.demo.cast import BANK, CITY, VAULT
from consent.messages import Erased
from tests.town import (
    APR,
    BLOB,
    BY_NAME,
    LETTERS,
    LOGGED,
    OTHER_ID,
    SOURCE_UNLINK,
    STATUS,
    WRAP,
    Letter,
    Text,
    Town,
    ask_letter,
    batch_letter,
    bind_letter,
    check_letter,
    check_problem,
    check_refused,
    close_letter,
    erase_letter,
    grant_letter,
    link_of,
    pause_letter,
    post,
    reject_letter,
    resume_letter,
    revoke_letter,
    rows,
    send,
    source_unlink_letter,
    token_letter,
    touched,
    unlink_letter,
)
from tests.world import EAST, FEB, JAN, MAR, WEST, terms
from vault.calls import Service
from vault.crypto.keys import account_key, consent_key
from vault.encoding import Json, b64u, read_envelope, text_hash, thumbprint, unb64u
from vault.errors import (
    Absent,
    AtomUsed,
    BadShape,
    BeyondTemplate,
    DifferentBytes,
    NotFound,
    Paused,
    Revoked,
    UnknownKey,
    Unlinked,
)
from vault.messages import AbsentMonth
from vault.months import Month
from vault.storage.database import Transaction

SECOND, THIRD = b"\x67" * 16, b"\x68" * 16


@pytest.fixture
def town() -> Iterator[Town]:
    """A town of its own for each test: nearly all of them change it."""
    with Town() as town:
        yield town


def source_of(town: Town, link: bytes) -> str:
    return EAST if link in (town.anns, town.cid.links[EAST], town.dan.links[EAST]) else WEST


def post_as_source(town: Town, found: Letter, link: bytes) -> httpx2.Response:
    return post(town, BY_NAME[found.typ], found.body(), source_of(town, link))


def asked(town: Town, month: Month, grant: bytes = b"") -> Letter:
    return ask_letter(town).changed(window=[month], grant=(grant or town.granted.grant).hex())


def token_for(town: Town, month: Month, *links: bytes, grant: bytes = b"") -> Letter:
    """Return a token of a month over these links; without any, over all of Ann's."""
    cells: list[Json] = [[link.hex(), [month]] for link in sorted(links or town.ann.links.values())]
    return token_letter(town).changed(
        grant=(grant or town.granted.grant).hex(), window=[month], cells=cells
    )


def second_grant(town: Town, grant: bytes = SECOND, **changed: Json) -> Letter:
    """Return a grant over the windows that the city has tokens for already."""
    return grant_letter(town, first=JAN, last=MAR).changed(grant=grant.hex(), **changed)


def anns_reject(town: Town) -> Letter:
    """Return Ann's reject of her close of January at EAST."""
    (close,) = town.knock(
        "GET", f"/v1/holder/links/{town.anns.hex()}/closes", key=town.key("ann")
    ).json()["closes"]
    found = reject_letter(town).changed(close=text_hash(close["close"]).hex())
    return replace(found, key=town.key("ann"))


def send_anns_reject(town: Town) -> httpx2.Response:
    path = f"/v1/holder/links/{town.anns.hex()}/reject"
    return town.knock("POST", path, anns_reject(town).body(), town.key("ann"))


def count(town: Town, sql: str, *values: bytes) -> int:
    found = town.database.read(lambda tx: tx.all(Text, sql, *values))
    return len(found)


# Links that have ended


@pytest.mark.parametrize("name", ["cv1-unlink", SOURCE_UNLINK])
def test_a_link_that_has_ended_takes_only_closes_of_months_before(town: Town, name: str) -> None:
    link = link_of(town, BY_NAME[name])
    taken = batch_letter(town, link)
    first = post_as_source(town, taken, link)
    assert first.status_code == 200
    assert send(town, LETTERS[name](town)).status_code == 200
    for found in (batch_letter(town, link), close_letter(town, MAR, link)):
        check_refused(town, partial(post_as_source, town, found, link), Unlinked)
    before = rows(town.database)
    assert post_as_source(town, taken, link).json() == first.json()
    assert touched(town, before) == set()
    assert post_as_source(town, close_letter(town, FEB, link), link).status_code == 200
    state = town.knock("GET", f"/v1/links/{link.hex()}", key=town.key(source_of(town, link)))
    assert state.json()["state"] == "unlinked"


@pytest.mark.parametrize("name", ["cv1-unlink", SOURCE_UNLINK])
def test_a_link_ends_once_whoever_ended_it(town: Town, name: str) -> None:
    link = town.cid.links[EAST]
    path = f"/v1/holder/links/{link.hex()}/unlink"
    by_holder = unlink_letter(town).changed(link=link.hex())
    by_source = source_unlink_letter(town)
    if name == SOURCE_UNLINK:
        assert send(town, by_source).status_code == 200
    else:
        sent = town.knock("POST", path, by_holder.body(), town.key("cid"))
        assert sent.status_code == 200
    check_letter(town, by_source.changed(iat=1), Unlinked)
    body = by_holder.changed(iat=1).body()
    check_refused(town, lambda: town.knock("POST", path, body, town.key("cid")), Unlinked)


def test_an_unlink_is_about_the_link_of_its_address(town: Town) -> None:
    check_letter(town, unlink_letter(town).changed(link=town.cid.links[EAST].hex()), BadShape)
    for other in (town.anns, town.cid.links[WEST]):
        check_letter(town, source_unlink_letter(town).changed(link=other.hex()), BadShape)


def test_the_holder_is_shown_what_ended_their_link(town: Town) -> None:
    found = source_unlink_letter(town)
    send(town, found)
    link = town.cid.links[EAST]
    path = f"/v1/holder/links/{link.hex()}/closes"
    (shown,) = town.knock("GET", path, key=town.key("cid")).json()["absents"]
    assert shown["text"].encode() == found.body()
    states = town.knock("GET", "/v1/holder/links", key=town.key("cid")).json()["links"]
    assert {row["state"] for row in states if row["link"] == link.hex()} == {"unlinked"}
    assert {row["state"] for row in states if row["link"] != link.hex()} == {"attached"}


# Months without a figure


def test_a_late_close_gets_the_vaults_signed_word(town: Town) -> None:
    town.move(APR)
    late = close_letter(town, FEB)
    check_letter(town, late, Absent)
    told = send(town, late).json()["statement"]
    word = AbsentMonth.verified(told, lambda _: town.key(VAULT).public)
    assert (word.link, word.month) == (town.anns, FEB)
    path = f"/v1/links/{town.anns.hex()}"
    assert town.knock("GET", path, key=town.key(EAST)).json()["absents"] == [told]
    assert post(town, BY_NAME["cv1-close"], late.body(), WEST).status_code == 404
    check_problem(send(town, close_letter(town, JAN)), DifferentBytes)
    assert send(town, close_letter(town, MAR)).status_code == 200


def test_a_platform_is_not_told_which_source_has_no_figure(town: Town) -> None:
    west = town.ann.links[WEST]
    assert post_as_source(town, close_letter(town, FEB, west), west).status_code == 200
    town.move(APR)
    ask = asked(town, FEB)
    check_letter(town, ask, Absent)
    assert "statement" not in send(town, ask).json()
    assert send(town, asked(town, JAN)).status_code == 200


def test_a_token_is_made_again_without_the_absent_cells_and_no_other(town: Town) -> None:
    west = town.ann.links[WEST]
    post_as_source(town, close_letter(town, FEB, west), west)
    town.move(APR)
    check_letter(town, token_for(town, FEB), Absent)
    told = send(town, token_for(town, FEB)).json()["statement"]
    assert read_envelope(told, "cv1-absent").kid == thumbprint(town.key(VAULT).public)
    before = rows(town.database)
    assert send(town, token_for(town, FEB, west)).status_code == 200
    assert touched(town, before) <= {"tokens", "windows", *LOGGED}
    before = rows(town.database)
    # The letter's sealed bytes are no token at all: only its platform could tell.
    assert send(town, asked(town, FEB)).status_code == 200
    assert touched(town, before) <= {"releases", "windows", *LOGGED}


def test_a_window_is_never_made_again_with_other_cells(town: Town) -> None:
    for links in ((town.anns,), (town.ann.links[WEST],)):
        check_letter(town, token_for(town, JAN, *links), AtomUsed)
    assert send_anns_reject(town).status_code == 200
    check_letter(town, token_for(town, JAN, town.anns), Absent)
    check_letter(town, token_for(town, JAN), Absent)
    assert "statement" not in send(town, token_for(town, JAN)).json()
    assert send(town, token_for(town, JAN, town.ann.links[WEST])).status_code == 200


def test_a_released_window_is_not_made_smaller_and_stays_released(town: Town) -> None:
    ask = asked(town, JAN)
    first = send(town, ask).json()
    assert send_anns_reject(town).status_code == 200
    check_letter(town, token_for(town, JAN, town.ann.links[WEST]), AtomUsed)
    check_letter(town, token_for(town, JAN), Absent)
    again = send(town, ask).json()
    assert (again["release"], again["sealed"]) == (first["release"], first["sealed"])


def test_a_reject_is_of_a_close_of_the_link_of_its_address(town: Town) -> None:
    found = reject_letter(town)
    check_letter(town, found.changed(close=bytes(32).hex()), NotFound)
    anns = anns_reject(town)
    check_letter(town, found.changed(close=anns.plain["close"]), NotFound)
    path = f"/v1/holder/links/{town.cid.links[WEST].hex()}/reject"
    check_refused(town, lambda: town.knock("POST", path, found.body(), town.key("cid")), NotFound)
    assert send(town, found).status_code == 200
    check_letter(town, found.changed(iat=1), DifferentBytes)
    link = f"/v1/links/{town.cid.links[EAST].hex()}"
    rejects = town.knock("GET", link, key=town.key(EAST)).json()["rejects"]
    assert [text.encode() for text in rejects] == [found.body()]


def test_the_source_of_a_rejected_close_still_gets_its_receipt(town: Town) -> None:
    def texts(tx: Transaction) -> list[Text]:
        return tx.all(Text, "SELECT text FROM closes WHERE link = ?", town.cid.links[EAST])

    (close,) = town.database.read(texts)
    door = BY_NAME["cv1-close"]
    first = post(town, door, close.found.encode()).json()["receipt"]
    send(town, reject_letter(town))
    before = rows(town.database)
    assert post(town, door, close.found.encode()).json()["receipt"] == first
    assert touched(town, before) == set()


# Windows made again


def test_the_same_window_under_a_second_grant_uses_no_atom(town: Town) -> None:
    assert send(town, second_grant(town)).status_code == 200
    before = rows(town.database)
    assert send(town, token_for(town, JAN, grant=SECOND)).status_code == 200
    assert touched(town, before) <= {"tokens", "windows", *LOGGED}
    assert send(town, asked(town, JAN, SECOND)).status_code == 200
    assert send(town, asked(town, JAN)).status_code == 200


def test_the_same_window_under_a_second_grant_has_the_same_cells(town: Town) -> None:
    send(town, second_grant(town))
    for link in town.ann.links.values():
        check_letter(town, token_for(town, JAN, link, grant=SECOND), AtomUsed)
    bobs = town.bob.links[EAST]
    check_letter(town, token_for(town, JAN, town.anns, bobs, grant=SECOND), NotFound)


def test_a_token_for_the_same_window_takes_the_place_of_the_last(town: Town) -> None:
    again = token_for(town, JAN)
    assert send(town, again).status_code == 200
    found = send(town, asked(town, JAN)).json()
    named = json.loads(read_payload(found["release"]))["token"]
    assert named == text_hash(json.loads(again.body())["token"]).hex()
    texts = town.knock("GET", "/v1/holder/tokens", key=town.key("ann")).json()["tokens"]
    windows = [json.loads(read_payload(row["token"]))["window"] for row in texts]
    assert windows.count([JAN]) == 1


def read_payload(text: str) -> bytes:
    return unb64u(text.split(".")[1])


# Pause, resume, replace


def test_a_paused_grant_releases_and_mints_nothing_until_it_goes_on(town: Town) -> None:
    ask = asked(town, JAN)
    token = token_for(town, JAN)
    assert send(town, pause_letter(town)).status_code == 200
    before = rows(town.database)
    check_problem(send(town, ask), Paused)
    assert touched(town, before) == LOGGED
    check_letter(town, ask, Paused)
    check_letter(town, token, Paused)
    assert send(town, resume_letter(town)).status_code == 200
    assert send(town, ask).status_code == 200
    assert send(town, token).status_code == 200


def test_the_n_of_pause_resume_and_stop_rises_over_all_three(town: Town) -> None:
    for step, kind in enumerate((pause_letter, resume_letter, pause_letter, revoke_letter), 1):
        found = kind(town)
        assert found.plain["n"] == step
        for n in (step - 1, step + 1, step + 2):
            check_letter(town, found.changed(n=n), BadShape)
        assert send(town, found).status_code == 200
    for kind in (pause_letter, resume_letter, revoke_letter):
        check_letter(town, kind(town), Revoked)


def test_a_replayed_resume_changes_nothing(town: Town) -> None:
    """Property 14."""
    send(town, pause_letter(town))
    resume = resume_letter(town)
    send(town, resume)
    send(town, pause_letter(town))
    before = rows(town.database)
    assert send(town, resume).status_code == 200  # the stored answer
    assert touched(town, before) == set()
    check_problem(send(town, asked(town, JAN)), Paused)


def test_a_pause_keeps_the_sealed_tokens_and_a_stop_deletes_them(town: Town) -> None:
    sql = "SELECT months FROM tokens WHERE grant_id = ? AND sealed IS NOT NULL"
    kept = count(town, sql, town.granted.grant)
    send(town, pause_letter(town))
    assert count(town, sql, town.granted.grant) == kept > 0
    send(town, revoke_letter(town))
    assert count(town, sql, town.granted.grant) == 0


@pytest.mark.parametrize("paused", [False, True])
def test_a_grant_that_replaces_ends_the_other_in_the_same_step(town: Town, paused: bool) -> None:
    if paused:
        send(town, pause_letter(town))
    old = town.granted.grant
    change = pause_letter(town)
    assert send(town, second_grant(town, replaces=old.hex())).status_code == 200
    grants = town.knock("GET", "/v1/holder/grants", key=town.key("ann")).json()["grants"]
    states = {json.loads(read_payload(row["grant"]))["grant"]: row["state"] for row in grants}
    assert (states[old.hex()], states[SECOND.hex()]) == ("replaced", "live")
    shown = town.knock("GET", f"/v1/grants/{old.hex()}", key=town.key(CITY)).json()
    assert shown["state"] == "replaced"
    assert not count(town, "SELECT months FROM tokens WHERE grant_id = ? AND sealed NOT NULL", old)
    before = rows(town.database)
    check_problem(send(town, asked(town, JAN)), Revoked)
    assert touched(town, before) == LOGGED
    check_letter(town, token_for(town, JAN), Revoked)
    check_letter(town, change, Revoked)
    assert send(town, token_for(town, JAN, grant=SECOND)).status_code == 200
    assert send(town, asked(town, JAN, SECOND)).status_code == 200


def test_only_an_own_grant_to_the_same_organisation_that_goes_on_is_replaced(town: Town) -> None:
    for other in (OTHER_ID, dans_grant(town)):
        check_letter(town, second_grant(town, replaces=other.hex()), NotFound)
    check_letter(town, second_grant(town, replaces=SECOND.hex()), BadShape)
    to_bank = town.ann.holder.allow(terms(BANK), "en")
    check_letter(town, second_grant(town, replaces=to_bank.grant.hex()), BadShape)
    assert send(town, revoke_letter(town)).status_code == 200
    check_letter(town, second_grant(town, replaces=town.granted.grant.hex()), Revoked)
    unminted = town.unminted.grant.hex()
    assert send(town, second_grant(town, replaces=unminted)).status_code == 200
    check_letter(town, second_grant(town, THIRD, replaces=unminted), Revoked)


def test_a_grant_that_is_refused_ends_no_other(town: Town) -> None:
    found = second_grant(town, replaces=town.granted.grant.hex())
    taken = found.changed(grant=town.unminted.grant.hex())
    check_letter(town, taken, DifferentBytes)
    check_letter(town, found.changed(step=3), BeyondTemplate)
    assert send(town, asked(town, JAN)).status_code == 200


def dans_grant(town: Town) -> bytes:
    (own,) = town.dan.holder.grants()
    return own.grant.grant


# Wraps


def wraps_of(town: Town, name: str) -> dict[str, int | None]:
    found = town.knock("GET", "/v1/holder/wraps", key=town.key(name)).json()["wraps"]
    return {row["wrap"]: row["until"] for row in found}


def put_wrap(town: Town, wrap: bytes, life: int | None, blob: bytes = BLOB) -> httpx2.Response:
    query = "" if life is None else f"?life={life}"
    return town.knock("PUT", f"/v1/holder/wraps/{wrap.hex()}{query}", blob, town.key("ann"))


@pytest.mark.parametrize("life", [60, 600, 86400])
def test_a_wrap_with_a_life_ends_by_itself(town: Town, life: int) -> None:
    assert put_wrap(town, OTHER_ID, life).status_code == 200
    assert wraps_of(town, "ann") == {WRAP.hex(): None, OTHER_ID.hex(): town.time + life}
    town.time += life - 1
    assert town.knock("GET", f"/v1/wraps/{OTHER_ID.hex()}").status_code == 200
    town.time += 1
    check_refused(town, lambda: town.knock("GET", f"/v1/wraps/{OTHER_ID.hex()}"), NotFound)
    assert town.knock("GET", f"/v1/wraps/{WRAP.hex()}").status_code == 200
    assert put_wrap(town, SECOND, None).status_code == 200
    assert wraps_of(town, "ann") == {WRAP.hex(): None, SECOND.hex(): None}


def test_the_same_wrap_again_lives_as_it_was_put_last(town: Town) -> None:
    put_wrap(town, OTHER_ID, 60)
    town.time += 30
    assert put_wrap(town, OTHER_ID, 600).status_code == 200
    assert wraps_of(town, "ann")[OTHER_ID.hex()] == town.time + 600
    assert put_wrap(town, OTHER_ID, None).status_code == 200
    assert wraps_of(town, "ann")[OTHER_ID.hex()] is None
    check_refused(town, lambda: put_wrap(town, OTHER_ID, 60, b"other"), DifferentBytes)


def test_a_person_sees_their_own_wraps_only(town: Town) -> None:
    assert wraps_of(town, "bob") == {}
    assert len(wraps_of(town, "dan")) == 1
    assert set(wraps_of(town, "ann")) == {WRAP.hex()}


# Releases, as their person sees them


def test_a_person_sees_every_release_of_their_grants_and_nobody_elses(town: Town) -> None:
    released = send(town, asked(town, JAN)).json()["release"]
    send(town, revoke_letter(town))
    shown = town.knock("GET", "/v1/holder/releases", key=town.key("ann")).json()["releases"]
    assert [row["release"] for row in shown] == [released]
    for name in ("bob", "stranger", CITY):
        found = town.knock("GET", "/v1/holder/releases", key=town.key(name)).json()
        assert found == {"releases": []}


# People who leave


def cells(town: Town) -> Iterator[str]:
    """Yield every value of every row, and what is inside every message."""

    def work(tx: Transaction) -> list[str]:
        tables = tx.all(Text, "SELECT name FROM sqlite_master WHERE type = 'table'")
        return [
            row.found
            for (table,) in tables
            for (column,) in tx.all(Text, "SELECT name FROM pragma_table_info(?)", table)
            for row in tx.all(Text, f'SELECT quote("{column}") FROM {table}')
        ]

    for found in town.database.read(work):
        text = found.strip("'")
        yield text.lower() if found.startswith("X'") else text
        if text.startswith("eyJ"):
            yield from (unb64u(part).decode() for part in text.split(".")[:2])


def names_of_dan(town: Town) -> set[str]:
    grant, link = dans_grant(town), town.dan.links[EAST]
    consent = consent_key(town.dan.root, CITY).public
    return {
        town.dan.holder.account,
        *(name.hex() for name in (grant, link, consent)),
        thumbprint(consent),
        *wraps_of(town, "dan"),
    }


def test_of_an_erased_person_only_the_erase_itself_is_left(town: Town) -> None:
    names = names_of_dan(town)
    before = list(cells(town))
    assert all(any(name in cell for cell in before) for name in names)
    tags = count(town, "SELECT hex(tag) FROM tags")
    found = erase_letter(town)
    assert send(town, found).status_code == 200
    erase = found.body().decode()
    # The account's id is the thumbprint of the key in the erase: kept, so that it is final.
    account = town.dan.holder.account
    allowed = {erase, account, *(unb64u(part).decode() for part in erase.split(".")[:2])}
    left = [cell for cell in cells(town) if any(name in cell for name in names)]
    assert set(left) <= allowed
    assert count(town, "SELECT hex(tag) FROM tags") == tags
    assert count(town, "SELECT account FROM erasures") == 0


def test_what_is_erased_is_proved_and_names_that_persons_entries(town: Town) -> None:
    path = "/v1/holder/entries"
    entries = town.knock("GET", path, key=town.key("dan")).json()["entries"]
    answer = send(town, erase_letter(town)).json()
    erased = Erased.verified(answer["erased"], lambda _: town.key(VAULT).public)
    assert list(erased.indexes) == [entry["index"] for entry in entries]
    assert erased.erase == text_hash(erase_letter(town).body().decode())
    assert town.auditor_with({}).audit().findings == []


def test_the_others_keep_everything_when_a_person_leaves(town: Town) -> None:
    paths = ["state", "links", "grants", "tokens", "entries", "wraps", "releases"]

    def shown() -> list[object]:
        bodies = [
            town.knock("GET", f"/v1/holder/{path}", key=town.key(name)).json()
            for name in ("ann", "bob", "cid")
            for path in paths
        ]
        for entry in (entry for body in bodies for entry in body.get("entries", ())):
            assert entry.pop("proof")  # the log has grown, and so has the tree it is proved in
        return bodies

    before = shown()
    send(town, erase_letter(town))
    assert shown() == before
    assert send(town, asked(town, JAN)).status_code == 200


def test_an_erased_person_is_unknown_at_every_door(town: Town) -> None:
    grant, link, dan = dans_grant(town), town.dan.links[EAST], town.key("dan")
    batch, close = batch_letter(town, link), close_letter(town, FEB, link)
    ask, pause = asked(town, JAN, grant), pause_letter(town)
    (wrap,) = wraps_of(town, "dan")
    send(town, erase_letter(town))
    for found in (batch, close, ask):
        check_letter(town, found, NotFound)
    refused = [
        ("GET", f"/v1/links/{link.hex()}", b"", town.key(EAST), NotFound),
        ("POST", f"/v1/links/{link.hex()}/unlink", b"", town.key(EAST), NotFound),
        ("GET", f"/v1/grants/{grant.hex()}", b"", town.key(CITY), NotFound),
        ("GET", f"/v1/wraps/{wrap}", b"", None, NotFound),
        ("GET", f"/v1/holder/links/{link.hex()}/batches", b"", dan, NotFound),
        ("POST", f"/v1/holder/links/{link.hex()}/unlink", b"", dan, NotFound),
        ("POST", STATUS.replace("{grant}", grant.hex()), pause.body(), dan, NotFound),
        ("GET", "/v1/holder/state", b"", dan, UnknownKey),
        ("PUT", f"/v1/holder/wraps/{wrap}", BLOB, dan, UnknownKey),
        ("DELETE", f"/v1/holder/wraps/{wrap}", b"", dan, NotFound),
    ]
    for method, path, body, key, wanted in refused:
        check_refused(town, partial(town.knock, method, path, body, key), wanted)
    for name in ("links", "grants", "tokens", "entries", "wraps", "releases"):
        answer = town.knock("GET", f"/v1/holder/{name}", key=dan).json()
        assert {name: [], "next": None} | answer == {name: [], "next": None}


def test_the_same_erase_again_gets_the_stored_answer_and_another_one_nothing(town: Town) -> None:
    found = erase_letter(town)
    first = send(town, found).json()
    before = rows(town.database)
    again = send(town, found).json()
    assert again["erased"] == first["erased"]
    assert touched(town, before) == set()
    check_letter(town, found.changed(iat=1), UnknownKey)
    door = BY_NAME["cv1-erase"]
    check_refused(town, lambda: post(town, door, found.body(), "bob"), UnknownKey)


def test_a_second_erase_while_the_first_is_not_finished_is_refused(town: Town) -> None:
    found, account = erase_letter(town), town.dan.holder.account
    operator = service_of(town).operator
    town.database.write(lambda tx: erasure.begin(tx, operator, account, found.body().decode()))
    check_letter(town, found.changed(iat=1), UnknownKey)
    assert send(town, found).status_code == 200  # finishes it


def test_between_erase_and_erased_nothing_of_the_account_is_taken(town: Town) -> None:
    """What came in there would lose its text, and stand after the erase: a finding."""
    found, account, dan = erase_letter(town), town.dan.holder.account, town.key("dan")
    link, pk = town.dan.links[EAST], b64u(consent_key(town.dan.root, BANK).public)
    batch, close = batch_letter(town, link), close_letter(town, FEB, link)
    bind = replace(bind_letter(town).changed(pk=pk), key=dan)
    operator = service_of(town).operator
    town.database.write(lambda tx: erasure.begin(tx, operator, account, found.body().decode()))
    for letter in (batch, close):
        check_letter(town, letter, NotFound)
    check_refused(town, partial(post, town, BY_NAME["cv1-bind"], bind.body(), "dan"), UnknownKey)
    assert send(town, found).status_code == 200
    assert town.auditor().audit().findings == []


def service_of(town: Town) -> Service:
    service: Service = town.app.state.service
    return service


def test_an_erased_key_is_final(town: Town) -> None:
    old = erase_letter(town)
    send(town, old)
    key = account_key(town.dan.root)
    account = replace(LETTERS["cv1-account"](town), key=key)
    body = account.changed(pk=b64u(key.public)).body()
    check_refused(town, lambda: town.knock("POST", "/v1/holder", body, key), DifferentBytes)
    before = rows(town.database)
    assert send(town, old).status_code == 200  # the stored answer: nothing is erased by it
    assert touched(town, before) == set()
    assert town.auditor().audit().findings == []
