"""What a source, a holder, an outsider or the vault could try: T15, T16, T20 to T32.

Each test names the fact and the row of docs/threat-model.md, and has a control: the mechanism taken
out in a naive copy here, never in the product. An attack that succeeds nowhere would prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from consent.demo.cast import BANK, CITY, VAULT
from consent.messages import (
    LinkMonths,
)
from consent.policy import Policy, fetch_directory
from tests.attacks import (
    RECEIPT,
    STRANGER,
    Operator,
    Story,
    Text,
    found,
    masks_over,
    post_token,
    resigned,
    tell,
    total,
)
from tests.world import EAST, FEB, JAN, MAR, TRAVEL, WEST, World, terms
from vault.compose import Booking
from vault.crypto.keys import OpeningKey, account_key, stream_key
from vault.crypto.meter import hide, masks_of
from vault.crypto.seal import seal
from vault.encoding import compact_json, read_envelope
from vault.errors import (
    AtomUsed,
    BadCode,
    BadDirectory,
    BadShape,
    BadTotal,
    DifferentBytes,
    NotFound,
    Unreachable,
)
from vault.messages import (
    Attach,
    Batch,
    Close,
    LinkCode,
    link_info,
)
from vault.methodology.quantify import Act
from vault.months import DEFAULT_ZONE, Grams, Month, month_begins, months_from
from vault.tags import tag_of
from vault.wire import objects_of, text_of

DEC, JAN_2027 = Month("2026-12"), Month("2027-01")


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture
def story(world: World) -> Story:
    return tell(world)


@pytest.fixture(scope="module")
def told() -> Iterator[Story]:
    """One story for tests that only read it, or add to its log."""
    with World(seed=b"told") as world:
        yield tell(world)


# T26, whose link it is


def test_cells_of_another_persons_link_are_refused_and_audited(world: World) -> None:
    """T26: ann's token over bob's link; the control is a vault that does not look."""
    ann, bob = world.person("ann", EAST), world.person("bob", EAST)
    grant = ann.holder.allow(terms(CITY), "en")
    story = Story(world, ann, grant, grant)
    stolen = (LinkMonths(bob.links[EAST], (JAN,)),)
    with pytest.raises(NotFound):
        post_token(story, grant, (JAN,), stolen, masks_over(bob, stolen, grant.scope))
    world.ride(bob, EAST, 20_000)
    Operator(world).run("UPDATE links SET account = ?", ann.holder.account)
    post_token(story, grant, (JAN,), stolen, masks_over(bob, stolen, grant.scope))
    world.close_month(JAN)
    assert total(story, grant, (JAN,)).grams == 974  # bob's ride under ann's name
    assert [rule for _, rule in found(world)] == ["token", "release"]


def test_link_is_one_holders_and_a_second_claim_is_refused_and_audited(world: World) -> None:
    """T26: bob attaches the link that ann attached; the control is a vault that forgot hers."""
    ann, bob = world.person("ann", EAST), world.person("bob")
    answer = world.database.read(
        lambda tx: tx.all(Text, "SELECT text FROM links WHERE link = ?", ann.links[EAST])
    )[0].text
    receipt = Attach.opened(read_envelope(answer, Attach.typ)).receipt
    claim = Attach(iat=world.now(), link=ann.links[EAST], receipt=receipt)
    text = claim.signed(account_key(bob.root))
    wire = world.wire(account_key(bob.root))
    with pytest.raises(DifferentBytes):
        wire.post("/v1/holder/links", text)
    assert found(world) == []
    Operator(world).run("DELETE FROM links")
    wire.post("/v1/holder/links", text)
    assert [rule for _, rule in found(world)] == ["attach"]


# T15, T16, T28: sources


class _Evidence(NamedTuple):
    text: str


def test_second_close_for_a_month_is_refused_and_both_are_kept(story: Story) -> None:
    """T15: signed by the source itself; the control is the first, sent again."""
    source, world = story.world.sources[EAST], story.world
    first = source.closes()[-1].text
    second = resigned(story, first, iat=1)
    wire = world.wire(world.cast.actors[EAST].key)
    with pytest.raises(DifferentBytes):
        wire.post("/v1/closes", second)
    wire.post("/v1/closes", first)
    kept = world.database.read(lambda tx: tx.all(_Evidence, "SELECT text FROM evidence"))
    stored = world.database.read(lambda tx: tx.all(_Evidence, "SELECT text FROM closes"))
    assert [row.text for row in kept] == [second]
    assert first in [row.text for row in stored]
    assert second not in [row.text for row in stored]
    assert found(world) == []


def test_wrong_close_of_a_source_is_found_by_its_holder(world: World) -> None:
    """T16: a thousand grams without a record; the control is everybody else, who takes it."""
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    story = Story(world, ann, grant, grant)
    world.ride(ann, EAST, 20_000)
    world.sources[EAST].send_batches()
    world.move(FEB)
    honest = world.sources[EAST]
    cell = hide(Grams(1_974), masks_of(stream_key(ann.root, ann.links[EAST]), TRAVEL, JAN))
    post = honest._wire.post

    def lie(path: str, text: str) -> object:
        close = Close.opened(read_envelope(text, Close.typ))
        cells = (*close.cells[:3], cell, *close.cells[4:])
        return post(path, resigned(story, text, cells=cells))

    honest._wire.post = lie  # type: ignore[assignment,method-assign]
    with pytest.raises(BadShape, match="another message"):
        honest.close(JAN)
    assert total(story, grant, (JAN,)).grams == 1_974
    assert found(world) == []
    ann.holder.refresh()
    with pytest.raises(BadTotal, match="not the sum"):
        ann.holder.open_links()


def test_source_books_only_for_itself_and_for_whom_it_may(world: World) -> None:
    """T28: another operator's receipt; the control is the directory that allows it."""
    ann = world.person("ann", WEST)
    act = Act("travel.bike", {"m": 900, "s": 300}, world.time, world.time + 300, "CN-ZJ-HZ")
    booking = Booking(act, RECEIPT, EAST, guessable=False)
    with pytest.raises(BadShape, match="may not book"):
        world.sources[WEST].book(ann.name, [booking])
    world.allow_booking_for(WEST, EAST)
    assert world.sources[WEST].book(ann.name, [booking])[0].outcome == "booked"


