"""A month opened for an auditor: what it proves, whose lies it finds, and that nothing else opens.

docs/protocol.md section 7, "Sample".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from consent.log.proof import read_proof
from consent.origin import Origin
from consent.sample import checked as sampled
from consent.sample import given as samples
from consent.sample.agreement import state_agreement
from consent.sample.checked import CHECKS, Sampled, check_sample
from consent.sample.given import OpenCell, Prior, Sample, SampleBatch, make_sample, read_sample
from tests.rules import BOUND, TRIP, behaviour_file, caps, release_of, world_under
from tests.world import APR, EAST, FEB, JAN, MAR, TRAVEL, WEST, Person, World
from vault import bookings, compose
from vault.allot import Allotted
from vault.chain import Settled, settle
from vault.compose import Booking
from vault.crypto.commit import ORDER, Scalar, commit
from vault.crypto.disclose import open_disclosed, shared_secret
from vault.crypto.keys import account_key, record_key, state_key, stream_key
from vault.crypto.meter import masks_of
from vault.crypto.seal import pad, seal
from vault.encoding import compact_json, read_envelope, sign_jws
from vault.errors import BadInput, BadProof, BadSeal, BadShape, NotFound
from vault.messages import Batch, Close, Record, batch_info
from vault.methodology.quantify import Act, Credit, quantify
from vault.methodology.release import Release
from vault.months import Category, Grams, Milligrams, Month

BIKE, CUP = "travel.bike", "use.cup"
RULES = release_of(
    behaviour_file(BIKE, TRIP, BOUND, caps(day_g=700, month_g=1_500)), behaviour_file(CUP)
)
MG = 48_700  # of a kilometre
SHARED = "TX-0123456789abcdef"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(samples, "load_release", lambda _: RULES)
    with world_under(RULES, monkeypatch) as world:
        world.allow_booking_for(WEST, EAST)
        yield world


def act(
    world: World,
    receipt: str,
    km: int = 5,
    minute: int = 0,
    behaviour: str = BIKE,
    guessable: bool = True,
) -> Booking:
    start = world.time + 60 * minute
    amounts = {"m": 1_000 * km, "s": 1_200}
    found = Act(behaviour, amounts, start, start + 1_200, "CN-ZJ-HZ")
    return Booking(found, receipt, EAST, guessable, {"from": f"dock {receipt}"})


def book(world: World, *bookings: Booking, name: str = EAST) -> None:
    booked = world.sources[name].book("ann", bookings)
    assert [each.outcome for each in booked] == ["booked"] * len(bookings)


def take_back(world: World, of: str) -> None:
    assert world.sources[EAST].take_back(EAST, f"refund of {of}", of).outcome == "booked"


def tell(world: World) -> Person:
    """Ann's quarter: a taken receipt and a refund in January, refunds of it in February, nothing
    in March."""
    ann = world.person("ann", EAST, WEST)
    book(world, act(world, SHARED, guessable=False), name=WEST)
    world.sources[WEST].send_batches()
    book(world, act(world, SHARED, guessable=False), act(world, "R-1", 3, minute=30))
    world.sources[EAST].send_batches()
    book(world, act(world, "R-2", 2, minute=60), act(world, "C-1", 1, 90, CUP))
    take_back(world, "R-2")
    world.close_month(JAN)
    take_back(world, SHARED)
    take_back(world, "R-1")
    world.close_month(FEB)
    world.close_month(MAR)
    return ann


def sample_of(world: World, ann: Person, month: Month = JAN, name: str = EAST) -> Sample:
    wire = world.wire(account_key(ann.root))
    origin = Origin(world.directory(), ann.links[name], name)
    return make_sample(wire, ann.root, origin, month, "en", world.now())


def failed(world: World, sample: Sample) -> set[str]:
    return {check.name for check in check_sample(sample, world.directory()).failed}


def states(found: Sampled) -> dict[str, str]:
    return {check.name: check.state for check in found.checks}


def closes(world: World, ann: Person) -> list[Close]:
    wire = world.wire(account_key(ann.root))
    texts = samples._fetch_closes(wire, Origin(world.directory(), ann.links[EAST], EAST))
    return [Close.opened(read_envelope(text, Close.typ)) for text in texts]


# What an honest month shows


def test_an_honest_month_passes_every_check_and_shows_its_records(world: World) -> None:
    ann = tell(world)
    sample = read_sample(sample_of(world, ann).write())
    assert len(sample.batches) == 2
    found = check_sample(sample, world.directory())
    assert states(found) == dict.fromkeys(CHECKS, "pass")
    assert found.source == EAST
    assert sorted((seen.record.receipt, seen.stands, seen.record.mg) for seen in found.records) == [
        ("C-1", "counts", MG),
        ("R-1", "counts", 3 * MG),
        ("R-2", "taken-back", 2 * MG),
        (SHARED, "counted-before", 5 * MG),
        ("refund of R-2", "takes-back", -2 * MG),
    ]
    assert {(seen.record.detail or {})["from"] for seen in found.records} == {
        f"dock {name}" for name in ("C-1", "R-1", "R-2", SHARED)
    }
    assert [cell.grams for cell in sample.cells] == [0, 0, 0, 146, 48, 0, 0]
    assert json.loads(json.dumps(found.plain()))["checks"][0]["state"] == "pass"


def test_a_month_of_refunds_is_zero_and_says_what_it_cannot_prove(world: World) -> None:
    ann = tell(world)
    sample = sample_of(world, ann, FEB)
    assert [cell.grams for cell in sample.cells] == [0] * 7
    assert sample.balance == (0, 0, 0, 100, 700, 0, 0)
    assert sample.prior.upto == 1
    (voided,) = sample.prior.voided
    found = check_sample(sample, world.directory())
    said = {check.name: check.detail for check in found.checks if check.state == "claimed"}
    assert set(states(found).values()) == {"pass", "claimed"}
    assert said == {
        "corrections": "corrections of acts of other months: 2, of which counted 0: 1",
        "balance": "carried in, by the holder's word: travel 100 mg, goods 700 mg",
    }
    assert {(s.record.receipt, s.stands) for s in found.records} == {
        (f"refund of {SHARED}", "counted-before"),
        ("refund of R-1", "takes-back"),
    }
    (back,) = [s.record for s in found.records if s.record.corrects == voided]
    assert back.receipt == f"refund of {SHARED}"


def test_an_empty_month_with_a_debt_carried_in_is_told_as_odd(world: World) -> None:
    ann = tell(world)
    sample = sample_of(world, ann, MAR)
    assert sample.balance[TRAVEL - 1] == 100 - 3 * MG
    found = check_sample(sample, world.directory())
    assert found.records == ()
    assert states(found) == dict.fromkeys(CHECKS, "pass") | {"balance": "claimed"}
    (said,) = [check.detail for check in found.checks if check.state == "claimed"]
    assert "took back more than it counted" in said
    assert "It booked nothing in that month." in sample.statement.text


def test_a_month_before_any_batch_carries_nothing_and_proves_it(world: World) -> None:
    ann = world.person("ann", EAST)
    world.move(FEB)
    world.sources[EAST].close(JAN)
    sample = sample_of(world, ann)
    found = check_sample(sample, world.directory())
    assert states(found) == dict.fromkeys(CHECKS, "pass")
    lie = sample.model_copy(update={"balance": (0, 0, 0, 999, 0, 0, 0)})
    assert failed(world, lie) == {"balance"}


def test_a_sample_shows_the_same_under_a_later_directory(world: World) -> None:
    ann = tell(world)
    early = sample_of(world, ann)
    world.move(APR, day=20)
    assert failed(world, early) == set()
    assert failed(world, sample_of(world, ann)) == set()


def test_there_is_no_sample_of_an_open_month_or_a_strangers_link(world: World) -> None:
    ann, bob = tell(world), world.person("bob", EAST)
    with pytest.raises(NotFound):
        sample_of(world, ann, APR)
    ann.links["bob"] = bob.links[EAST]
    with pytest.raises((NotFound, BadInput)):
        sample_of(world, ann, JAN, "bob")


def test_the_person_reads_what_is_opened_in_their_language(world: World) -> None:
    ann = tell(world)
    text = sample_of(world, ann).statement.text
    for wanted in (
        "East Bikes", "2026-01", "5 records", "2026-01-01 to 2026-01-01", EAST,
        "receipt number", "from, region", "1 of them take back", "cannot be called back",
    ):  # fmt: skip
        assert wanted in text, wanted
    records = [
        seen.record for seen in check_sample(sample_of(world, ann), world.directory()).records
    ]
    chinese = state_agreement("城东单车", JAN, records, "Asia/Shanghai", "zh-CN")
    for wanted in ("城东单车", "2026-01", "5 条记录", EAST, "凭证号", "from、region", "无法收回"):
        assert wanted in chinese, wanted
    assert "dock" not in text + chinese  # names of what is told, never what it says


def test_names_in_the_statement_cannot_move_what_is_read(world: World) -> None:
    record = check_sample(sample_of(world, tell(world)), world.directory()).records[0].record
    odd = record.model_copy(update={"detail": {"\x1b[2K\u202e" + "x" * 99: "y"}})
    text = state_agreement("East", JAN, [odd], "Asia/Shanghai", "en")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "x" * 41 not in text


# A holder's lies

MECHANISMS = {
    "logged": "check_place",
    "batches": "check_batches",
    "digest": "check_digest",
    "amounts": "check_amounts",
    "limits": "check_limits",
    "corrections": "claim_corrections",
    "commitments": "check_cells",
    "totals": "check_totals",
    "balance": "claim_balance",
}


def check_found(world: World, sample: Sample, found: set[str]) -> None:
    """Check that exactly these checks find the lie, and that it passes once they are taken out."""
    assert failed(world, sample) == found
    with pytest.MonkeyPatch.context() as patch:
        for name in found & MECHANISMS.keys():
            patch.setattr(sampled, MECHANISMS[name], lambda *_: "")
        assert failed(world, sample) == found - MECHANISMS.keys()


def rebatched(sample: Sample, number: int, **changed: object) -> Sample:
    listed = list(sample.batches)
    listed[number] = listed[number].model_copy(update=changed)
    return sample.model_copy(update={"batches": tuple(listed)})


def recelled(sample: Sample, category: int, cell: OpenCell) -> Sample:
    cells = list(sample.cells)
    cells[category - 1] = cell
    return sample.model_copy(update={"cells": tuple(cells)})


def other_text(world: World, ann: Person, sample: Sample) -> Sample:
    """The holder re-seals the batch to say something else: only the source can sign it."""
    first = sample.batches[0]
    forged = _reseal(world, ann, first, "R-9")
    return rebatched(sample, 0, **dict(forged))


def _reseal(world: World, ann: Person, each: SampleBatch, receipt: str) -> SampleBatch:
    found = Batch.opened(read_envelope(each.batch, Batch.typ))
    info = batch_info(found.link, found.seq)
    plain = open_disclosed(each.shared, found.sealed, info)
    records = json.loads(plain[4 : 4 + int.from_bytes(plain[:4], "big")])
    records[0]["receipt"] = receipt
    key = record_key(ann.root, found.link)
    sealed = seal(key.public, pad(compact_json(records)), info)
    text = found.model_copy(update={"sealed": sealed}).signed(account_key(ann.root))
    shared = shared_secret(key, sealed)
    return SampleBatch(batch=text, receipt=each.receipt, shared=shared)


Lie = Callable[[World, Person, Sample], Sample]


def other_total(_: World, ann: Person, sample: Sample) -> Sample:
    own = sample.cells[TRAVEL - 1]
    return recelled(sample, TRAVEL, OpenCell(Grams(own.grams - 1), own.rho))


def other_blinding(_: World, ann: Person, sample: Sample) -> Sample:
    own = sample.cells[TRAVEL - 1]
    return recelled(sample, TRAVEL, OpenCell(own.grams, Scalar((own.rho + 1) % ORDER)))


def other_secret(_: World, ann: Person, sample: Sample) -> Sample:
    return rebatched(sample, 0, shared=bytes(32))


def swapped_secrets(_: World, ann: Person, sample: Sample) -> Sample:
    first, second, *_rest = sample.batches
    return rebatched(rebatched(sample, 0, shared=second.shared), 1, shared=first.shared)


def left_out(at: int) -> Lie:
    def lie(_: World, ann: Person, sample: Sample) -> Sample:
        listed = list(sample.batches)
        del listed[at]
        return sample.model_copy(update={"batches": tuple(listed)})

    return lie


def left_out_and_said_before(_: World, ann: Person, sample: Sample) -> Sample:
    kept = sample.batches[1:]
    return sample.model_copy(update={"batches": kept, "prior": Prior(upto=0, voided=())})


def twice(_: World, ann: Person, sample: Sample) -> Sample:
    return sample.model_copy(update={"batches": (sample.batches[0], *sample.batches)})


def other_link(world: World, ann: Person, sample: Sample) -> Sample:
    west = sample_of(world, ann, JAN, WEST).batches[0]
    return rebatched(sample, 0, **dict(west))


def other_receipt(_: World, ann: Person, sample: Sample) -> Sample:
    return rebatched(sample, 0, receipt=sample.batches[1].receipt)


def own_receipt(_: World, ann: Person, sample: Sample) -> Sample:
    """A receipt by the holder's own key, which takes nothing: their act would count."""
    receipt = read_envelope(sample.batches[0].receipt, "cv1-receipt")
    body = {**json.loads(receipt.payload), "taken": []}
    return rebatched(sample, 0, receipt=sign_jws("cv1-receipt", body, account_key(ann.root)))


