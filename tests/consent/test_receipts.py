"""Receipts: proved with nothing but two pinned keys, and refused when anything in them is another.

The receipts are of a real vault in one memory; what is checked is only ever the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.demo.cast import BANK, CITY
from consent.dpv import export_record
from consent.log.proof import read_proof
from consent.messages import Grant, Pause, Resume, Revoke
from consent.notices import notice_hash, render_notice
from consent.policy import Policy
from consent.receipts import (
    Event,
    OwnEntry,
    Receipt,
    check_receipt,
    find_grant,
    history,
    read_entries,
    verify_receipt,
)
from tests.test_commands import Town, run
from tests.world import APR, EAST, FEB, WEST, World, terms
from vault.crypto.keys import SigningKey, account_key, consent_key
from vault.encoding import Json, b64u, compact_json, thumbprint
from vault.errors import (
    BadDirectory,
    BadInput,
    BadJws,
    BadProof,
    BadShape,
    NotFound,
)
from vault.months import Month
from vault.wire import text_of

REFUSED = (BadInput, BadProof, BadDirectory)


class Kept:
    """A world's receipts, taken at their time, and what a stranger pins."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ann = world.person("ann", EAST, WEST)
        self.grant = world.allow(self.ann, CITY)
        self.raw = self.ann.holder.receipt(self.grant)
        self.policy = world.policy

    def entries(self) -> list[OwnEntry]:
        wire = self.world.wire(account_key(self.ann.root))
        return read_entries(wire.get("/v1/holder/entries").body)

    def history(self, grant: Grant) -> list[Event]:
        return history(grant, self.entries(), self.world.time)


@pytest.fixture
def kept() -> Iterator[Kept]:
    with World() as world:
        yield Kept(world)


@pytest.fixture(scope="module")
def still() -> Iterator[Kept]:
    """One receipt of a world that changes no more."""
    with World() as world:
        yield Kept(world)


def members(raw: bytes) -> dict[str, Json]:
    return cast("dict[str, Json]", json.loads(raw))


def verified(raw: bytes, policy: Policy) -> Grant:
    return verify_receipt(Receipt.parse(raw), policy)


# What it proves, and for how long


def test_a_receipt_proves_the_grant_and_the_words_that_were_read(still: Kept) -> None:
    assert verified(still.raw, still.policy) == still.grant
    notice = text_of(members(still.raw), "notice")
    assert notice == render_notice(still.grant, still.world.directory(), "en")
    assert notice_hash(notice) == still.grant.notice.sha256
    assert set(members(still.raw)) == {
        "type",
        "grant",
        "proof",
        "directory",
        "directory_proof",
        "notice",
    }


def test_it_verifies_when_the_vault_is_gone_and_its_directory_has_expired() -> None:
    with World() as world:
        kept = Kept(world)
    # The client is closed and the database with it: there is no vault any more.
    directory = Receipt.parse(kept.raw)
    assert verify_receipt(directory, kept.policy) == kept.grant


def test_a_stopped_paused_or_replaced_grant_has_a_receipt_all_the_same(kept: Kept) -> None:
    ann, city = kept.ann.holder, kept.world.platform(CITY)
    before = [event.event for event in city.events()]
    ann.pause(kept.grant)
    assert verified(ann.receipt(kept.grant), kept.policy) == kept.grant
    ann.stop(kept.grant)
    again = ann.receipt(kept.grant)
    assert verified(again, kept.policy) == kept.grant
    assert text_of(members(again), "grant") == text_of(members(kept.raw), "grant")
    # Asking for it gave nothing anew.
    assert [event.event for event in city.events()] == [*before, "paused", "revoked"]
    assert [own.state for own in ann.grants()] == ["revoked"]
    assert verified(kept.raw, kept.policy) == kept.grant
    assert kept.world.auditor().audit().findings == []


def test_a_receipt_asked_for_after_the_grants_time_is_over(kept: Kept) -> None:
    kept.world.move(Month("2026-08"))
    assert kept.world.time > kept.grant.until
    again = kept.ann.holder.receipt(kept.grant)
    assert verified(again, kept.policy) == kept.grant
    versions = {text_of(members(raw), "directory") for raw in (kept.raw, again)}
    assert len(versions) == 2


def test_a_receipt_asked_for_after_a_name_changed_has_only_the_hash(kept: Kept) -> None:
    world = kept.world
    renamed = world.cast.actors[CITY]
    listing = world.directory().listing
    entries = tuple(
        entry.model_copy(update={"contact": "other@city.demo"}) if entry.id == renamed.id else entry
        for entry in listing.entries
    )
    changed = listing.model_copy(
        update={
            "entries": entries,
            "iat": world.time,
            "version": listing.version + 1,
            "prev": world.directory().hash,
        }
    )
    world.auditor().publish(changed)
    again = kept.ann.holder.receipt(kept.grant)
    assert "notice" not in members(again)
    assert verified(again, kept.policy) == kept.grant
    assert "notice" in members(kept.raw)


