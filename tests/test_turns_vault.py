"""A log that turns, at the vault: what ends it, what is taken between, what is served after."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from consent import erasure
from consent.app import wall_clock
from consent.asking import compose_request
from consent.demo.cast import CITY
from consent.log import sequencer, tiles
from consent.log.proof import leaf_data, read_proof
from consent.log.tlog_policy import open_checkpoint
from tests.log import naive
from tests.log.test_sequencer import count, run
from tests.town import check_problem, wanted
from tests.turning_vault import NAMES, Turning
from tests.witnesses import Net
from tests.world import JAN
from vault import faults, register
from vault.crypto.keys import SigningKey
from vault.encoding import Json, text_hash, thumbprint, unb64u
from vault.errors import BadDatabase, BadShape, LogUnavailable
from vault.messages import Erase, Listing, LogEntry
from vault.operator import Operator

STRANGER = SigningKey(b"\x77" * 32)


@pytest.fixture
def world() -> Iterator[Turning]:
    with Turning() as world:
        world.account("ann")
        yield world


@pytest.fixture
def turned(world: Turning) -> Turning:
    world.turn()
    return world


@pytest.fixture
def after(turned: Turning) -> Turning:
    turned.close_log()
    turned.account("bob")
    return turned


# Before


def test_prepared_log_is_nowhere_before_the_turn(world: Turning) -> None:
    for name in NAMES:
        assert world.client.get(f"/log/{name}/checkpoint").status_code == 404
        assert world.client.get(f"/log/{name}/tile/0/000.p/1").status_code == 404
    assert set(world.get("/v1/directory")) == {"directory", "proof"}
    assert "earlier" not in world.get("/v1/log")
    assert world.get("/v1/log")["held"] is False
    assert count(world.database, "SELECT count(*) FROM log_head") == 1
    assert count(world.database, "SELECT count(*) FROM journal WHERE turns = 1") == 0


def test_vault_with_prepared_logs_serves_the_same_bytes_as_one_without() -> None:
    paths = ("/v1/directory", "/v1/log", "/log/checkpoint", "/log/tile/entries/000.p/2")
    worlds = [Turning(logs=logs) for logs in (0, 2)]
    listing = worlds[0].listing()  # sealed anew each time it is composed
    served = []
    for world in worlds:
        world.take(listing)
        world.account("ann")
        served.append([world.client.get(path).content for path in paths])
        world.database.close()
    assert served[0] == served[1]


# The turn


def test_turn_is_the_last_entry_and_the_next_log_begins_empty(turned: Turning) -> None:
    last, first = turned.vkeys[:2]
    rows = turned.rows()
    head = open_checkpoint(turned.client.get("/log/checkpoint").text, last).checkpoint
    assert (head.size, head.root) == (len(rows), naive.mth(leaves(turned, 0, len(rows))))
    proof = read_proof(turned.log.prove(text_hash(rows[-1].text)))
    assert (proof.index, rows[-1].position) == (head.size - 1, head.size - 1)
    empty = open_checkpoint(turned.client.get("/log/2027/checkpoint").text, first).checkpoint
    assert empty.size == 0
    assert turned.client.get("/log/2028/checkpoint").status_code == 404


def leaves(world: Turning, begin: int, end: int) -> list[bytes]:
    """Return the entries of these places."""
    return [leaf_data(row.salt, row.at, row.text) for row in world.rows()[begin:end]]


def test_between_turn_and_closing_nothing_else_is_taken(turned: Turning) -> None:
    before = turned.rows()
    refused = turned.try_account("bob")
    check_problem(refused, LogUnavailable)
    assert "the log turns" in refused.json()["detail"]
    key = turned.holder_key("ann")
    for method, path, body in (
        ("POST", "/v1/holder", turned.account_text("ann").encode()),  # taken before, and held now
        ("PUT", f"/v1/holder/wraps/{'0' * 32}", b"wrap"),  # and what is not logged, too
        ("DELETE", "/v1/holder", b"x"),
    ):
        check_problem(turned.knock(method, path, body, key), LogUnavailable)
    assert turned.rows() == before
    turned.close_log()
    turned.account("bob")
    assert turned.account("ann").index == 1


def test_between_turn_and_closing_the_directory_before_is_in_force(world: Turning) -> None:
    before = world.get("/v1/directory")
    world.turn()
    found = world.get("/v1/directory")
    assert found["directory"] == before["directory"]
    assert set(found) == {"directory", "proof"}
    logged = world.proved(str(found["directory"]), str(found["proof"]))
    assert (logged.index, logged.size) == (0, 3)
    assert world.client.get("/readyz").status_code == 200
    assert world.get("/v1/log")["held"] is True
    world.restart()
    assert world.get("/v1/directory") == found


def test_what_a_month_makes_true_waits_until_the_log_is_closed(world: Turning) -> None:
    """Reads go on across the end of a month; what is written down by time is, after the closing."""
    push(world)
    world.turn()
    world.time += 3600
    key = world.holder_key("ann")
    reply = world.knock("GET", "/v1/holder/links", b"", key)
    assert (reply.status_code, reply.json()) == (200, {"links": []})
    assert kinds(world).count("cv1-refusal") == 0
    world.close_log()
    assert world.knock("GET", "/v1/holder/links", b"", key).status_code == 200
    assert kinds(world)[-1] == "cv1-directory"
    world.account("bob")
    assert kinds(world)[-2:] == ["cv1-refusal", "cv1-account"]


def push(world: Turning) -> None:
    """Let the city push a consent request, which nobody opens."""
    key = world.cast.actors[CITY].key
    text = compose_request(wanted(CITY, first=JAN), CITY, key, "s" * 20, world.time)
    assert world.knock("POST", "/v1/requests", text.encode(), key).status_code == 200


def kinds(world: Turning) -> list[str]:
    """Return the types of all logged texts, in order."""
    heads = (json.loads(unb64u(row.text.partition(".")[0])) for row in world.rows())
    return [str(head["typ"]) for head in heads]


@pytest.mark.parametrize(
    "number", [2, None], ids=["the one after the next", "a key that is not the folder's"]
)
def test_turn_to_another_log_than_the_next_is_refused(world: Turning, number: int | None) -> None:
    entry = world.entry_of(1 if number is None else number)
    if number is None:
        strange = replace(world.vkeys[1], public=STRANGER.public)
        entry = entry.model_copy(update={"vkey": str(strange)})
    reply = world.post(world.listing(log=entry))
    check_problem(reply, BadShape)
    assert "not this vault's key and log" in reply.json()["detail"]
    world.turn()


def test_turn_whose_origin_is_not_the_name_of_its_key_is_refused(world: Turning) -> None:
    entry = world.entry_of(1).model_copy(update={"origin": "elsewhere.test/log"})
    reply = world.post(world.listing(log=entry))
    check_problem(reply, BadShape)
    assert "origin" in reply.json()["detail"]


def test_vault_without_a_next_key_does_not_turn() -> None:
    with Turning(logs=0) as world:
        check_problem(world.post(world.listing(log=world.entry_of(1))), BadShape)
        world.account("ann")


def test_first_directory_names_the_first_log() -> None:
    world = Turning()
    check_problem(world.post(world.listing(log=world.entry_of(1))), BadShape)
    with world:
        world.turn()


def test_directory_cannot_end_a_log_that_goes_on(world: Turning) -> None:
    size = len(world.rows())
    listed = (world.closed(0, size, naive.mth(leaves(world, 0, size))),)
    for entry in (world.entry_of(0), world.entry_of(1)):
        reply = world.post(world.listing(log=entry, earlier=listed))
        check_problem(reply, BadShape)
    assert len(world.rows()) == size


def test_same_turn_again_is_answered_as_before(world: Turning) -> None:
    listing = world.listing(log=world.entry_of(1))
    first, again = (world.take(listing) for _ in range(2))
    assert first == again
    assert kinds(world).count("cv1-directory") == 2


def test_log_does_not_turn_in_the_middle_of_an_erasure(world: Turning) -> None:
    key = world.holder_key("ann")
    operator = world.app.state.service.operator
    text = Erase(iat=0, pk=key.public).signed(key)
    caller = thumbprint(key.public)
    world.database.write(lambda tx: erasure.begin(tx, operator, caller, text))
    turn = world.listing(log=world.entry_of(1))
    reply = world.post(turn)
    check_problem(reply, LogUnavailable)
    assert "being erased" in reply.json()["detail"]
    world.erase("ann")
    world.take(turn)


def test_without_that_check_an_erasure_is_stuck_between(world: Turning) -> None:
    """The control: what the erasure still has to log would keep the server from starting."""
    service = world.app.state.service
    text = Erase(iat=0, pk=world.holder_key("ann").public).signed(world.holder_key("ann"))
    caller = thumbprint(world.holder_key("ann").public)
    world.database.write(lambda tx: erasure.begin(tx, service.operator, caller, text))
    free = replace(service.operator, check_turn=lambda tx: None)
    world.app.state.service = replace(service, operator=free)
    world.take(world.listing(log=world.entry_of(1)))
    with pytest.raises(LogUnavailable, match="the log turns"):
        world.restart()


# The closing


ROOT = b"\x01" * 32
WRONG: dict[str, dict[str, object]] = {
    "size": {"size": 2},
    "longer": {"size": 4},
    "root": {"root": ROOT},
    "vkey": {"vkey": "another"},
    "origin": {"origin": "elsewhere.test/log"},
    "quorum": {"quorum": 1},
    "witnesses": {"witnesses": (str(Net(wall_clock).witnesses["w1.example"].vkey),)},
}


@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG)
def test_closing_with_another_end_is_refused(turned: Turning, changed: dict[str, object]) -> None:
    if changed.get("vkey"):
        changed = {"vkey": str(turned.vkeys[2])}
    before = turned.rows()
    check_problem(turned.post(turned.closing(**changed)), BadShape)
    assert turned.rows() == before
    turned.close_log()


def closings_of_another_form(world: Turning) -> dict[str, Listing]:
    assert world.ended is not None
    stranger = world.closed(2, 1, ROOT)
    return {
        "plain": world.listing(log=world.entry_of(1)),
        "back": world.listing(log=world.entry_of(0)),
        "on": world.listing(log=world.entry_of(2), earlier=(world.ended,)),
        "two": world.listing(log=world.entry_of(1), earlier=(world.ended, stranger)),
        "before": world.listing(log=world.entry_of(1), earlier=(stranger, world.ended)),
        "self": world.listing(log=world.entry_of(1), earlier=(world.closed(1, 1, ROOT),)),
    }


def test_after_a_turn_only_its_closing_is_taken(turned: Turning) -> None:
    before = turned.rows()
    for name, listing in closings_of_another_form(turned).items():
        assert turned.post(listing).status_code == BadShape.status, name
    assert turned.rows() == before
    turned.close_log()
    assert len(turned.rows()) == len(before) + 1


def test_closing_is_the_first_entry_of_the_next_log_and_in_force(turned: Turning) -> None:
    logged = turned.close_log()
    assert (logged.index, logged.size, logged.origin) == (0, 1, turned.vkeys[1].name)
    directory = turned.database.read(register.in_force)
    assert directory.earlier == (turned.ended,)
    assert directory.base == 3 == turned.rows()[-1].position


def test_closing_waits_until_the_turn_is_in_the_log(
    world: Turning, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = world.closed(0, 3, ROOT)
    with monkeypatch.context() as asleep:
        asleep.setattr(sequencer.Sequencer, "_take", lambda self: None)
        turn = world.listing(log=world.entry_of(1))
        check_problem(world.post(turn), LogUnavailable)
        world._version, world._prev = turn.version, text_hash(turn.signed(world.cast.auditor))
        closing = world.listing(log=world.entry_of(1), earlier=(ended,))
        check_problem(world.post(closing), LogUnavailable)
    check_problem(world.post(closing), LogUnavailable)
    world.restart()
    check_problem(world.post(closing), BadShape)  # now it is the root that is wrong


# After


def test_old_entries_are_proved_in_the_last_tree_and_new_ones_in_the_new_log(
    after: Turning,
) -> None:
    rows, (last, new) = after.rows(), after.vkeys[:2]
    assert after.ended is not None
    assert [row.position for row in rows] == list(range(5))
    for place, row in enumerate(rows):
        logged = after.proved(row.text, after.log.prove(text_hash(row.text)))
        old = place < 3
        assert logged.origin == (last.name if old else new.name)
        assert logged.index == (place if old else place - 3)
        assert (logged.size, logged.root) == (
            (3, after.ended.root) if old else (2, naive.mth(leaves(after, 3, 5)))
        )


def test_both_logs_are_served_under_their_own_paths(after: Turning) -> None:
    for prefix, vkey, begin, end in (
        ("/log", after.vkeys[0], 0, 3),
        ("/log/2027", after.vkeys[1], 3, 5),
    ):
        reply = after.client.get(f"{prefix}/checkpoint")
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"
        head = open_checkpoint(reply.text, vkey).checkpoint
        entries = leaves(after, begin, end)
        assert (head.size, head.root) == (end - begin, naive.mth(entries))
        for width in range(1, head.size + 1):
            bundle = after.client.get(f"{prefix}/{tiles.Tile(tiles.ENTRIES, 0, width)}")
            assert bundle.content == naive.bundle(entries, 0, width)
            tile = after.client.get(f"{prefix}/{tiles.Tile(0, 0, width)}")
            assert tile.content == naive.tile(entries, 0, 0, width)
            assert "immutable" in tile.headers["cache-control"]
        beyond = after.client.get(f"{prefix}/{tiles.Tile(0, 0, head.size + 1)}")
        assert beyond.status_code == 404
    nowhere = ("2029/checkpoint", "2027", "2027/", "2027/x", "/tile/0/000.p/1", "tile/checkpoint")
    for path in nowhere:
        assert after.client.get(f"/log/{path}").status_code == 404, path


def test_pages_for_the_auditor_and_the_holder_count_places(after: Turning) -> None:
    reply = after.knock("GET", "/v1/audit/entries?first=2", b"", after.cast.auditor)
    assert [each["index"] for each in reply.json()["entries"]] == [2, 3, 4]
    reply = after.knock("GET", "/v1/holder/entries", b"", after.holder_key("bob"))
    (own,) = reply.json()["entries"]
    assert own["index"] == 4
    assert read_proof(own["proof"]).index == 1


def test_directory_route_proves_every_turn_in_the_log_it_ended(after: Turning) -> None:
    after.turn()
    open_turn = after.get("/v1/directory")
    assert len(list_of(open_turn, "turns")) == 1  # a turn is told once its log is closed
    after.close_log()
    found = after.get("/v1/directory")
    assert after.proved(str(found["directory"]), str(found["proof"])).origin == after.vkeys[2].name
    turns, listed = list_of(found, "turns"), after.earlier
    assert len(turns) == len(listed) == 2
    for turn, ended in zip(turns, listed, strict=True):
        logged = after.proved(str(turn["directory"]), str(turn["proof"]))
        assert logged.origin == ended.origin
        assert (logged.size, logged.root) == (ended.size, ended.root)
        assert logged.index == ended.size - 1


def list_of(found: dict[str, Json], name: str) -> list[dict[str, Json]]:
    listed = found[name]
    assert isinstance(listed, list)
    return [each for each in listed if isinstance(each, dict)]


def test_log_route_tells_of_the_log_that_goes_on_and_of_those_before(after: Turning) -> None:
    found = after.get("/v1/log")
    assert (found["origin"], found["size"], found["held"]) == (after.vkeys[1].name, 2, False)
    assert found["earlier"] == [{"origin": after.vkeys[0].name, "size": 3, "cosigned": None}]


def test_two_turns_in_a_row(after: Turning) -> None:
    before = len(after.rows())
    assert after.turn().index == 2
    after.restart()
    assert after.close_log().index == 0
    assert after.account("eve").index == 1
    assert [ended.size for ended in after.earlier] == [3, 3]
    assert [row.position for row in after.rows()] == list(range(before + 3))
    after.restart()
    for row in after.rows():
        after.proved(row.text, after.log.prove(text_hash(row.text)))
    assert after.get("/v1/log")["origin"] == after.vkeys[2].name
    third = LogEntry(origin="vault.test/log/2029", vkey=str(after.vkeys[1]), witnesses=(), quorum=0)
    check_problem(after.post(after.listing(log=third)), BadShape)  # there is no fourth key


def test_erasure_across_a_turn_names_places(world: Turning) -> None:
    world.turn()
    world.close_log()
    world.account("bob")
    mine = [row.position for row in world.rows() if row.text == world.account_text("ann")]
    bob = [row.position for row in world.rows() if row.text == world.account_text("bob")]
    assert (mine, bob) == ([1], [4])
    for name, places in (("ann", [1]), ("bob", [4])):
        answer = world.erase(name)
        erased = json.loads(unb64u(str(answer["erased"]).split(".")[1]))
        assert erased["indexes"] == places
        logged = world.proved(str(answer["erased"]), str(answer["erased_proof"]))
        assert logged.origin == world.vkeys[1].name
    assert [row.position for row in world.rows()] == [0, 2, 3, 5, 6, 7, 8]
    world.restart()
    world.account("eve")


# Starts


def test_a_vault_starts_again_in_every_state(world: Turning) -> None:
    steps: list[Callable[[], object]] = [world.turn, world.close_log, lambda: world.account("eve")]
    for step in steps:
        world.restart()
        step()
        world.restart()
        heads = [tree.head() for tree in world.log.trees if tree.has_begun()]
        world.restart()
        assert heads == [tree.head() for tree in world.log.trees if tree.has_begun()]
        for row in world.rows():
            world.proved(row.text, world.log.prove(text_hash(row.text)))


class Stopped(Exception):
    """The process ended here."""


@pytest.mark.parametrize("point", ["sequence-before-commit", "sequence-after-commit"])
@pytest.mark.parametrize("state", ["turn", "closing"])
def test_crash_at_a_turn_or_closing_loses_nothing(
    world: Turning, monkeypatch: pytest.MonkeyPatch, point: str, state: str
) -> None:
    listing = world.listing(log=world.entry_of(1))
    if state == "closing":
        world.turn()
        listing = world.closing()

    def strike(name: str) -> None:
        if name == point:
            raise Stopped

    with monkeypatch.context() as struck:
        struck.setattr(faults, "point", strike)
        with pytest.raises(Stopped):
            world.post(listing)
    world.restart()
    logged = world.take(listing)
    assert (logged.index, logged.size) == ((2, 3) if state == "turn" else (0, 1))
    if state == "turn":
        check_problem(world.try_account("bob"), LogUnavailable)
        world.ended = world.closed(0, logged.size, logged.root)
        world.close_log()
    else:
        world.entry, world.earlier = listing.log, listing.earlier or ()
    world.account("bob")
    assert [row.position for row in world.rows()] == list(range(5))


def test_without_its_mark_a_turn_does_not_begin_the_next_log(
    world: Turning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it is the mark in the journal that lets the next key sign."""
    with monkeypatch.context() as asleep:
        asleep.setattr(sequencer.Sequencer, "_take", lambda self: None)
        check_problem(world.post(world.listing(log=world.entry_of(1))), LogUnavailable)
    run(world.database, "UPDATE journal SET turns = 0")
    world.restart()
    assert kinds(world)[-1] == "cv1-directory"
    assert world.client.get("/log/2027/checkpoint").status_code == 404
    assert count(world.database, "SELECT count(*) FROM log_head") == 1