def wrong_month(_: World, ann: Person, sample: Sample) -> Sample:
    return sample.model_copy(update={"month": FEB})


def close_of_another_month(world: World, ann: Person, sample: Sample) -> Sample:
    other = sample_of(world, ann, FEB)
    return sample.model_copy(update={"close": other.close, "proof": other.proof, "month": FEB})


def proof_of_another_close(world: World, ann: Person, sample: Sample) -> Sample:
    return sample.model_copy(update={"proof": sample_of(world, ann, FEB).proof})


def moved_in_time(_: World, ann: Person, sample: Sample) -> Sample:
    proof = read_proof(sample.proof)
    return sample.model_copy(update={"proof": str(replace(proof, at=proof.at - 90 * 86_400))})


def own_close(world: World, ann: Person, sample: Sample) -> Sample:
    close = Close.opened(read_envelope(sample.close, Close.typ))
    return sample.model_copy(update={"close": close.signed(account_key(ann.root))})


def balance_from_nowhere(_: World, ann: Person, sample: Sample) -> Sample:
    return sample.model_copy(update={"balance": (0, 0, 0, 5, 0, 0, 0)})


def void_from_nowhere(_: World, ann: Person, sample: Sample) -> Sample:
    return sample.model_copy(update={"prior": Prior(upto=-1, voided=(bytes(16),))})


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        (other_text, {"batches", "digest"}),
        (other_total, {"commitments", "totals"}),
        (other_blinding, {"commitments"}),
        (other_secret, {"opened"}),
        (swapped_secrets, {"opened"}),
        (left_out(0), {"batches", "digest", "totals"}),
        (left_out(-1), {"batches", "digest", "totals"}),
        (left_out_and_said_before, {"digest", "totals"}),
        (twice, {"batches", "digest", "limits", "corrections", "totals"}),
        (other_link, {"batches", "digest", "totals"}),
        (other_receipt, {"batches", "digest", "totals"}),
        (own_receipt, {"batches", "digest", "totals"}),
        (wrong_month, {"close"}),
        (close_of_another_month, {"batches", "digest", "commitments"}),
        (proof_of_another_close, {"logged"}),
        (moved_in_time, {"logged"}),
        (own_close, {"close"}),
        (balance_from_nowhere, {"balance"}),
        (void_from_nowhere, {"corrections"}),
    ],
)
def test_a_lie_of_the_holder_is_found(world: World, lie: Lie, found: set[str]) -> None:
    ann = tell(world)
    sample = sample_of(world, ann)
    assert failed(world, sample) == set()
    check_found(world, lie(world, ann, sample), found)