def test_nobody_elses_grant_has_a_receipt(kept: Kept) -> None:
    bob = kept.world.person("bob", EAST)
    with pytest.raises(NotFound):
        bob.holder.receipt(kept.grant)
    with pytest.raises(NotFound):
        find_grant({"grants": []}, kept.grant.grant)


# What is refused


def test_other_pins_are_refused(still: Kept) -> None:
    auditor, log, demo = still.policy.auditor, still.policy.log, still.policy.demo
    assert demo
    stranger = SigningKey(b"\x41" * 32).public
    other_log = log.replace("+", "+0", 1)
    for policy in (
        Policy(stranger, log, demo),
        Policy(auditor, other_log, demo),
        Policy(auditor, log, demo=False),
    ):
        with pytest.raises(BadDirectory):
            verified(still.raw, policy)


def tampered(raw: bytes, **changed: Json) -> bytes:
    return compact_json({**members(raw), **changed})


Pair = tuple[Kept, dict[str, Json], dict[str, Json]]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with World() as world:
        kept = Kept(world)
        bob = world.person("bob", EAST)
        other = members(bob.holder.receipt(world.allow(bob, BANK)))
        world.move(FEB)
        world.publish()
        later = members(kept.ann.holder.receipt(kept.grant))
        yield kept, other, later


class TestTampering:
    """Each member changed, alone and to a true one of another receipt."""

    @pytest.mark.parametrize("name", ["grant", "proof", "notice"])
    def test_a_true_member_of_another_persons_receipt(self, pair: Pair, name: str) -> None:
        kept, other, _ = pair
        assert other[name] != members(kept.raw)[name]
        with pytest.raises(REFUSED):
            verified(tampered(kept.raw, **{name: other[name]}), kept.policy)

    @pytest.mark.parametrize("name", ["directory", "directory_proof"])
    def test_a_true_member_of_a_later_receipt_of_the_same_grant(
        self, pair: Pair, name: str
    ) -> None:
        kept, _, later = pair
        assert later[name] != members(kept.raw)[name]
        with pytest.raises(REFUSED):
            verified(tampered(kept.raw, **{name: later[name]}), kept.policy)

    def test_directory_and_proof_together_may_be_later_ones(self, pair: Pair) -> None:
        kept, _, later = pair
        both = {name: later[name] for name in ("directory", "directory_proof")}
        assert verified(tampered(kept.raw, **both), kept.policy) == kept.grant

    @pytest.mark.parametrize("name", ["grant", "proof", "directory", "directory_proof", "type"])
    def test_a_member_left_out(self, still: Kept, name: str) -> None:
        short = {key: found for key, found in members(still.raw).items() if key != name}
        with pytest.raises(BadShape):
            verified(compact_json(short), still.policy)

    def test_the_notice_left_out_is_seen_as_left_out(self, still: Kept) -> None:
        short = {key: found for key, found in members(still.raw).items() if key != "notice"}
        receipt = Receipt.parse(compact_json(short))
        assert receipt.notice is None
        assert verify_receipt(receipt, still.policy) == still.grant

    @pytest.mark.parametrize(
        "changed",
        [{"extra": 1}, {"notice": None}, {"notice": ""}, {"type": "receipt"}, {"proof": 1}],
        ids=str,
    )
    def test_what_is_no_receipt(self, still: Kept, changed: dict[str, Json]) -> None:
        with pytest.raises(BadShape):
            verified(tampered(still.raw, **changed), still.policy)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def test_one_character_of_any_member_changed(self, still: Kept, data: st.DataObject) -> None:
        name = data.draw(
            st.sampled_from(["grant", "proof", "directory", "directory_proof", "notice"])
        )
        found = text_of(members(still.raw), name)
        # The proof's checkpoint may carry cosignatures of witnesses that nobody here knows.
        place = data.draw(st.integers(0, len(found) - 1))
        other = data.draw(st.sampled_from("AZaz09-_. \n").filter(lambda c: c != found[place]))
        changed = found[:place] + other + found[place + 1 :]
        with pytest.raises(REFUSED):
            verified(tampered(still.raw, **{name: changed}), still.policy)

    def test_a_grant_signed_again_with_other_terms(self, still: Kept) -> None:
        key = consent_key(still.ann.root, CITY)
        wider = still.grant.model_copy(update={"data_life_days": 179})
        with pytest.raises(BadProof):
            verified(tampered(still.raw, grant=wider.signed(key)), still.policy)

    def test_two_trees_of_one_size(self, still: Kept) -> None:
        """A log that says different things to different people is found where the sizes meet."""
        with World() as fork:  # the same keys and the same first entry; then all is a second later
            fork.time += 1
            other = members(Kept(fork).raw)
        mine = members(still.raw)
        assert fork.policy == still.policy
        assert size_of(other) == size_of(mine)
        mixed = {name: other[name] for name in ("grant", "proof")}
        with pytest.raises(BadProof, match="two logs"):
            verified(tampered(still.raw, **mixed), still.policy)