@pytest.mark.parametrize(("guessable", "grams"), [(False, 974), (True, 2 * 974)])
def test_receipt_booked_at_two_sources_counts_once(
    world: World, guessable: bool, grams: int
) -> None:
    """T28, property 10: one tag over the vault; the control is a receipt without one."""
    world.allow_booking_for(WEST, EAST)
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, CITY)
    act = Act("travel.bike", {"m": 20_000, "s": 4_000}, world.time, world.time + 4_000, "CN-ZJ-HZ")
    for name in (EAST, WEST):
        booking = Booking(act, RECEIPT, EAST, guessable=guessable)
        (booked,) = world.sources[name].book(ann.name, [booking])
        assert booked.outcome == "booked"
        world.sources[name].send_batches()
    world.close_month(JAN)
    assert world.platform(CITY).total(grant.grant, (JAN,)).grams == grams
    ann.holder.refresh()
    links = ann.holder.open_links()
    assert ann.holder.own_total(grant, (JAN,), links) == grams
    voided = [record for own in links for batch in own.batches for record in batch.voided]
    assert [record.receipt for record in voided] == ([] if guessable else [RECEIPT])


def test_receipt_booked_for_two_accounts_counts_once(world: World) -> None:
    """T28, property 10: ann and bob both bring it to their own source."""
    world.allow_booking_for(WEST, EAST)
    ann, bob = world.person("ann", EAST), world.person("bob", WEST)
    grants = [world.allow(person, CITY) for person in (ann, bob)]
    act = Act("travel.bike", {"m": 20_000, "s": 4_000}, world.time, world.time + 4_000, "CN-ZJ-HZ")
    for name, person in ((EAST, ann), (WEST, bob)):
        world.sources[name].book(person.name, [Booking(act, RECEIPT, EAST, guessable=False)])
        world.sources[name].send_batches()
    world.close_month(JAN)
    city = world.platform(CITY)
    assert [city.total(grant.grant, (JAN,)).grams for grant in grants] == [974, 0]


