"""A log that is forged, cut or glued, and the audit that finds it: T9 to T15 in the replay.

Each test names the fact and the row of docs/threat-model.md, and has a control: the mechanism taken
out in a naive copy here, never in the product. An attack that succeeds nowhere would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from consent.auditor import Auditor
from consent.demo.cast import CITY, VAULT
from consent.log.merkle import leaf_hash, root, verify_consistency
from consent.log.proof import leaf_data
from consent.log.tlog_policy import open_checkpoint
from consent.messages import (
    LinkMonths,
    Revoke,
    Token,
)
from consent.policy import check_logged
from consent.replay import Finding, Replay
from tests.attacks import (
    JUN,
    KINDS,
    MAY,
    MESSAGES,
    QUARTER,
    STRANGER,
    Logged,
    Operator,
    Story,
    consent,
    forge_close,
    found,
    sign_free_grant,
    tell,
    total,
)
from tests.site_files import put_site
from tests.world import APR, EAST, FEB, JAN, MAR, WEST, Person, World, terms
from vault import journal
from vault.crypto.commit import Scalar, commit
from vault.crypto.keys import SigningKey, account_key
from vault.encoding import read_envelope, text_hash
from vault.errors import (
    BadProof,
    Revoked,
)
from vault.messages import (
    Account,
    Attach,
    Close,
    Link,
    Listing,
    Party,
)


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


# T10 to T12: the log


def test_entry_taken_out_or_changed_in_the_database_is_found(story: Story) -> None:
    """T11: without signing anew each leaf wants its own text."""
    operator, world = Operator(story.world), story.world
    rows = operator.rows()
    assert found(world) == []
    grant = next(row for row in rows if Logged(row.at, row.text).kind == "grant")
    operator.run("DELETE FROM journal WHERE id = ?", grant.id)
    assert (grant.position, "leaf") in found(world)
    operator.run(
        "INSERT INTO journal (id, position, hash, at, salt, text) VALUES (?, ?, ?, ?, ?, ?)",
        *(grant.id, grant.position, text_hash(grant.text), grant.at, grant.salt, grant.text),
    )
    assert found(world) == []
    last = rows[-1]
    for column, value in (("at", last.at + 1), ("salt", bytes(16)), ("text", rows[0].text)):
        operator.run(f"UPDATE journal SET {column} = ? WHERE id = ?", value, last.id)
        assert found(world) == [(last.position, "leaf")]
        operator.run(
            "UPDATE journal SET at = ?, salt = ? WHERE id = ?", last.at, last.salt, last.id
        )
        operator.run("UPDATE journal SET text = ? WHERE id = ?", last.text, last.id)
    assert found(world) == []


def test_leaves_that_are_not_the_signed_tree_are_found(story: Story) -> None:
    """T11: the operator changes a text and its leaf, and leaves the checkpoint as it was."""
    operator, world = Operator(story.world), story.world
    rows = operator.rows()
    operator.run("UPDATE journal SET salt = ? WHERE position = 3", bytes(16))
    leaves = [leaf_data(r.salt if i != 3 else bytes(16), r.at, r.text) for i, r in enumerate(rows)]
    bundle = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
    operator.run("UPDATE log_tile SET data = ? WHERE level = -1", bundle)
    assert found(world) == [(len(rows), "root")]


DROPPED = {"bind": "grant", "grant": "token", "token": "release", "account": "attach"}


@pytest.mark.parametrize(("kind", "rule"), [*DROPPED.items(), ("attach", "close")])
def test_log_signed_anew_without_an_entry_breaks_the_rule_that_needs_it(
    story: Story, kind: str, rule: str
) -> None:
    """T11: dropped and re-signed with all that follows; the control is the same log in full."""
    operator = Operator(story.world)
    total(story, story.bank, QUARTER)
    entries = operator.entries()
    operator.rewrite(entries)
    assert found(story.world) == []
    place = next(i for i, entry in enumerate(entries) if entry.kind == kind)
    operator.rewrite(entries[:place] + entries[place + 1 :])
    assert rule in {broken for _, broken in found(story.world)}


def test_log_signed_anew_in_another_order_breaks_a_rule(story: Story) -> None:
    """T11: each entry moved before its cause is found, by its own rule."""
    operator = Operator(story.world)
    total(story, story.bank, QUARTER)
    entries = operator.entries()
    for kind in ("grant", "token", "release"):
        moved = next(entry for entry in entries if entry.kind == kind)
        others = [entry for entry in entries if entry is not moved]
        first = Logged(others[0].at, moved.text)
        operator.rewrite([others[0], first, *others[1:]])
        assert (1, kind) in found(story.world)


def test_holders_proof_does_not_fit_a_log_signed_anew(story: Story) -> None:
    """T11, T12: a dropped stop looks whole to a first audit; two checkpoints side by side prove it.

    The control is an auditor without memory; the one who kept the last checkpoint finds it.
    """
    operator, world = Operator(story.world), story.world
    directory = world.directory()
    revoke = Revoke(iat=world.now(), grant=story.city.grant, n=1).signed(
        consent(story.ann, story.city)
    )
    before = operator.entries()
    proof = operator.log(revoke)
    check_logged(directory, revoke, proof)
    size, old = len(operator.rows()), root([leaf_hash(_leaf(r)) for r in operator.rows()])
    honest = world.auditor().audit()
    assert (honest.findings, honest.root) == ([], old)
    last = open_checkpoint(honest.signed, world.app.state.log.vkey).checkpoint
    key = world.cast.auditor
    kept = Auditor(key, world.wire(key), world.policy, honest.owners, last)
    assert kept.audit().findings == []
    forger = SigningKey(b"\x05" * 32)
    operator.rewrite([*before, Logged(before[-1].at, _account(world, forger))])
    assert found(world) == []
    assert ("forked", size) in {(f.rule, f.index) for f in kept.audit().findings}
    fork = world.auditor().audit()
    assert (fork.size, fork.root != old) == (size, True)
    log = open_checkpoint(fork.signed, world.app.state.log.vkey).checkpoint
    with pytest.raises(BadProof):
        verify_consistency(size, size, old, log.root, [])
    verify_consistency(size, size, old, old, [])  # one log has one root


def _leaf(row: journal.Entry) -> bytes:
    return leaf_data(row.salt, row.at, row.text)


def _account(world: World, key: SigningKey) -> str:
    account = Account(iat=world.now(), pk=key.public, vault=VAULT, over14=True)
    return account.signed(key)


# T9 to T15 in the replay: every rule has a log that breaks it and nothing else


class Tape:
    """A copy of a log that can be cut and glued, with the keys of everybody in it."""

    def __init__(self, story: Story, cem: Person, entries: list[Logged]) -> None:
        self.story, self.cem, self.entries = story, cem, list(entries)
        self.keys = {
            "account": account_key(story.ann.root),
            "cem": account_key(cem.root),
            "bank": consent(story.ann, story.bank),
            "city": consent(story.ann, story.city),
            "vault": story.world.place.vault_key,
            "auditor": story.world.cast.auditor,
            "east": story.world.cast.actors[EAST].key,
            "west": story.world.cast.actors[WEST].key,
            "stranger": STRANGER,
        }

    def place(self, kind: str, number: int = 0) -> int:
        return [i for i, entry in enumerate(self.entries) if entry.kind == kind][number]

    def drop(self, kind: str, number: int = 0) -> None:
        del self.entries[self.place(kind, number)]

    def double(self, kind: str, number: int = 0) -> None:
        place = self.place(kind, number)
        self.entries.insert(place + 1, self.entries[place])

    def move(self, kind: str, number: int, to: int) -> None:
        entry = self.entries.pop(self.place(kind, number))
        self.entries.insert(to, Logged(self.entries[to].at, entry.text))

    def add(self, text: str, at: int | None = None) -> None:
        self.entries.append(Logged(at or self.entries[-1].at, text))

    def change(self, kind: str, number: int, key: str, **changed: object) -> None:
        """Replace an entry by one with other members, signed by this key."""
        place = self.place(kind, number)
        entry = self.entries[place]
        message = MESSAGES[kind].opened(read_envelope(entry.text, *KINDS))
        text = message.model_copy(update=changed).signed(self.keys[key])
        self.entries[place] = Logged(entry.at, text)

    def replay(self) -> list[Finding]:
        replay = Replay(self.story.world.place.settings.auditor)
        for index, entry in enumerate(self.entries):
            if entry.text:
                replay.take(index, entry.at, entry.text)
            else:
                replay.miss(index)
        replay.finish()
        return replay.findings


@pytest.fixture(scope="module")
def reel() -> Iterator[Tape]:
    """A log with every kind of entry, and gaps where bob's were: he has left."""
    with World(seed=b"reel") as world:
        story = tell(world)
        total(story, story.bank, QUARTER)
        total(story, story.city, (JAN,))
        story.ann.holder.stop(story.city)
        with pytest.raises(Revoked):
            total(story, story.city, (JAN,))
        cem = world.person("cem", WEST)
        world.move(MAY)
        unreadable = forge_close(world, cem, APR)
        cem.holder.reject(cem.links[WEST], unreadable)
        cem.holder.unlink(cem.links[WEST])
        story.ann.holder.pause(story.bank)
        story.ann.holder.resume(story.bank)
        world.move(JUN)  # both sources slept: April is absent for ann
        bob = world.person("bob", EAST)
        world.allow(bob, CITY, first=JUN, last=JUN)
        bob.holder.erase()
        put_site(world)
        yield Tape(story, cem, with_gaps(Operator(world)))