def test_a_directory_that_does_not_list_the_platform_so_is_refused(still: Kept) -> None:
    directory, receipt = still.world.directory(), Receipt.parse(still.raw)
    assert check_receipt(receipt, directory) == still.grant
    listing = directory.listing
    left = tuple(entry for entry in listing.entries if entry.id != CITY)
    moved = tuple(
        entry.model_copy(update={"org": BANK}) if entry.id == CITY else entry
        for entry in listing.entries
    )
    for changed in ({"entries": left}, {"entries": moved}, {"version": listing.version + 1}):
        other = replace(directory, listing=listing.model_copy(update=changed))
        with pytest.raises(BadDirectory):
            check_receipt(receipt, other)


def size_of(found: dict[str, Json]) -> str:
    return read_proof(text_of(found, "proof")).checkpoint.split("\n")[1]


# What became of it


def test_history_tells_each_change_and_one_end(kept: Kept) -> None:
    ann, world = kept.ann.holder, kept.world
    assert [e.state for e in kept.history(kept.grant)] == ["given"]
    ann.pause(kept.grant)
    world.time += 60
    ann.resume(kept.grant)
    ann.stop(kept.grant)
    told = kept.history(kept.grant)
    assert [e.state for e in told] == ["given", "paused", "resumed", "withdrawn"]
    assert [e.index for e in told] == sorted(e.index or 0 for e in told)
    assert told[2].at == told[1].at + 60
    # After an end nothing more, whatever the date.
    assert history(kept.grant, kept.entries(), kept.grant.until + 1) == told


def test_history_of_a_replaced_grant_names_the_new_one(kept: Kept) -> None:
    better = kept.ann.holder.allow(terms(CITY, first=APR, last=APR), "en", kept.grant)
    told = kept.history(kept.grant)
    assert [(e.state, e.by) for e in told] == [("given", None), ("replaced", better.grant)]
    assert [e.state for e in kept.history(better)] == ["given"]


def test_a_grant_expires_at_its_until_and_a_later_stop_changes_nothing(kept: Kept) -> None:
    kept.ann.holder.pause(kept.grant)
    kept.world.move(Month("2026-08"))
    told = kept.history(kept.grant)
    assert [e.state for e in told] == ["given", "paused", "expired"]
    assert (told[-1].at, told[-1].index) == (kept.grant.until, None)
    kept.ann.holder.stop(kept.grant)
    assert kept.history(kept.grant) == told


def entry(index: int, text: str) -> OwnEntry:
    return OwnEntry(index, index, text)


def test_history_refuses_entries_that_leave_something_out(kept: Kept) -> None:
    key = consent_key(kept.ann.root, CITY)
    name = kept.grant.grant
    given_at = entry(1, kept.grant.signed(key))
    pause = entry(2, Pause(iat=1, grant=name, n=1).signed(key))
    resume = entry(3, Resume(iat=1, grant=name, n=2).signed(key))
    stop = entry(4, Revoke(iat=1, grant=name, n=3).signed(key))
    whole = [stop, given_at, resume, pause]
    assert [e.state for e in history(kept.grant, whole, 9)] == [
        "given",
        "paused",
        "resumed",
        "withdrawn",
    ]
    for gone in (given_at, pause, resume):
        with pytest.raises(BadShape):
            history(kept.grant, [e for e in whole if e != gone], 9)


def test_history_refuses_a_status_that_another_key_signed(kept: Kept) -> None:
    key, stranger = consent_key(kept.ann.root, CITY), SigningKey(b"\x42" * 32)
    given_at = entry(1, kept.grant.signed(key))
    forged = entry(2, Revoke(iat=1, grant=kept.grant.grant, n=1).signed(stranger))
    with pytest.raises(BadJws):
        history(kept.grant, [given_at, forged], 9)


# The record