def test_act_of_31_december_that_is_booked_again_in_january_counts_once(world: World) -> None:
    """T28, property 15: K_net of the act's year; under that of its booking it would count twice."""
    for month in (FEB, *months_from(MAR, DEC)):
        world.move(month)
    world.allow_booking_for(WEST, EAST)
    ann = world.person("ann", EAST, WEST)
    world.time = month_begins(JAN_2027, DEFAULT_ZONE) - 3_600
    act = Act("travel.bike", {"m": 20_000, "s": 4_000}, world.time, world.time + 4_000, "CN-ZJ-HZ")
    booking = Booking(act, RECEIPT, EAST, guessable=False)
    world.sources[EAST].book(ann.name, [booking])
    world.sources[EAST].send_batches()
    world.move(JAN_2027)
    assert world.sources[WEST].book(ann.name, [booking])[0].outcome == "booked"
    for source in world.sources.values():
        source.close(DEC)
    world.close_month(JAN_2027)
    ann.holder.refresh()
    grams = {
        (own.source, close.month): close.grams[3]
        for own in ann.holder.open_links()
        for close in own.closes
    }
    assert grams == {
        (EAST, DEC): 974,
        (WEST, DEC): 0,
        (EAST, JAN_2027): 0,
        (WEST, JAN_2027): 0,
    }
    years = [tag_of(world.cast.year_key(year), EAST, RECEIPT) for year in (2026, 2027)]
    assert years[0] == world.sources[WEST].tag(booking) != years[1]


# T20, T21: what tags and sizes say


def test_tags_do_not_give_receipt_numbers_away(world: World) -> None:
    """T20: ten thousand guesses against the tags in the vault; the control has K_net."""
    world.person("ann", EAST)
    act = Act("travel.bike", {"m": 900, "s": 300}, world.time, world.time + 300, "CN-ZJ-HZ")
    secret, plain = "TX-0000000000007311", "R-7312"
    world.sources[EAST].book("ann", [Booking(act, secret, EAST, guessable=False)])
    world.sources[EAST].book("ann", [Booking(act, plain, EAST, guessable=True)])
    world.sources[EAST].send_batches()
    guesses = [f"TX-{n:016d}" for n in range(10_000)] + [f"R-{n}" for n in range(10_000)]
    tags = {row.tag for row in world.database.read(lambda tx: tx.all(_Tag, "SELECT tag FROM tags"))}
    opening = (world.cast.actors[EAST].opening,)
    network = world.directory().year_key(EAST, 2026, opening)
    hits = {
        key: [g for g in guesses if tag_of(key, EAST, g) in tags]
        for key in (network, bytes(32), sha256(b"vault").digest())
    }
    assert list(hits.values()) == [[secret], [], []]
    assert not [g for g in guesses if sha256(g.encode()).digest()[:16] in tags]


def test_who_has_k_net_finds_every_number_of_a_small_space_and_nobody_else_any(
    world: World,
) -> None:
    """T20: eight four-digit numbers under K_net; the same numbers under random tags, as they must.

    The control is the search itself: with K_net it finds all eight.
    """
    world.person("ann", EAST)
    world.person("bob", WEST)
    numbers = [f"R-{n:04d}" for n in range(17, 9_999, 1_237)]
    act = Act("travel.bike", {"m": 900, "s": 300}, world.time, world.time + 300, "CN-ZJ-HZ")
    for name, person, guessable in ((EAST, "ann", False), (WEST, "bob", True)):
        source = world.sources[name]
        source.book(person, [Booking(act, n, name, guessable=guessable) for n in numbers])
        source.send_batches()
    tags = {row.tag for row in world.database.read(lambda tx: tx.all(_Tag, "SELECT tag FROM tags"))}
    network = world.directory().year_key(EAST, 2026, (world.cast.actors[EAST].opening,))
    space = [f"R-{n:04d}" for n in range(10_000)]

    def hits(key: bytes, name: str) -> list[str]:
        return [number for number in space if tag_of(key, name, number) in tags]

    assert hits(network, EAST) == numbers
    assert hits(network, WEST) == []
    for guess in (bytes(32), world.place.vault_key.public, world.cast.actors[BANK].key.public):
        assert hits(guess, EAST) == []


class _Tag(NamedTuple):
    tag: bytes