def with_gaps(operator: Operator) -> list[Logged]:
    """Return the log by index; an entry whose text was erased has none."""
    rows = {row.position: row for row in operator.rows()}
    found = [rows.get(index) for index in range(1 + max(p for p in rows if p is not None))]
    return [Logged(row.at, row.text) if row else Logged(0, "") for row in found]


def _revoke_before_release(tape: Tape) -> None:
    tape.move("revoke", 0, tape.place("release", 1))


def _release_late(tape: Tape) -> None:
    place = tape.place("release")
    release, tape.entries[place] = tape.entries[place], Logged(0, "")
    tape.add(release.text, max(tape.story.bank.until, tape.entries[-1].at))


def _at_falls(tape: Tape) -> None:
    place = tape.place("release", 1)
    tape.entries[place] = Logged(tape.entries[place - 1].at - 1, tape.entries[place].text)


def _second_close(tape: Tape) -> None:
    tape.double("close")
    tape.change("close", 1, "east" if _source(tape, 0) == EAST else "west", iat=1)


def _source(tape: Tape, number: int) -> str:
    entry = tape.entries[tape.place("close", number)]
    link = Close.opened(read_envelope(entry.text, Close.typ)).link
    return next(name for name, found in tape.story.ann.links.items() if found == link)


def _closed(number: int, **changed: object) -> Callable[[Tape], None]:
    def change(tape: Tape) -> None:
        key = "east" if _source(tape, number) == EAST else "west"
        tape.change("close", number, key, **changed)

    return change