def test_a_record_holds_what_the_grant_says_under_the_names_of_dpv(kept: Kept) -> None:
    kept.ann.holder.pause(kept.grant)
    kept.ann.holder.stop(kept.grant)
    directory = kept.world.directory()
    notice = render_notice(kept.grant, directory, "en")
    record = export_record(kept.grant, directory, kept.history(kept.grant), notice)
    text = json.dumps(record)
    found = json.loads(text)
    [process] = found["dpv:hasProcess"]
    assert found["@context"]["dpv"] == "https://w3id.org/dpv#"
    assert found["dpv:hasIdentifier"].replace("-", "").endswith(kept.grant.grant.hex())
    assert found["dpv:hasDataSubject"]["dpv:hasIdentifier"] == thumbprint(kept.grant.pk)
    assert [p["skos:broader"] for p in process["dpv:hasPurpose"]] == ["dpv:PublicBenefit"]
    assert process["dpv:hasRecipient"] == process["dpv:hasDataController"] == [CITY]
    assert found["dpv:hasEntity"][CITY]["dpv:hasContact"] == f"privacy@{CITY}"
    [storage] = process["dpv:hasStorageCondition"]
    assert storage["dpv:hasDuration"]["rdf:value"] == "P180D"
    assert found["dpv:hasNotice"] == {
        "@type": ["dpv:ConsentNotice"],
        "dct:language": "en",
        "cv:sha256": kept.grant.notice.sha256.hex(),
        "rdf:value": notice,
    }
    assert [status["@type"][0] for status in process["dpv:hasConsentStatus"]] == [
        "dpv:ConsentGiven",
        "cv:ConsentPaused",
        "dpv:ConsentWithdrawn",
    ]
    assert process["dpv:hasJurisdiction"] == ["loc:CN"]
    assert process["cv:template"] == "CITY-REWARD"
    # The person is one pseudonym: neither account nor links stand in it.
    assert kept.ann.holder.account not in text
    assert not any(link.hex() in text for link in kept.ann.links.values())
    assert "27560" not in text


def test_a_record_of_a_renewed_grant_names_the_one_before(kept: Kept) -> None:
    better = kept.ann.holder.allow(terms(CITY, first=APR, last=APR), "zh-CN", kept.grant)
    directory = kept.world.directory()
    old = export_record(kept.grant, directory, kept.history(kept.grant), None)
    new = export_record(better, directory, kept.history(better), None)
    assert new["dpv:isAfter"] == old["dpv:hasIdentifier"]
    assert str(new["dpv:hasIdentifier"]) in json.dumps(old["dpv:hasProcess"])
    assert new["dct:language"] == "zh-CN"
    assert "rdf:value" not in cast("dict[str, Json]", new["dpv:hasNotice"])


def test_a_record_with_another_notice_or_without_history_is_refused(kept: Kept) -> None:
    directory, told = kept.world.directory(), kept.history(kept.grant)
    with pytest.raises(BadShape, match="notice"):
        export_record(kept.grant, directory, told, "something else")
    with pytest.raises(BadShape):
        export_record(kept.grant, directory, [], None)


# The command line


def test_a_receipt_of_the_command_line_verifies_without_a_server(tmp_path: Path) -> None:
    town = Town(tmp_path)
    try:
        town.publish()
        town.join()
        grant = town.allow()
        assert run("holder", "receipt", town["me"], "00" * 16).code == 1
        raw = run("holder", "receipt", town["me"], grant).out
        town.do("holder", "stop", town["me"], grant)
        record = json.loads(run("holder", "record", town["me"], grant).out)
    finally:
        town.stop()
    kept = tmp_path / "receipt.json"
    kept.write_text(raw, encoding="utf-8")
    pins = [f"--key={town.auditor}", "--log", town.vkey]
    said = run("verify-receipt", kept, *pins, "--demo")
    assert said.code == 0
    assert grant in said.out
    assert "They never receive" in said.out
    found = json.loads(run("verify-receipt", kept, *pins, "--demo", "--json").out)
    assert found["grant"]["platform"] == "city.example"
    states = record["dpv:hasProcess"][0]["dpv:hasConsentStatus"]
    assert [state["@type"][0] for state in states] == ["dpv:ConsentGiven", "dpv:ConsentWithdrawn"]
    assert run("verify-receipt", kept, *pins).code == 1  # a demonstration's
    stranger = b64u(SigningKey(b"\x43" * 32).public)
    assert run("verify-receipt", kept, f"--key={stranger}", *pins[1:], "--demo").code == 1
    kept.write_text(raw.replace("They never receive", "They also receive"), encoding="utf-8")
    assert "bad-shape" in run("verify-receipt", kept, *pins, "--demo").err
    kept.write_text("{}", encoding="utf-8")
    assert "bad-file" in run("verify-receipt", kept, *pins, "--demo").err