def test_sizes_do_not_tell_how_much_somebody_rode(world: World) -> None:
    """T21, property 12: nobody, once or eight times; the control rode far more and shows it."""
    rides = {"ann": 0, "bob": 1, "cem": 8, "dan": 40}
    people = {name: world.person(name, EAST) for name in rides}
    for name, count in rides.items():
        world.ride(people[name], EAST, *(1_000 + n for n in range(count)))
    world.close_month(JAN)
    wire = {name: world.wire(account_key(person.root)) for name, person in people.items()}

    def shape(name: str) -> tuple[list[tuple[int, int]], list[int]]:
        path = f"/v1/holder/links/{people[name].links[EAST].hex()}"
        texts = objects_of(wire[name].get(f"{path}/batches").body, "batches")
        batches = [Batch.opened(read_envelope(text_of(b, "batch"), Batch.typ)) for b in texts]
        closes = objects_of(wire[name].get(f"{path}/closes").body, "closes")
        found = [
            len(Close.opened(read_envelope(text_of(c, "close"), Close.typ)).cells) for c in closes
        ]
        return [(len(batch.sealed), len(batch.tags)) for batch in batches], found

    assert shape("ann") == shape("bob") == shape("cem") == ([(4096 + 48, 8)], [7])
    assert shape("dan") != shape("ann")


# T24, T25: directories


def test_older_forked_unsigned_or_expired_directory_is_refused(world: World) -> None:
    """T24: whatever the vault serves; the control is the one that the auditor published."""
    ann = world.person("ann", EAST)
    operator = Operator(world)
    world.move(FEB, day=20)
    ann.holder.refresh()
    held = ann.holder.directory
    latest = held.listing.version

    def serve(text: str, signer: bytes, version: int = latest) -> None:
        operator.run(
            "UPDATE directories SET text = ?, signer = ? WHERE version = ?", text, signer, version
        )

    first = world.database.read(
        lambda tx: tx.all(Text, "SELECT text FROM directories ORDER BY version")
    )[0]
    auditor = world.cast.auditor
    fork = held.listing.model_copy(update={"iat": 1}).signed(auditor)
    forged = held.listing.model_copy(update={"version": latest + 1, "prev": held.hash}).signed(
        STRANGER
    )
    skipped = held.listing.model_copy(update={"version": latest + 1, "prev": bytes(32)}).signed(
        auditor
    )
    for text, key in (
        (first.text, auditor),
        (fork, auditor),
        (forged, STRANGER),
        (skipped, auditor),
    ):
        operator.log(text)
        serve(text, key.public)
        with pytest.raises(BadDirectory):
            ann.holder.refresh()
    serve(held.text, auditor.public)
    ann.holder.refresh()
    world.time += 41 * 86_400
    with pytest.raises(BadDirectory, match="expired"):
        ann.holder.refresh()
    world.publish()
    ann.holder.refresh()


def test_directory_under_another_log_is_refused(world: World) -> None:
    """T24: the auditor's signature alone is not enough: the log's key is pinned too."""
    policy = replace(world.policy, log=world.policy.log.replace("vault.test", "other.test"))
    with pytest.raises(BadDirectory, match="another log"):
        fetch_directory(world.wire(), policy, None, world.now())
    assert fetch_directory(world.wire(), world.policy, None, world.now()).listing.version == 1


def test_demo_directory_is_refused_unless_it_was_asked_for(world: World) -> None:
    """T25: the control is the same directory with the demo asked for."""
    policy = Policy(world.policy.auditor, world.policy.log)
    with pytest.raises(BadDirectory, match="demonstration"):
        fetch_directory(world.wire(), policy, None, world.now())
    fetch_directory(world.wire(), replace(policy, demo=True), None, world.now())


# T27: link codes


