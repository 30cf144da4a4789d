"""What a hostile vault, a slow network or a second device may do to the SDKs, and must not get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

import pytest

from consent import erasure
from consent.consents import Consents
from consent.demo.cast import BANK, CITY, compose
from consent.holder import Holder
from consent.messages import LinkMonths, Token, TokenPost
from consent.policy import fetch_directory
from tests.test_rejected import close_wrongly
from tests.world import EAST, FEB, JAN, MAR, WEST, Person, World, terms
from vault import batches, journal
from vault.crypto.keys import SigningKey
from vault.encoding import Json, read_envelope, text_hash
from vault.errors import (
    Absent,
    BadCode,
    BadDirectory,
    BadJws,
    BadProof,
    BadShape,
    FalseAbsent,
    LogUnavailable,
    NotFound,
    Paused,
    Revoked,
    TooMany,
    Unlinked,
    Unreachable,
    VaultError,
)
from vault.messages import AbsentMonth, Link, Party
from vault.months import DEFAULT_ZONE, Month, month_begins
from vault.storage.database import Transaction
from vault.wire import Answer, Wire

Body = dict[str, Json]


class Between(Wire):
    """A wire whose answers somebody in between may change, and whose posts they read."""

    def __init__(self, real: Wire) -> None:
        self._real = real
        self.answers: dict[str, Callable[[Body], Body]] = {}
        self.before: Callable[[str, bytes], None] = lambda path, body: None
        self.posted: list[bytes] = []

    def send(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        raw = body.encode("ascii") if isinstance(body, str) else body
        self.before(path, raw)
        if path == "/v1/holder/tokens" and method == "POST":
            self.posted.append(raw)
        answer = self._real.send(method, path, body, headers)
        change = self.answers.get(path) if method == "GET" else None
        return Answer(change(answer.body), answer.etag) if change else answer

    def tokens(self) -> list[Token]:
        """The tokens that were sealed and sent."""
        posts = [TokenPost.parse(raw) for raw in self.posted]
        return [Token.opened(read_envelope(post.token, Token.typ)) for post in posts]


def between(holder: Holder) -> Between:
    wire = Between(holder._wire)
    holder._wire = holder._device._wire = wire
    return wire


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def test_a_token_that_no_device_made_is_no_reason_to_seal_a_smaller_window(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, CITY)
    wire = between(ann.holder)
    cells = (LinkMonths(ann.links[EAST], (JAN,)),)
    forged = Token(iat=1, grant=grant.grant, window=(JAN,), cells=cells, sealed=bytes(32))
    text = forged.signed(SigningKey(b"\7" * 32))
    wire.answers["/v1/holder/tokens"] = lambda body: {"tokens": [{"token": text}]}
    wire.answers["/v1/holder/releases"] = lambda body: {"releases": []}
    with pytest.raises(BadJws):
        ann.holder.mint(grant)
    assert wire.posted == []


def test_hiding_tokens_and_releases_gives_no_smaller_window(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, CITY)
    wire = between(ann.holder)
    wire.answers["/v1/holder/tokens"] = lambda body: {"tokens": []}
    wire.answers["/v1/holder/releases"] = lambda body: {"releases": []}
    ann.holder.mint(grant)
    assert all(len(token.cells) == 2 for token in wire.tokens())


def test_two_devices_that_race_seal_one_cell_set_and_both_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = world.person("ann", EAST)
    grant = ann.holder.allow(terms(CITY), "en")
    second = world.holder(ann.root)
    second.refresh()
    wire = between(second)
    original = Consents._mint
    raced: list[bool] = []

    def slow(self: Consents, *rest: object) -> None:
        if self is second and not raced:
            raced.append(True)
            world.link(ann, WEST)
            ann.holder.mint(grant)
        original(self, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Consents, "_mint", slow)
    second.mint(grant)
    assert {len(token.cells) for token in wire.tokens()} == {2}
    for device in (ann.holder, second, world.holder(ann.root)):
        device.refresh()
        assert device.mint(grant) == []


def test_after_a_stop_nothing_is_sealed_whatever_the_vault_says(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY, last=Month("2026-09"))
    ann.holder.stop(grant)
    world.move(Month("2026-06"))
    for device in (ann.holder, world.holder(ann.root)):
        wire = between(device)
        wire.answers["/v1/holder/grants"] = lambda body: revived(body)
        device.refresh()
        with pytest.raises(Revoked):
            device.mint(grant)
        assert wire.posted == []


def test_a_paused_grant_is_not_sealed_for_whatever_the_vault_says(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY, last=Month("2026-09"))
    ann.holder.pause(grant)
    between(ann.holder).answers["/v1/holder/grants"] = lambda body: revived(body)
    with pytest.raises(Paused):
        ann.holder.mint(grant, ahead=12)


def revived(body: Body) -> Body:
    listed = body["grants"]
    assert isinstance(listed, list)
    return {"grants": [{**g, "state": "live", "n": 0} for g in listed if isinstance(g, dict)]}


@pytest.mark.parametrize("ahead", [-1, 13])
def test_tokens_are_made_at_most_a_year_ahead(world: World, ahead: int) -> None:
    ann = world.person("ann", EAST)
    grant = ann.holder.allow(terms(CITY), "en")
    with pytest.raises(BadShape):
        ann.holder.mint(grant, ahead=ahead)


def test_a_link_answered_for_other_months_is_refused_before_it_is_kept(world: World) -> None:
    ann = world.person("ann", EAST)
    world.move(FEB)
    world.move(MAR)
    source = world.sources[WEST]
    nonce = source.offer("ann")
    start = ann.holder.start_link(WEST, nonce)
    good = Link.opened(read_envelope(source.accept("ann", nonce, start.code), Link.typ))
    late = good.model_copy(update={"begins": JAN}).signed(source.identity.key)
    with pytest.raises(BadCode):
        ann.holder.attach(start, late)
    assert len(ann.holder.open_links()) == 1


def test_a_link_that_never_reached_the_vault_stands_in_nobodys_way(world: World) -> None:
    ann = world.person("ann", EAST)
    source = world.sources[WEST]
    nonce = source.offer("ann")
    start = ann.holder.start_link(WEST, nonce)
    wire = between(ann.holder)
    wire.before = lambda path, body: lose(path == "/v1/holder/links")
    with pytest.raises(Unreachable):
        ann.holder.attach(start, source.accept("ann", nonce, start.code))
    wire.before = lambda path, body: None
    grant = world.allow(ann, CITY)
    assert len(ann.holder.open_links()) == 1
    assert len(wire.tokens()[0].cells) == 1
    assert grant.grant


def lose(here: bool) -> None:
    if here:
        raise Unreachable("lost on the way")


class LostAnswer:
    """Loses the answer to the first request for a path, after the vault has taken it."""

    def __init__(self, wire: Between, path: str) -> None:
        self._send, self._path, self._lost = wire._real.send, path, False
        wire._real.send = self  # type: ignore[method-assign, assignment]

    def __call__(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        answer = self._send(method, path, body, headers)
        if path == self._path and method != "GET" and not self._lost:
            self._lost = True
            raise Unreachable("the answer was lost")
        return answer


@pytest.mark.parametrize(
    ("path", "act"),
    [
        ("/v1/holder/binds", lambda w, p: p.holder.allow(terms(BANK), "en")),
        ("/v1/holder/grants", lambda w, p: p.holder.allow(terms(BANK), "en")),
        ("/v1/holder/links", lambda w, p: w.link(p, WEST)),
        ("/v1/holder", lambda w, p: p.holder.erase()),
    ],
)
def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(
    world: World, path: str, act: Callable[[World, Person], object]
) -> None:
    ann = world.person("ann", EAST)
    LostAnswer(between(ann.holder), path)
    act(world, ann)
    assert world.auditor().audit().findings == []


def test_a_bind_made_by_another_device_is_taken_as_done(world: World) -> None:
    ann = world.person("ann", EAST)
    stale = world.holder(ann.root)
    world.allow(ann, CITY)
    stale.refresh()
    between(stale).answers["/v1/holder/state"] = lambda body: body
    assert stale.allow(terms(CITY, data_life_days=7), "en").data_life_days == 7


def test_an_absent_of_another_month_is_no_answer_to_a_close(world: World) -> None:
    ann = world.person("ann", EAST)
    east = world.sources[EAST]
    world.ride(ann, EAST, 5_000)
    east.send_batches()
    world.move(FEB)
    east.close(JAN)
    world.move(MAR)
    lie = AbsentMonth(iat=world.time, link=ann.links[EAST], month=JAN).signed(world.place.vault_key)
    wire = Between(east._wire)
    east._delivery._wire = wire

    def answer(path: str, body: bytes) -> None:
        if path == "/v1/closes":
            raise Absent("absent", lie)

    wire.before = answer
    with pytest.raises(BadShape, match="calls 2026-01 absent"):
        east.close(FEB)
    wire.before = lambda path, body: None
    east.close(FEB)
    grams = {close.month: json.loads(close.grams)[3] for close in east.closes()}
    assert grams == {JAN: 243, FEB: 0}


def test_an_absent_of_a_receipted_month_is_kept_as_evidence(world: World) -> None:
    ann = world.person("ann", EAST)
    east = world.sources[EAST]
    world.close_month(JAN)
    link = ann.links[EAST]
    lie = AbsentMonth(iat=world.time, link=link, month=JAN).signed(world.place.vault_key)
    wire = Between(east._wire)
    east._delivery._wire = wire
    wire.answers[f"/v1/links/{link.hex()}"] = lambda body: {**body, "absents": [lie]}
    world.move(MAR)
    with pytest.raises(FalseAbsent):
        east.close(FEB)
    (kept,) = east.evidence()
    assert (kept.link, kept.text) == (link, lie)


def test_a_passing_refusal_does_not_make_a_source_forget_a_close_that_is_due(
    world: World,
) -> None:
    ann = world.person("ann", EAST)
    east = world.sources[EAST]
    world.ride(ann, EAST, 5_000)
    east.send_batches()
    world.move(FEB, day=3)
    ann.holder.unlink(ann.links[EAST])
    east.send_batches()
    wire = Between(east._wire)
    east._delivery._wire = wire
    wire.before = lambda path, body: busy()
    with pytest.raises(LogUnavailable):
        east.close(JAN)
    wire.before = lambda path, body: None
    (close,) = east.close(JAN)
    assert json.loads(close.grams)[3] == 243


def busy() -> None:
    raise LogUnavailable("not at the moment")


def test_closing_a_missed_month_leaves_the_due_one_to_be_closed(world: World) -> None:
    ann = world.person("ann", EAST)
    east = world.sources[EAST]
    world.ride(ann, EAST, 5_000)
    east.send_batches()
    world.move(FEB, day=3)
    world.ride(ann, EAST, 3_000)
    east.send_batches()
    world.move(MAR, day=2)
    ann.holder.unlink(ann.links[EAST])
    east.close(JAN)
    (close,) = east.close(FEB)
    assert json.loads(close.grams)[3] == (243_500 + 146_100) // 1000


def test_a_customer_is_never_stuck_at_a_source(world: World) -> None:
    east = world.sources[EAST]
    ann = world.person("ann")
    nonce = east.offer("ann")
    start = ann.holder.start_link(EAST, nonce)
    east.accept("ann", nonce, start.code)  # the answer never reaches the holder
    for month in (FEB, MAR):
        world.move(month)
    east.check_attached()
    world.link(ann, EAST)
    bob, eve = world.person("bob", EAST), world.person("eve", EAST)
    bob.holder.erase()
    east.unlink("bob")
    eve.holder.unlink(eve.links[EAST])
    east.unlink("eve")
    for customer in ("bob", "eve"):
        with pytest.raises(NotFound):
            east.link_of(customer)


def test_a_random_tag_is_never_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = world.person("ann", EAST)
    world.ride(ann, EAST, 5_000, 8_000, 20_000)
    real = batches._take_tags

    def lie(tx: Transaction, tags: tuple[bytes, ...], at: int) -> tuple[int, ...]:
        real(tx, tags, at)
        return tuple(range(7))

    monkeypatch.setattr(batches, "_take_tags", lie)
    east = world.sources[EAST]
    with pytest.raises(BadShape, match="random tag"):
        east.send_batches()
    assert len(east.evidence()) == 1


def test_an_unlink_is_not_older_in_the_log_than_its_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, CITY)
    world.close_month(JAN)
    world.move(MAR)
    wire = between(ann.holder)
    past = month_begins(JAN, DEFAULT_ZONE) + 9 * 3600
    real = journal.append

    def antedate(*words: object) -> bytes:
        name = real(*words)  # type: ignore[arg-type]
        words[0].run("UPDATE journal SET at = ? WHERE hash = ?", past, name)  # type: ignore[attr-defined]
        return name

    monkeypatch.setattr(journal, "append", antedate)
    ann.holder.unlink(ann.links[WEST])
    with pytest.raises(BadShape, match="older than the message"):
        ann.holder.mint(grant)
    assert wire.posted == []


def test_a_reject_of_one_link_leaves_out_no_month_of_another(world: World) -> None:
    """Else the difference of two tokens is one link's total, for a vault with its platform."""
    ann = world.person("ann", EAST, WEST)
    world.move(FEB)
    close_wrongly(world, EAST, JAN)
    world.sources[WEST].close(JAN)
    ann.holder.refresh()
    east, west = (f"/v1/holder/links/{ann.links[name].hex()}/closes" for name in (EAST, WEST))
    ann.holder.reject(ann.links[EAST], world.sources[EAST].closes()[0].text)
    found = {fact.link: fact.absent for fact in ann.holder.link_facts()}
    assert found == {ann.links[EAST]: {JAN}, ann.links[WEST]: set()}
    wire = between(ann.holder)
    theirs = wire.get(east).body
    wire.answers[west] = lambda _: theirs
    with pytest.raises(BadShape, match="another link"):
        ann.holder.link_facts()