def _close_by_the_other_source(tape: Tape) -> None:
    tape.change("close", 0, "west" if _source(tape, 0) == EAST else "east")


def _change(kind: str, number: int, key: str, **changed: object) -> Callable[[Tape], None]:
    return lambda tape: tape.change(kind, number, key, **changed)


def _drop(kind: str, number: int = 0) -> Callable[[Tape], None]:
    return lambda tape: tape.drop(kind, number)


def _double(kind: str) -> Callable[[Tape], None]:
    return lambda tape: tape.double(kind)


def _overlap(tape: Tape) -> None:
    """The holder grants the city January over one more category, and the vault takes the token."""
    asked = terms(CITY, categories=(4, 5), first=JUN, last=JUN)
    asked = asked.model_copy(update={"first": JAN, "last": JUN})
    again = sign_free_grant(tape.story.world, tape.story.ann, asked)
    tape.add(again.signed(tape.keys["city"]))
    tape.add(_token(tape).model_copy(update={"grant": again.grant}).signed(tape.keys["city"]))


def _token(tape: Tape) -> Token:
    """Return the city's token of January."""
    tokens = [
        Token.opened(read_envelope(entry.text, Token.typ))
        for entry in tape.entries
        if entry.kind == "token"
    ]
    return next(t for t in tokens if (t.grant, t.window) == (tape.story.city.grant, (JAN,)))