def test_link_code_of_somebody_else_is_refused(world: World) -> None:
    """T27: mallory gives her code for ann's start, for one that ended, or twice."""
    source, mallory = world.sources[EAST], world.person("mallory")
    nonce = source.offer("ann")
    start = mallory.holder.start_link(EAST, nonce)
    own = source.offer("mallory")
    for customer, shown in (("mallory", nonce), ("ann", own)):
        with pytest.raises(BadCode):
            source.accept(customer, shown, start.code)
    world.time += 600
    with pytest.raises(BadCode):
        source.accept("ann", nonce, start.code)
    world.time -= 600
    source.accept("ann", nonce, start.code)  # the control: what six digits are compared for
    again = source.offer("ann")
    with pytest.raises(BadCode):
        source.accept("ann", nonce, start.code)
    with pytest.raises(BadCode):
        source.accept("ann", again, mallory.holder.start_link(EAST, again).code)


def test_link_code_for_another_vault_is_refused(world: World) -> None:
    """T27: the link code names the vault that the records would go to."""
    source = world.sources[EAST]
    for vault, taken in (("other.vault", False), (VAULT, True)):
        nonce = source.offer("ann")
        code = LinkCode(
            link=bytes(16), k=bytes(32), rec=OpeningKey(bytes(32)).public, vault=vault, nonce=nonce
        )
        public = world.cast.actors[EAST].opening.public
        sealed = seal(public, compact_json(code.plain()), link_info(EAST))
        if taken:
            source.accept("ann", nonce, sealed)
        else:
            with pytest.raises(BadCode):
                source.accept("ann", nonce, sealed)


# T31, T32: state and loss


def test_state_that_goes_back_is_refused(world: World) -> None:
    """T31: a device that saw a later counter; the control is a device that saw none."""
    ann = world.person("ann", EAST)
    row = world.database.read(lambda tx: tx.all(_State, "SELECT counter, blob FROM states"))[0]
    world.allow(ann, CITY)
    ann.holder.refresh()
    Operator(world).run("UPDATE states SET counter = ?, blob = ?", row.counter, row.blob)
    with pytest.raises(BadShape, match="this device saw"):
        ann.holder.refresh()
    fresh = world.holder(ann.root)
    fresh.refresh()
    second = fresh.allow(terms(CITY, categories=(4, 5), first=FEB, last=FEB), "en")
    with pytest.raises(AtomUsed):
        fresh.mint(second)  # it takes what the vault lists as used


class _State(NamedTuple):
    counter: int
    blob: bytes


def lose_answers(world: World, path: str) -> None:
    """Let the vault do what it is asked under a path, and nobody hear of it."""

    def lose(response: httpx2.Response) -> None:
        if response.request.url.path == path:
            world.client.event_hooks = {}
            raise httpx2.ReadTimeout("lost")

    world.client.event_hooks = {"response": [lose]}


def test_lost_answers_cost_nothing_and_double_nothing(world: World) -> None:
    """T32, property 8: batch, close, token and release are each sent again, and stand once."""
    ann = world.person("ann", EAST)
    grant = ann.holder.allow(terms(CITY), "en")
    world.ride(ann, EAST, 20_000)
    source, city = world.sources[EAST], world.platform(CITY)
    lose_answers(world, "/v1/batches")
    with pytest.raises(Unreachable):
        source.send_batches()
    lose_answers(world, "/v1/holder/tokens")
    with pytest.raises(Unreachable):
        ann.holder.mint(grant)
    ann.holder.mint(grant)
    world.move(FEB)
    source.flush()
    lose_answers(world, "/v1/closes")
    with pytest.raises(Unreachable):
        source.close(JAN)
    source.close(JAN)
    lose_answers(world, "/v1/releases")
    with pytest.raises(Unreachable):
        city.total(grant.grant, (JAN,))
    assert city.total(grant.grant, (JAN,)).grams == 974
    report = world.auditor().audit()
    assert (report.counts["close"], report.counts["release"], report.findings) == (1, 1, [])
    assert report.counts["token"] == 3


# The page itself


def test_every_row_of_the_threat_model_names_tests_that_exist() -> None:
    """All rows, from T1 on without a gap; a renamed test is found here."""
    here = Path(__file__).parent.parent
    page = (here / "docs" / "threat-model.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| T(\d+) \|.*\|([^|]*)\|$", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    for number, cell in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(?:\w+::)?(\w+)`", cell)
        assert named or "not yet" in cell, f"T{number} names no test"
        for file, test in named:
            text = (here / file).read_text(encoding="utf-8")
            assert f"def {test}(" in text, f"T{number}: there is no {test} in {file}"