def test_a_balance_that_hides_a_wrong_total_is_only_claimed_and_told(world: World) -> None:
    """The one lie that one month cannot show: it is named, with what is odd about it."""
    ann = tell(world)
    sample = sample_of(world, ann, FEB)
    lie = sample.model_copy(update={"balance": (0, 0, 0, -(10**12), 700, 0, 0)})
    found = check_sample(lie, world.directory())
    assert not found.failed
    (said,) = [check.detail for check in found.checks if check.name == "balance"]
    assert "by the holder's word: travel -1000000000000 mg" in said
    assert "took back more than it counted" in said


# A source's lies


def story(world: World) -> Sample:
    ann = world.person("ann", EAST)
    book(world, act(world, "R-1", 3), act(world, "R-2", 2, minute=60))
    world.close_month(JAN)
    return sample_of(world, ann)


def test_the_stories_of_a_source_pass_where_it_does_not_lie(world: World) -> None:
    assert failed(world, story(world)) == set()


def test_more_than_the_methodology_gives_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def double(act: Act, release: Release) -> Credit:
        credit = quantify(act, release)
        return replace(credit, mg=Milligrams(2 * credit.mg))

    monkeypatch.setattr(bookings, "quantify", double)
    sample = story(world)
    check_found(world, sample, {"amounts"})
    (first, _) = check_sample(sample, world.directory()).records
    assert first.credit is not None
    assert first.record.mg == 2 * first.credit