def test_a_link_that_ended_by_the_vaults_word_alone_has_not_ended(world: World) -> None:
    ann = world.person("ann", EAST)
    link = ann.links[EAST]
    wire = between(ann.holder)

    def gone(path: str, body: bytes) -> None:
        if path.endswith("/unlink"):
            raise Unlinked("gone")

    wire.before = gone
    with pytest.raises(BadProof, match="word alone"):
        ann.holder.unlink(link)
    assert [fact.ends for fact in ann.holder.link_facts()] == [None]
    wire.before = lambda path, body: None
    ann.holder.unlink(link)  # the control: a vault that does what was asked
    wire.before = gone
    ann.holder.unlink(link)  # and then the same word, which the log proves
    assert [fact.ends for fact in ann.holder.link_facts()] == [JAN]


def test_an_absent_before_the_end_of_its_slot_is_not_believed(world: World) -> None:
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, CITY)
    link = ann.links[WEST]
    lie = AbsentMonth(iat=world.time, link=link, month=JAN).signed(world.place.vault_key)

    def early(tx: Transaction) -> None:
        tx.run("INSERT INTO absents VALUES (?, ?, ?)", link, JAN, lie)
        journal.append(tx, world.app.state.service.operator, lie, ann.holder.account)

    world.database.write(early)
    wire = between(ann.holder)
    with pytest.raises(BadShape, match="before its slot is over"):
        ann.holder.mint(grant)
    assert wire.posted == []