def _token_with(**changed: object) -> Callable[[Tape], None]:
    """Put another token of January in the place of the city's."""

    def change(tape: Tape) -> None:
        wanted = _token(tape).signed(tape.keys["city"])
        number = [e.text for e in tape.entries if e.kind == "token"].index(wanted)
        tape.change("token", number, "city", **changed)

    return change


def _token_after_the_stop(tape: Tape) -> None:
    token = _token(tape).model_copy(update={"window": (APR,), "iat": 1})
    tape.add(token.signed(tape.keys["city"]))


def _cells_before_the_link(tape: Tape) -> None:
    """A link of June stands in a token of May."""
    link, made = b"\x0a" * 16, tape.entries[-1].at
    answer = Link(iat=made, link=link, source=EAST, msg=bytes(32), begins=JUN)
    receipt = answer.signed(tape.keys["east"])
    tape.add(Attach(iat=made, link=link, receipt=receipt).signed(tape.keys["account"]))
    asked = terms(CITY, categories=(4, 5), first=MAY, last=JUN)
    grant = sign_free_grant(tape.story.world, tape.story.ann, asked)
    tape.add(grant.signed(tape.keys["city"]))
    cells = (LinkMonths(link, (MAY,)),)
    token = Token(iat=made, grant=grant.grant, window=(MAY,), cells=cells, sealed=bytes(32))
    tape.add(token.signed(tape.keys["city"]))


def _link_of_another_month(tape: Tape) -> None:
    place = tape.place("attach")
    attach = Attach.opened(read_envelope(tape.entries[place].text, Attach.typ))
    answer = Link.opened(read_envelope(attach.receipt, Link.typ))
    key = tape.keys["east" if answer.source == EAST else "west"]
    receipt = answer.model_copy(update={"begins": FEB}).signed(key)
    tape.change("attach", 0, "account", receipt=receipt)


def _own_source(tape: Tape) -> None:
    """The directory says that the first source is the city's own."""

    def own(party: Party) -> Party:
        return party.model_copy(update={"org": CITY}) if party.id == EAST else party

    prev = None
    for number, entry in enumerate([e for e in tape.entries if e.kind == "directory"]):
        listing = Listing.opened(read_envelope(entry.text, Listing.typ))
        changed = {"entries": tuple(map(own, listing.entries)), "prev": prev or listing.prev}
        tape.change("directory", number, "auditor", **changed)
        prev = text_hash(tape.entries[tape.place("directory", number)].text)


def _directory(number: int, key: str, **changed: object) -> Callable[[Tape], None]:
    return lambda tape: tape.change("directory", number, key, **changed)


def _release_in_the_pause(tape: Tape) -> None:
    release = tape.entries.pop(tape.place("release"))
    place = tape.place("resume")
    tape.entries.insert(place, Logged(tape.entries[place].at, release.text))


def _erased_too_much(tape: Tape) -> None:
    tape.change("erased", 0, "vault", indexes=(1, *_gaps(tape)))


def _erased_too_little(tape: Tape) -> None:
    tape.change("erased", 0, "vault", indexes=tuple(_gaps(tape)[1:]))


def _gaps(tape: Tape) -> list[int]:
    return [index for index, entry in enumerate(tape.entries) if not entry.text]