def test_a_close_that_its_records_do_not_give_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def more(*asked: object) -> Settled:
        found = settle(*asked)  # type: ignore[arg-type]
        grams = tuple(Grams(g + 1) for g in found.grams)
        return found._replace(grams=grams)

    monkeypatch.setattr(compose, "settle", more)
    check_found(world, story(world), {"totals"})


def test_a_cap_that_was_passed_over_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        bookings, "allot", lambda _, waiting, __: {a.act: Allotted(a.gross, a.why) for a in waiting}
    )
    ann = world.person("ann", EAST)
    book(world, act(world, "R-1", 10), act(world, "R-2", 10, minute=60))
    world.close_month(JAN)
    check_found(world, sample_of(world, ann), {"limits"})


def test_a_cap_that_was_kept_is_no_finding(world: World) -> None:
    ann = world.person("ann", EAST)
    book(world, act(world, "R-1", 10), act(world, "R-2", 10, minute=60), act(world, "R-3", 4, 61))
    world.close_month(JAN)
    found = check_sample(sample_of(world, ann), world.directory())
    assert not found.failed
    assert sorted((s.record.mg, s.record.reason) for s in found.records if s.record.reason) == [
        (0, "same-time"),
        (213_000, "day-cap"),
    ]


def test_two_trips_at_once_are_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        bookings, "allot", lambda _, waiting, __: {a.act: Allotted(a.gross, a.why) for a in waiting}
    )
    ann = world.person("ann", EAST)
    book(world, act(world, "R-1", 2), act(world, "R-2", 2, minute=1))
    world.close_month(JAN)
    check_found(world, sample_of(world, ann), {"limits"})