def test_nothing_of_an_account_is_taken_once_its_erasure_has_begun(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.ride(ann, EAST, 5_000)
    world.sources[EAST].send_batches()
    world.move(FEB)
    tried: list[type[VaultError]] = []
    original = erasure.complete

    def meanwhile(*words: object) -> object:
        for act in (
            lambda: world.sources[EAST].close(JAN),
            lambda: world.platform(CITY).total(grant.grant, (JAN,)),
            lambda: ann.holder.allow(terms(BANK), "en"),
        ):
            try:
                act()
            except VaultError as refused:
                tried.append(type(refused))
        return original(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(erasure, "complete", meanwhile)
    ann.holder.erase()
    assert [kind.slug for kind in tried] == ["not-found", "not-found", "unknown-key"]
    assert world.auditor().audit().findings == []


def test_who_leaves_the_directory_cannot_come_back_as_another(world: World) -> None:
    held = world.directory()

    def without(party_id: str) -> str:
        listing = compose(world.cast, world.edition())
        entries = tuple(p for p in listing.entries if p.id != party_id)
        return listing.model_copy(update={"entries": entries}).signed(world.cast.auditor)

    with pytest.raises(VaultError, match="left the directory"):
        world.wire(world.cast.auditor).post("/v1/directory", without(CITY))
    assert fetch_directory(world.wire(), world.policy, held, world.time).text == held.text
    assert text_hash(held.text) == held.hash


def test_a_signing_key_does_not_leave_the_directory(world: World) -> None:
    listing = compose(world.cast, world.edition())

    def other(party: Party) -> Party:
        if party.id != CITY:
            return party
        key = party.sig[0].model_copy(update={"pk": SigningKey(b"\x31" * 32).public})
        return party.model_copy(update={"sig": (key,)})

    entries = tuple(other(party) for party in listing.entries)
    text = listing.model_copy(update={"entries": entries}).signed(world.cast.auditor)
    with pytest.raises(VaultError, match="keys end by their until"):
        world.wire(world.cast.auditor).post("/v1/directory", text)


def test_no_sdk_goes_by_a_directory_that_has_expired(world: World) -> None:
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    world.close_month(JAN)
    city = world.platform(CITY)
    world.time += 60 * 86400
    for act in (
        lambda: city.total(grant.grant, (JAN,)),
        lambda: ann.holder.mint(grant),
        lambda: world.sources[EAST].send_batches(),
    ):
        with pytest.raises(BadDirectory, match="expired"):
            act()
    world.publish()
    assert city.total(grant.grant, (JAN,)).grams == 0
    ann.holder.mint(grant)


def test_wraps_can_be_asked_for_only_so_often(world: World) -> None:
    wire = world.wire()
    met: list[type[VaultError]] = []
    for guess in range(70):
        try:
            wire.get(f"/v1/wraps/{guess:032x}")
        except VaultError as refused:
            met.append(type(refused))
    assert met[0] is NotFound
    assert met[-1] is TooMany


def test_a_source_goes_back_to_no_older_directory(world: World) -> None:
    east, old = world.sources[EAST], world.directory()
    world.publish()
    east.directory = world.directory()
    with pytest.raises(BadDirectory, match="does not follow"):
        east.directory = old
    assert east.directory.listing.version == old.listing.version + 1