ODD = Scalar(12_345)
FORGED: dict[str, tuple[Callable[[Tape], None], str, str]] = {
    "account is missing": (_drop("account"), "attach", "no account"),
    "account stands twice": (_double("account"), "account", "twice"),
    "account of another vault": (_change("account", 0, "account", vault="x.y"), "account", "x.y"),
    "account by a stranger": (_change("account", 0, "stranger"), "account", "kid"),
    "bind is missing": (_drop("bind"), "grant", "no bind"),
    "bind stands twice": (_double("bind"), "bind", "bound already"),
    "bind by a stranger": (_change("bind", 0, "stranger"), "bind", "no account"),
    "bind after its grant": (lambda t: t.move("bind", 0, t.place("grant")), "grant", "no bind"),
    "attach is missing": (_drop("attach"), "token", "no such link"),
    "attach stands twice": (_double("attach"), "attach", "attached already"),
    "attach of another link": (
        _change("attach", 0, "account", link=bytes(16)),
        "attach",
        "another",
    ),
    "attach of a month to come": (_link_of_another_month, "attach", "is attached in"),
    "grant is missing": (_drop("grant"), "token", "no such grant"),
    "grant stands twice": (_double("grant"), "grant", "id stands before"),
    "grant by a stranger": (_change("grant", 0, "stranger"), "grant", "no bind"),
    "grant to another organisation": (_change("grant", 0, "bank", org=CITY), "grant", "no bind"),
    "grant naming another key": (_change("grant", 0, "bank", pk=STRANGER.public), "grant", "key"),
    "grant beyond its template": (
        _change("grant", 0, "bank", data_life_days=91),
        "grant",
        "data_life_days",
    ),
    "token is missing": (_drop("token"), "release", "newest token"),
    "token before its grant": (lambda t: t.move("token", 0, t.place("grant")), "token", "grant"),
    "token by a stranger": (_change("token", 0, "stranger"), "token", "no bind"),
    "token of no window": (_token_with(window=(APR,)), "token", "no window"),
    "token over an atom of another": (_overlap, "token", "overlaps"),
    "token after the stop": (_token_after_the_stop, "token", "revoked"),
    "token over a link of nobody": (
        _token_with(cells=(LinkMonths(b"\xff" * 16, (JAN,)),)),
        "token",
        "no such link",
    ),
    "token over the city's own source": (_own_source, "token", "own source"),
    "token over a month before its link": (_cells_before_the_link, "token", "began"),
    "close is missing": (_drop("close"), "release", "does not stand before"),
    "close for a month twice": (_second_close, "close", "closed twice"),
    "close before its slot": (_closed(0, month=FEB), "close", "outside its slot"),
    "close after its slot": (_closed(5, month=FEB), "close", "outside its slot"),
    "close by another source": (_close_by_the_other_source, "close", "not this source's"),
    "close by a stranger": (_change("close", 0, "stranger"), "close", "no source key"),
    "close of a link of nobody": (_closed(0, link=bytes(16)), "close", "not this source's"),
    "close by another methodology": (_closed(0, methodology="demo-0"), "close", "not in force"),
    "release is before its close": (
        lambda t: t.move("release", 0, t.place("close", 5)),
        "release",
        "does not stand before",
    ),
    "release before its token": (
        lambda t: t.move("release", 0, t.place("token")),
        "release",
        "newest token",
    ),
    "release stands twice": (_double("release"), "release", "released for this purpose"),
    "release by a stranger": (_change("release", 0, "stranger"), "release", "no vault key"),
    "release of another c": (_change("release", 0, "vault", c=ODD), "release", "not the sum"),
    "release of another C": (
        _change("release", 0, "vault", C=commit(5, ODD)),
        "release",
        "not the sum",
    ),
    "release of other closes": (
        _change("release", 0, "vault", closes=bytes(32)),
        "release",
        "closes:",
    ),
    "release of another methodology": (
        _change("release", 0, "vault", methodology=("demo-0",)),
        "release",
        "methodology:",
    ),
    "release of another token": (
        _change("release", 0, "vault", token=bytes(32)),
        "release",
        "newest token",
    ),
    "release for another purpose": (
        _change("release", 0, "vault", purpose="TargetedAdvertising"),
        "release",
        "no purpose",
    ),
    "release of a window without a token": (
        _change("release", 0, "vault", window=(APR,)),
        "release",
        "newest token",
    ),
    "release after the stop": (_revoke_before_release, "release", "revoked"),
    "release after the grant's until": (_release_late, "release", "until"),
    "revoke stands twice": (_double("revoke"), "revoke", "wanted n"),
    "revoke of another number": (_change("revoke", 0, "city", n=2), "revoke", "wanted n"),
    "revoke by a stranger": (_change("revoke", 0, "stranger"), "revoke", "no bind"),
    "revoke by the key of another grant": (_change("revoke", 0, "bank"), "revoke", "no bind"),
    "refusal by a stranger": (_change("refusal", 0, "stranger"), "refusal", "no vault key"),
    "refusal of no grant": (
        _change("refusal", 0, "vault", grant=bytes(16)),
        "refusal",
        "no such grant",
    ),
    "directory by a stranger": (_directory(1, "stranger"), "directory", "not signed"),
    "directory of a version too high": (
        _directory(1, "auditor", version=9),
        "directory",
        "wanted version 2",
    ),
    "directory that follows another": (
        _directory(1, "auditor", prev=bytes(32)),
        "directory",
        "prev",
    ),
    "directory is missing": (_drop("directory", 1), "directory", "wanted version 2"),
    "at that falls": (_at_falls, "at", "at falls"),
    "absent stands twice": (_double("absent"), "absent", "absent already"),
    "absent before its slot is over": (_change("absent", 0, "vault", month=MAY), "absent", "slot"),
    "absent of a closed month": (_change("absent", 0, "vault", month=MAR), "absent", "its close"),
    "absent by a stranger": (_change("absent", 0, "stranger"), "absent", "no vault key"),
    "reject by another person": (_change("reject", 0, "account"), "reject", "no close of this"),
    "reject of no close": (_change("reject", 0, "cem", close=bytes(32)), "reject", "no close of"),
    "unlink stands twice": (_double("unlink"), "unlink", "ended before"),
    "unlink by another person": (_change("unlink", 0, "account"), "unlink", "no source key"),
    "unlink by another source": (_change("unlink", 0, "east"), "unlink", "east-bikes.demo signed"),
    "pause by another consent key": (_change("pause", 0, "city"), "pause", "no bind"),
    "resume that was replayed": (_double("resume"), "resume", "wanted n"),
    "release while it is paused": (_release_in_the_pause, "release", "paused"),
    "erase stands twice": (_double("erase"), "erase", "stands before"),
    "erase is missing": (_drop("erase"), "erased", "no such erase"),
    "erased that covers another's entry": (_erased_too_much, "erased", "not of the erased account"),
    "erased that leaves out an entry": (_erased_too_little, "leaf", "no erasure covers it"),
    "web manifest by a stranger": (_change("web", 0, "stranger"), "web", "no vault key"),
    "web manifest by the auditor": (_change("web", 0, "auditor"), "web", "no vault key"),
    "web manifest that lists no page": (_change("web", 0, "vault", files=()), "web", "files"),
    "text that is no message": (lambda t: t.add("e30.e30.e30"), "text", "header"),
}


@pytest.mark.parametrize("name", FORGED)
def test_replay_finds(reel: Tape, name: str) -> None:
    """T9, T10, T11, T13, T15, T26, T29: the first finding names the rule and says why."""
    forge, rule, reason = FORGED[name]
    tape = Tape(reel.story, reel.cem, reel.entries)
    forge(tape)
    assert tape.entries != reel.entries
    first = tape.replay()[0]
    assert (first.rule, reason in first.reason) == (rule, True), first


def test_replay_of_an_unchanged_copy_finds_nothing(reel: Tape) -> None:
    """The control of every forgery above; all kinds of entry stand in this log."""
    assert Tape(reel.story, reel.cem, reel.entries).replay() == []
    assert {entry.kind for entry in reel.entries} == {*MESSAGES, "gone"}


def test_every_rule_of_the_replay_has_a_forgery() -> None:
    assert {rule for _, rule, _ in FORGED.values()} == {*MESSAGES, "text", "at", "leaf"}