def forged(world: World, change: Callable[[Record], Record]) -> Sample:
    """The story of a source that changes a record before it is sealed, and closes by its books."""
    honest = compose.compose_act

    def compose_act(*asked: object) -> object:
        row = honest(*asked)  # type: ignore[arg-type]
        record = change(Record.parse(row.record))
        return row._replace(record=compact_json(record.plain()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bookings, "compose_act", compose_act)
        return story(world)


@pytest.mark.parametrize(
    "changed",
    [
        {"rev": 2},
        {"release": "2026-1"},
        {"behaviour": CUP, "activity": {"m": 3_000}},
        {"operator": WEST},
        {"reason": "same-time"},
        {"reason": "day-cap"},
        {"evidence": "E4", "activity": {"m": 1_000, "s": 1_200}},
        {"detail": {"from": "dock"}},
        {"start": 4_102_444_800, "end": 4_102_444_860},
        {"start": 2**52, "end": 2**52},
        {"corrects": bytes(16), "mg": 0},
    ],
)
def test_a_record_that_the_rules_do_not_give_is_found(
    world: World, changed: dict[str, object]
) -> None:
    sample = forged(world, lambda record: record.model_copy(update=changed))
    assert failed(world, sample) & {"amounts"}


def test_a_record_whose_tag_is_kept_from_the_vault_is_found(world: World) -> None:
    """With another tag in the batch than in the record no second booking would ever be seen."""
    sample = forged(world, lambda record: record.model_copy(update={"tag": bytes(16)}))
    assert failed(world, sample) == {"opened"}


def test_a_receipt_booked_twice_is_found(world: World) -> None:
    sample = forged(world, lambda record: record.model_copy(update={"receipt": "R-7"}))
    check_found(world, sample, {"corrections"})


# Nothing else opens


@dataclass(frozen=True)
class Sight:
    """Everything of the link, and the one month that was opened."""

    ann: Person
    sample: Sample
    others: list[Batch]


@pytest.fixture
def sight(world: World) -> Sight:
    ann = tell(world)
    listed = [each for month in (FEB, MAR) for each in sample_of(world, ann, month).batches]
    others = [Batch.opened(read_envelope(each.batch, Batch.typ)) for each in listed]
    return Sight(ann, sample_of(world, ann), others)


def test_a_months_secrets_open_no_batch_of_another_month(sight: Sight) -> None:
    assert sight.others
    key = record_key(sight.ann.root, sight.sample.link)
    for other in sight.others:
        info = batch_info(other.link, other.seq)
        assert shared_secret(key, other.sealed)  # the holder's key does
        for each in sight.sample.batches:
            with pytest.raises(BadSeal):
                open_disclosed(each.shared, other.sealed, info)


def test_a_months_cells_take_no_mask_off_another_month(world: World, sight: Sight) -> None:
    key = stream_key(sight.ann.root, sight.sample.link)
    own, *others = closes(world, sight.ann)
    masks = [
        (cell.masked - opened.grams) % ORDER
        for cell, opened in zip(own.cells, sight.sample.cells, strict=True)
    ]
    assert masks == [masks_of(key, category, JAN).tau for category in Category]  # laid open
    for other in others:
        for category, cell in zip(Category, other.cells, strict=True):
            true = masks_of(key, category, other.month)
            grams = (cell.masked - true.tau) % ORDER
            assert commit(grams, true.rho) == cell.commitment  # the holder's key opens it
            for mask, opened in zip(masks, sight.sample.cells, strict=True):
                assert (cell.masked - mask) % ORDER >= 2**52
                assert commit(grams, opened.rho) != cell.commitment


def forms(secret: bytes) -> list[bytes]:
    raw = [secret, secret[::-1]]
    texts = [each.hex().encode() for each in raw]
    for each in raw:
        # The same bytes begin at any of three places of a base64 text.
        for shift in range(3):
            text = base64.urlsafe_b64encode(bytes(shift) + each + bytes(-(shift + len(each)) % 3))
            texts.append(text[4 : len(text) - 4])
    return raw + texts


def holds(file: bytes, secret: bytes) -> bool:
    return any(form in file for form in forms(secret))


def test_the_file_holds_no_secret_of_the_holder(sight: Sight) -> None:
    root, link = sight.ann.root, sight.sample.link
    file = sight.sample.write()
    for each in sight.sample.batches:
        assert holds(file, each.shared)  # the search finds what is there
    assert holds(file, sight.sample.cells[0].rho.to_bytes(32, "little"))
    for secret in (
        root,
        stream_key(root, link),
        record_key(root, link),
        account_key(root),
        state_key(root),
    ):
        assert not holds(file, secret.value)
    for month in (FEB, MAR):
        masks = masks_of(stream_key(root, link), Category.TRAVEL, month)
        for number in (masks.tau, masks.rho):
            assert not holds(file, number.to_bytes(32, "little"))


def test_no_secret_stands_in_what_a_program_prints_of_a_sample(sight: Sight) -> None:
    shown = repr(sight.sample) + repr(sight.sample.batches[0])
    for each in sight.sample.batches:
        assert repr(each.shared) not in shown
    assert str(sight.sample.cells[0].rho) not in shown


# The file


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("type", "sample"),
        ("link", "00"),
        ("month", "2026-13"),
        ("close", ""),
        ("cells", []),
        ("cells", [[0, "AA"]] * 7),
        ("cells", [["0", "A" * 43]] * 7),
        ("cells", [[2**40, "A" * 43]] * 7),
        ("cells", [[-1, "A" * 43]] * 7),
        ("cells", [[0, "_" * 43]] * 7),
        ("cells", [[0]] * 7),
        ("balance", [0] * 6),
        ("balance", [2**53] * 7),
        ("prior", {"upto": -2, "voided": []}),
        ("prior", {"upto": 0}),
        ("statement", {"locale": "fr", "text": "x"}),
        ("made", -1),
        ("more", 1),
    ],
)
def test_a_file_of_another_form_is_refused(sight: Sight, name: str, found: object) -> None:
    members = json.loads(sight.sample.write())
    assert read_sample(json.dumps(members).encode()) == sight.sample
    with pytest.raises(BadInput):
        read_sample(json.dumps({**members, name: found}).encode())


def test_a_file_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "LARGEST", 10)
    with pytest.raises(BadShape, match="at most 10 bytes"):
        read_sample(b" " * 11)


def test_a_close_that_the_log_does_not_hold_yet_cannot_be_sampled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = tell(world)
    assert failed(world, sample_of(world, ann, MAR)) == set()
    monkeypatch.setattr(samples, "fetch_pages", lambda _wire: iter(()))
    with pytest.raises(BadProof, match="no entry of the log"):
        sample_of(world, ann, MAR)
