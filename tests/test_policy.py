"""What clients ask of the log's witnesses: a quorum, lately, and of their own choice.

The first part is a log of three texts in memory; the second a whole world whose wire adds what its
witnesses would have cosigned.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.demo.cast import BANK, CITY, Edition
from consent.folder import Pins, make_folder, open_folder
from consent.log.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from consent.log.cosignature import LatticeKey, cosign, witness_key
from consent.log.merkle import leaf_hash, prove_inclusion, root
from consent.log.note import ED25519, Note, VerifierKey, read_note, read_vkey
from consent.log.proof import HEADER, Proof, leaf_data, read_proof
from consent.log.tlog_policy import LogPolicy, policy_of, read_policy
from consent.messages import Grant
from consent.platform import Platform, Total, write_total
from consent.policy import DAY, Current, Policy, check_fresh, check_logged, fetch_directory
from consent.receipts import Receipt, make_receipt, verify_receipt
from tests.listing import AUDITOR, NOW, listing, signed
from tests.world import APR, EAST, FEB, JAN, WEST, Person, World, terms
from vault import register
from vault.crypto.keys import SigningKey
from vault.directory import Directory
from vault.encoding import Json, text_hash
from vault.errors import BadDirectory, BadPlace, BadProof, NotWitnessed, StaleLog
from vault.messages import LogEntry
from vault.wire import Answer, Wire

LOG_KEY = SigningKey(b"\x51" * 32)
ORIGIN = "vault.example/log"
VKEY = VerifierKey(ORIGIN, ED25519, LOG_KEY.public)
WALL = 1_800_000_000


class Witness(NamedTuple):
    name: str
    key: SigningKey | LatticeKey

    @property
    def vkey(self) -> VerifierKey:
        return witness_key(self.name, self.key)


W1, W2, W3 = (Witness(f"w{n}.example", SigningKey(bytes([0x60 + n]) * 32)) for n in (1, 2, 3))
LATTICE = Witness("w2.example", LatticeKey(b"\x70" * 32))
ALIAS = Witness("alias.example", W1.key)


def cosigned(note: str, at: int, *witnesses: Witness) -> str:
    """The note with a line of each of these witnesses added."""
    parts = read_note(note)
    head = read_checkpoint(parts.text)
    lines = tuple(cosign(head, one.name, one.key, at) for one in witnesses)
    return str(Note(parts.text, (*parts.signatures, *lines)))


def proof_of(texts: list[str], index: int, at: int = WALL, *witnesses: Witness) -> str:
    """A proof file of one of these texts, in the log that they make, cosigned at `at`."""
    leaves = [leaf_hash(leaf_data(bytes(16), NOW, text)) for text in texts]

    def subtree(level: int, n: int) -> bytes:
        return root(leaves[n << level : (n + 1) << level])

    note = sign_checkpoint(Checkpoint(ORIGIN, len(texts), root(leaves)), LOG_KEY)
    path = tuple(prove_inclusion(index, len(texts), subtree))
    return str(Proof(bytes(16), NOW, index, path, cosigned(note, at, *witnesses)))


def directory(quorum: int, *witnesses: Witness, **changed: object) -> Directory:
    log = LogEntry(
        origin=ORIGIN,
        vkey=str(VKEY),
        witnesses=tuple(str(one.vkey) for one in witnesses),
        quorum=quorum,
    )
    return signed(listing().model_copy(update={"log": log, **changed}))


def own(quorum: int, *witnesses: Witness) -> LogPolicy:
    return policy_of(VKEY, [one.vkey for one in witnesses], quorum)


TEXTS = ["grant", "release", "revoke"]


# The quorum


def test_a_proof_needs_the_directorys_quorum_of_its_witnesses() -> None:
    listed = directory(2, W1, W2, W3)
    for enough in ((W1, W2), (W3, W1), (W1, W2, W3)):
        place = check_logged(listed, "release", proof_of(TEXTS, 1, WALL, *enough))
        assert place.index == 1
        assert {one.witness for one in place.cosigned} == {one.vkey for one in enough}
    for few in ((), (W1,), (W1, Witness("w9.example", SigningKey(b"\x69" * 32)))):
        with pytest.raises(NotWitnessed):
            check_logged(listed, "release", proof_of(TEXTS, 1, WALL, *few))


def test_the_control_a_directory_that_asks_for_no_quorum_takes_the_logs_word() -> None:
    assert check_logged(directory(0, W1), "release", proof_of(TEXTS, 1)).cosigned == ()


def test_what_was_posted_a_moment_ago_needs_the_logs_signature_only() -> None:
    listed = directory(2, W1, W2)
    assert check_logged(listed, "revoke", proof_of(TEXTS, 2), witnessed=False).index == 2
    with pytest.raises(BadProof):
        check_logged(listed, "resume", proof_of(TEXTS, 2), witnessed=False)


def test_a_cosignature_that_does_not_verify_is_refused_where_none_is_needed_too() -> None:
    other = proof_of(["another", *TEXTS], 3, WALL, W1)
    line = other.split("\n")[-2]
    with pytest.raises(BadProof, match="does not verify"):
        check_logged(directory(1, W1), "revoke", proof_of(TEXTS, 2) + line + "\n", witnessed=False)


def test_one_witness_by_two_keys_or_one_key_by_two_names_counts_once() -> None:
    two_keys = directory(2, W1, W2, LATTICE)
    with pytest.raises(NotWitnessed):
        check_logged(two_keys, "grant", proof_of(TEXTS, 0, WALL, W2, LATTICE))
    check_logged(two_keys, "grant", proof_of(TEXTS, 0, WALL, W1, LATTICE))
    with pytest.raises(NotWitnessed):
        check_logged(directory(2, W1, ALIAS), "grant", proof_of(TEXTS, 0, WALL, W1, ALIAS))


def test_a_quorum_larger_than_the_witnesses_is_never_met() -> None:
    for listed in (directory(1), directory(3, W1, W2)):
        with pytest.raises(NotWitnessed):
            check_logged(listed, "grant", proof_of(TEXTS, 0, WALL, W1, W2))


# The client's own policy


def test_the_clients_own_witnesses_must_have_cosigned_too() -> None:
    listed = directory(1, W1)
    by_both = proof_of(TEXTS, 1, WALL, W1, W3)
    place = check_logged(listed, "release", by_both, own(1, W3))
    assert {one.witness for one in place.cosigned} == {W1.vkey, W3.vkey}
    for one in (W1, W3):
        with pytest.raises(NotWitnessed):
            check_logged(listed, "release", proof_of(TEXTS, 1, WALL, one), own(1, W3))
    # The control: without the own policy the directory's witness is enough.
    check_logged(listed, "release", proof_of(TEXTS, 1, WALL, W1))


def test_an_own_policy_that_does_not_know_the_log_is_refused() -> None:
    stranger = replace(VKEY, public=SigningKey(b"\x52" * 32).public)
    proof = proof_of(TEXTS, 1, WALL, W3)
    check_logged(directory(0), "release", proof, own(1, W3))
    with pytest.raises(BadProof, match="knows no log"):
        check_logged(
            directory(0), "release", proof, policy_of(stranger, [W3.vkey], 1), witnessed=False
        )


# How long ago


@given(age=st.integers(-10 * DAY, 10 * DAY), limit=st.integers(1, 5 * DAY))
def test_a_cosignature_counts_for_the_limit_and_five_minutes_ahead(age: int, limit: int) -> None:
    listed = directory(1, W1)
    place = check_logged(listed, "grant", proof_of(TEXTS, 0, WALL - age, W1))
    if -300 <= age < limit:
        check_fresh(listed, place, WALL, limit)
    else:
        with pytest.raises(StaleLog):
            check_fresh(listed, place, WALL, limit)
    check_fresh(listed, place, WALL, 0)  # the control: no limit


def test_old_cosignatures_do_not_help_a_fresh_one_to_the_quorum() -> None:
    listed = directory(2, W1, W2)
    mixed = read_proof(proof_of(TEXTS, 0, WALL - 2 * DAY, W1))
    proof = str(replace(mixed, checkpoint=cosigned(mixed.checkpoint, WALL, W2)))
    place = check_logged(listed, "grant", proof)
    with pytest.raises(StaleLog):
        check_fresh(listed, place, WALL, DAY)
    check_fresh(listed, place, WALL, 3 * DAY)
    # The own policy's witnesses must have been there lately too.
    check_fresh(directory(1, W2), place, WALL, DAY, own(1, W2))
    with pytest.raises(StaleLog):
        check_fresh(directory(1, W2), place, WALL, DAY, own(1, W1))


def test_where_no_quorum_is_asked_for_there_is_no_age() -> None:
    listed = directory(0)
    check_fresh(listed, check_logged(listed, "grant", proof_of(TEXTS, 0)), WALL, 1)


# The directory


class Shown(Wire):
    """A vault that shows one directory and one proof."""

    def __init__(self, text: str, proof: str) -> None:
        super().__init__("https://vault.example")
        self.body: dict[str, Json] = {"directory": text, "proof": proof}

    def get(self, path: str) -> Answer:
        assert path == "/v1/directory"
        return Answer(self.body, "")


PINS = Policy(AUDITOR.public, str(VKEY))


def take(
    shown: Wire,
    held: Directory | None = None,
    pins: Policy = PINS,
    now: int = NOW,
    wall: int = WALL,
) -> Directory:
    return fetch_directory(shown, pins, held, now, lambda: wall)


FIRST = directory(1, W1)
SECOND = directory(1, W1, version=2, prev=text_hash(FIRST.text), expires=NOW + 40 * DAY)
WITNESSED = Shown(FIRST.text, proof_of([FIRST.text], 0, WALL, W1))
NOT_YET = Shown(SECOND.text, proof_of([FIRST.text, SECOND.text], 1))


def test_a_first_directory_must_be_witnessed() -> None:
    assert take(WITNESSED).text == FIRST.text
    with pytest.raises(NotWitnessed):
        take(Shown(FIRST.text, proof_of([FIRST.text], 0)))


def test_a_client_keeps_its_valid_directory_until_the_next_is_witnessed() -> None:
    assert take(NOT_YET, FIRST).text == FIRST.text
    with pytest.raises(NotWitnessed):
        take(NOT_YET)  # nothing is held
    expires = FIRST.listing.expires
    assert take(NOT_YET, FIRST, now=expires - 1).text == FIRST.text
    with pytest.raises(NotWitnessed):
        take(NOT_YET, FIRST, now=expires)
    seen = Shown(SECOND.text, proof_of([FIRST.text, SECOND.text], 1, WALL, W1))
    assert take(seen, FIRST, now=expires).text == SECOND.text


def test_holding_a_directory_excuses_nothing_but_the_witnesses() -> None:
    with pytest.raises(BadDirectory):
        take(Shown(FIRST.text, proof_of([FIRST.text], 0)), SECOND)  # rolled back
    with pytest.raises(BadProof):
        take(Shown(SECOND.text, proof_of([FIRST.text, "other"], 1, WALL, W1)), FIRST)
    with pytest.raises(BadDirectory):
        take(Shown(SECOND.text, proof_of([SECOND.text], 0, WALL, W1)), FIRST)


def test_an_old_world_shown_again_is_refused_after_the_limit() -> None:
    assert take(WITNESSED, wall=WALL + DAY - 1).text == FIRST.text
    with pytest.raises(StaleLog):
        take(WITNESSED, wall=WALL + DAY)
    with pytest.raises(StaleLog):
        take(WITNESSED, wall=WALL - 301)  # a witness whose clock is ahead
    # The control: the same world is taken once the limit is off.
    assert take(WITNESSED, pins=replace(PINS, fresh=0), wall=WALL + 400 * DAY).text == FIRST.text
    # Who holds a valid one goes on with that, and with nothing newer.
    assert take(WITNESSED, FIRST, wall=WALL + DAY) is FIRST


def test_a_client_fetches_again_when_its_directory_has_expired() -> None:
    shown, clock = Shown(FIRST.text, proof_of([FIRST.text], 0, WALL, W1)), [NOW]
    current = Current(shown, PINS, lambda: clock[0], wall=lambda: WALL)
    shown.body = NOT_YET.body
    assert current.directory.text == FIRST.text
    current.refresh()
    assert current.directory.text == FIRST.text
    clock[0] = FIRST.listing.expires
    with pytest.raises(NotWitnessed):
        _ = current.directory


# The folder


def test_a_folder_names_a_policy_file_of_its_own(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "me", "holder", Pins("", "https://vault.example", PINS))
    settings = folder.path / "holder.toml"
    assert open_folder(folder.path, "holder").pins.policy == PINS
    lines = f"log {VKEY}\nwitness W3 {W3.vkey}\nquorum W3\n"
    (folder.path / "mine.policy").write_text(lines, encoding="ascii")
    before = settings.read_text(encoding="utf-8")
    settings.write_text(f'{before}policy = "mine.policy"\nfresh = 60\n', encoding="utf-8")
    found = open_folder(folder.path, "holder").pins.policy
    assert found == replace(PINS, fresh=60, trust=read_policy(lines.encode()))
    for bad in (
        'policy = "none.policy"',
        "policy = 1",
        "fresh = -1",
        'fresh = "1"',
        "fresh = true",
    ):
        settings.write_text(f"{before}{bad}\n", encoding="utf-8")
        with pytest.raises(BadPlace):
            open_folder(folder.path, "holder")
    settings.write_text(f'{before}policy = "mine.policy"\n', encoding="utf-8")
    (folder.path / "mine.policy").write_text("quorum none\n", encoding="ascii")
    with pytest.raises(BadPlace, match="no line log"):
        open_folder(folder.path, "holder")


# A world with two witnesses


@dataclass
class Watch:
    """Who cosigns what the vault answers, and when they did, in seconds from now."""

    witnesses: tuple[Witness, ...] = (W1, W2)
    ago: int = 0

    def over(self, found: Json) -> Json:
        """The answer with a cosigned checkpoint in each of its proof files."""
        if isinstance(found, dict):
            return {name: self.over(one) for name, one in found.items()}
        if isinstance(found, list):
            return [self.over(one) for one in found]
        if not isinstance(found, str) or not found.startswith(HEADER):
            return found
        parts, at = read_proof(found), int(time.time()) - self.ago
        return str(replace(parts, checkpoint=cosigned(parts.checkpoint, at, *self.witnesses)))


class Watched(Wire):
    """A wire over which the vault's proofs come cosigned."""

    def __init__(self, world: WatchedWorld, key: SigningKey | None) -> None:
        super().__init__(world.url, key, world.client, world.random)
        self._watch = world.watch

    def send(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        found = super().send(method, path, body, headers)
        return Answer(cast("dict[str, Json]", self._watch.over(found.body)), found.etag)


class WatchedWorld(World):
    """A world whose directory asks for two witnesses, and whose vault cares for none.

    It takes any directory and holds no release back: only its clients stand between an unwitnessed
    log and a number. What the witnesses do is the test's.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.watch, self.asked = Watch(), (W1, W2)
        super().__init__()
        patch.setattr(register, "_check_witnesses", lambda log, operator: None)
        patch.setattr(self.app.state.rounds, "cover", lambda name: None)

    def edition(self) -> Edition:
        found = super().edition()
        witnesses = tuple(str(one.vkey) for one in self.asked)
        return replace(
            found, log=found.log.model_copy(update={"witnesses": witnesses, "quorum": 2})
        )

    def wire(self, key: SigningKey | None = None) -> Wire:
        return Watched(self, key)

    def silent(self) -> None:
        """From now on no witness cosigns."""
        self.watch.witnesses = ()


class Story(NamedTuple):
    world: WatchedWorld
    ann: Person
    grant: Grant
    city: Platform

    def total(self) -> Total:
        return self.city.total(self.grant.grant, (JAN,))


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    with WatchedWorld(monkeypatch) as world:
        ann = world.person("ann", EAST)
        grant = world.allow(ann, CITY)
        world.ride(ann, EAST, 5_000)
        world.close_month(JAN)
        yield Story(world, ann, grant, world.platform(CITY))


def test_a_total_names_the_witnesses_of_its_release(story: Story) -> None:
    total = story.total()
    assert (total.grams, total.witnesses) == (243, ("w1.example", "w2.example"))
    assert write_total(total)["witnesses"] == ["w1.example", "w2.example"]
    assert write_total(total)["index"] == total.place.index


def test_a_release_waits_for_the_quorum_and_a_revocation_does_not(story: Story) -> None:
    world, ann = story.world, story.ann.holder
    world.silent()
    with pytest.raises(NotWitnessed):
        story.total()
    ann.pause(story.grant)
    ann.resume(story.grant)
    better = ann.allow(terms(BANK, first=FEB, last=APR), "en")
    ann.mint(better)
    ann.stop(better)
    world.link(story.ann, WEST)
    world.watch.witnesses = (W1, W2)
    assert story.total().grams == 243
    assert [one.state for one in ann.grants()] == ["live", "revoked"]


def test_an_account_is_erased_while_witnesses_are_silent(story: Story) -> None:
    story.world.silent()
    story.ann.holder.erase()


def test_a_release_of_an_old_world_is_refused_after_the_limit(story: Story) -> None:
    world = story.world
    world.watch.ago = DAY + 1
    with pytest.raises(StaleLog):
        story.total()
    # The controls: inside the limit, and with the limit off.
    world.watch.ago = DAY - 60
    assert story.total().grams == 243
    world.watch.ago = 400 * DAY
    world.policy = replace(world.policy, fresh=0)
    assert world.platform(CITY).total(story.grant.grant, (JAN,)).grams == 243


def test_a_platform_asks_for_the_witnesses_of_its_own_choice_too(story: Story) -> None:
    world = story.world
    log = read_vkey(world.log_vkey)
    world.policy = replace(world.policy, trust=policy_of(log, [W3.vkey], 1))
    with pytest.raises(NotWitnessed):
        world.platform(CITY)
    world.watch.witnesses = (W1, W2, W3)
    total = world.platform(CITY).total(story.grant.grant, (JAN,))
    assert total.witnesses == ("w1.example", "w2.example", "w3.example")


def test_a_platform_looks_for_a_newer_directory_when_its_witnesses_are_missing(
    story: Story,
) -> None:
    world = story.world
    world.asked = (W2, W3)
    world.watch.witnesses = (W1, W2, W3)
    world.publish()
    world.watch.witnesses = (W2, W3)
    assert story.city.directory.listing.version < world.directory().listing.version
    assert story.total().witnesses == ("w2.example", "w3.example")
    world.watch.witnesses = (W1, W2)  # the old ones do no more
    with pytest.raises(NotWitnessed):
        story.total()


def test_no_month_is_left_out_before_its_absent_is_witnessed(story: Story) -> None:
    world, ann = story.world, story.ann
    ann.holder.unlink(ann.links[EAST])
    world.silent()
    with pytest.raises(NotWitnessed):
        ann.holder.link_facts()
    world.watch.witnesses = (W1, W2)
    [fact] = ann.holder.link_facts()
    assert fact.ends == FEB


def test_a_receipt_is_made_and_taken_only_with_the_quorum(story: Story) -> None:
    world, ann = story.world, story.ann.holder
    raw = ann.receipt(story.grant)
    assert verify_receipt(Receipt.parse(raw), world.policy) == story.grant
    # Years later too: what is kept is asked for its quorum, not for its age.
    world.watch.ago = 400 * DAY
    assert verify_receipt(Receipt.parse(ann.receipt(story.grant)), world.policy) == story.grant
    world.watch.ago = 0
    world.silent()
    with pytest.raises(NotWitnessed):
        ann.receipt(story.grant)
    bare = Receipt.parse(raw).model_copy(update={"proof": without_witnesses(raw)})
    with pytest.raises(NotWitnessed):
        verify_receipt(bare, world.policy)
    trust = policy_of(read_vkey(world.log_vkey), [W3.vkey], 1)
    with pytest.raises(NotWitnessed):
        verify_receipt(Receipt.parse(raw), replace(world.policy, trust=trust))


def test_a_receipt_waits_until_the_newest_directory_is_witnessed(story: Story) -> None:
    world, ann = story.world, story.ann.holder
    held = ann.directory
    world.silent()
    world.publish()
    # The vault serves the next one already, and this person still goes by the one before.
    with pytest.raises(NotWitnessed, match="the newest directory"):
        ann.receipt(story.grant)
    assert ann.directory.text == held.text
    world.watch.witnesses = (W1, W2)
    assert verify_receipt(Receipt.parse(ann.receipt(story.grant)), world.policy) == story.grant


def test_a_receipt_is_made_only_with_the_witnesses_of_ones_own_choice(story: Story) -> None:
    world = story.world
    trust = policy_of(read_vkey(world.log_vkey), [W3.vkey], 1)
    world.policy = replace(world.policy, trust=trust)
    world.watch.witnesses = (W1, W2, W3)
    ann = world.holder(story.ann.root)
    ann.load()
    made = Receipt.parse(ann.receipt(story.grant))
    assert verify_receipt(made, world.policy) == story.grant
    with pytest.raises(NotWitnessed):
        make_receipt(made.grant, without_third(made), ann.directory, made.directory_proof, trust)
    make_receipt(made.grant, without_third(made), ann.directory, made.directory_proof)
    world.watch.witnesses = (W1, W2)
    with pytest.raises(NotWitnessed):
        ann.receipt(story.grant)


def without_third(made: Receipt) -> str:
    """The grant's proof without the line of the third witness."""
    parts = read_proof(made.proof)
    note = read_note(parts.checkpoint)
    lines = tuple(line for line in note.signatures if line.name != "w3.example")
    return str(replace(parts, checkpoint=str(Note(note.text, lines))))


def test_a_receipt_of_a_later_auditor_is_taken_along_the_chain_of_next(story: Story) -> None:
    last, key = SigningKey(b"\x53" * 32), SigningKey(b"\x54" * 32)
    handing = directory(1, W1, next=last.public)
    log = handing.listing.log
    taken = listing().model_copy(update={"log": log, "version": 2, "prev": handing.hash})
    city = {"platform": "city.example", "org": "city.example", "pk": key.public}
    grant = story.grant.model_copy(update=city)
    texts = [handing.text, taken.signed(last), grant.signed(key)]
    receipt = Receipt(
        type="consent-receipt",
        grant=texts[2],
        proof=proof_of(texts, 2, WALL, W1),
        directory=texts[1],
        directory_proof=proof_of(texts, 1, WALL, W1),
    )
    assert verify_receipt(receipt, PINS, [texts[0]]) == grant
    for chain in ([], [FIRST.text], [texts[1]], [texts[0], texts[0]]):
        with pytest.raises(BadDirectory):
            verify_receipt(receipt, PINS, chain)


def without_witnesses(raw: bytes) -> str:
    parts = read_proof(Receipt.parse(raw).proof)
    note = read_note(parts.checkpoint)
    return str(replace(parts, checkpoint=str(Note(note.text, note.signatures[:1]))))