def test_without_the_guard_a_log_grows_after_its_turn(
    turned: Turning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it is that check which keeps everything else out between the two."""
    monkeypatch.setattr("vault.journal._check_open", lambda last: None)
    assert turned.account("bob").index == 0  # before the closing, in the next log


def test_database_that_turned_does_not_start_without_the_next_key(turned: Turning) -> None:
    turned.place = replace(turned.place, later=())
    with pytest.raises(BadDatabase, match="2 logs"):
        turned.restart()


def test_waiting_turn_does_not_start_without_the_next_key(
    world: Turning, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as asleep:
        asleep.setattr(sequencer.Sequencer, "_take", lambda self: None)
        check_problem(world.post(world.listing(log=world.entry_of(1))), LogUnavailable)
    whole, world.place = world.place, replace(world.place, later=())
    with pytest.raises(LogUnavailable, match="no key here"):
        world.restart()
    world.place = whole
    world.restart()


def test_another_key_in_the_place_of_the_next_one_does_not_start(turned: Turning) -> None:
    turned.place = replace(turned.place, later=(("2027", STRANGER),))
    with pytest.raises(BadDatabase, match="does not hold together"):
        turned.restart()


EDITED = {
    "base": "UPDATE log_head SET base = base + 1 WHERE log = 1",
    "size of the ended": "UPDATE log_head SET size = size - 1 WHERE log = 0",
    "a log gone": "DELETE FROM log_head WHERE log = 1",
    "the first gone": "DELETE FROM log_head WHERE log = 0",
    "a turn that was none": "UPDATE journal SET turns = 1 WHERE position = 1",
    "a turn unmarked": "UPDATE journal SET turns = 0",
    "tiles of the ended": "DELETE FROM log_tile WHERE log = 0",
    "tiles of the other log": "UPDATE log_tile SET log = 2 WHERE log = 1",
    "beyond": "UPDATE journal SET position = 9 WHERE position = 4",
}


@pytest.mark.parametrize("sql", EDITED.values(), ids=EDITED)
def test_edited_logs_do_not_start(after: Turning, sql: str) -> None:
    assert run(after.database, sql) > 0
    with pytest.raises(BadDatabase):
        after.restart()


def test_operator_knows_which_log_follows_which() -> None:
    key = SigningKey(bytes(32))
    alone = Operator("vault.example", key, b"", "a", lambda: 0, bytes)
    three = replace(alone, later=("b", "c"))
    assert [three.log_after(name) for name in ("a", "b", "c", "x")] == ["b", "c", None, None]
    assert alone.log_after("a") is None
