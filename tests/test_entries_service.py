"""The auditor's service: each key is shown what concerns it, and to nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
import typer

from consent import entry_index, lists
from consent.activity import NOT_COMPARED, Watched, auditors_contact
from consent.app import wall_clock
from consent.commands import entries
from consent.commands.entries import check_copy
from consent.demo.cast import AUDITOR, BANK, CITY
from consent.entries_http import make_entries
from consent.entry_index import FILE, EntryIndex
from consent.history import Head
from consent.lists import fetch_auditors, fetch_listed
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.cosignature import cosign, witness_key
from consent.log.note import ED25519, Note, VerifierKey, read_note, read_vkey
from consent.logged import Log
from consent.messages import Grant
from tests.inside import Inside
from tests.test_monitor import between
from tests.world import EAST, FEB, JAN, MAR, URL, WEST, World
from vault import dpop, journal
from vault.crypto.keys import SigningKey, account_key, consent_key
from vault.encoding import Json, b64u, read_envelope, sign_jws, text_hash, thumbprint, unb64u
from vault.errors import BadDatabase, BadPlace, BadProof, BadShape, Expired
from vault.messages import LogEntry
from vault.wire import Wire, objects_of

PLACE = "https://audit.test"
PATH = "/v1/holder/entries?first=0"


class Audit:
    """A town of two people, and the auditor's copy and service beside it."""

    def __init__(self, world: World, folder: Path, stack: ExitStack) -> None:
        self.world, self.folder, self._stack = world, folder, stack
        self.ann, self.bob = world.person("ann", EAST, WEST), world.person("bob", EAST)
        self.grant = world.allow(self.ann, CITY)
        world.allow(self.bob, CITY)
        world.ride(self.ann, EAST, 10_000)
        world.close_month(JAN)
        world.platform(CITY).total(self.grant.grant, (JAN,))
        self.log = read_vkey(world.log_vkey)
        self.copy()
        app = make_entries(folder, PLACE, self.log)
        self.client = stack.enter_context(Inside(app, base_url=PLACE))

    def copy(self, without: frozenset[int] = frozenset()) -> None:
        """Bring the auditor's copy up to the log, in files of 256 entries."""
        key = self.world.cast.auditor
        body = self.world.wire(key).get("/v1/audit/entries").body
        (self.folder / "texts").mkdir(exist_ok=True)
        for item in objects_of(body, "entries"):
            assert isinstance(item["index"], int)
            if item["index"] in without:
                continue
            path = self.folder / "texts" / f"{item['index'] // 256:03d}.jsonl"
            held = path.read_text() if path.exists() else ""
            line = json.dumps(item, separators=(",", ":")) + "\n"
            if line not in held:
                path.write_text(held + line)
        note = self.world.wire().raw("/log/checkpoint")
        (self.folder / "checkpoint").write_bytes(note)

    def ask(self, kid: str, key: SigningKey | None, path: str = "/entries") -> httpx2.Response:
        """Return the answer to one request about a kid, proved by a key."""
        headers = {}
        if key:
            wanted = dpop.Request("GET", PLACE + path, b"")
            headers["DPoP"] = dpop.prove(key, wanted, wall_clock(), self.world.random(16))
        return self.client.get(f"{path}?kid={kid}", headers=headers)

    def indexes(self, key: SigningKey) -> list[int]:
        listed = self.ask(thumbprint(key.public), key).json()["entries"]
        return [index for index, _ in listed]

    def look(self) -> Watched:
        return self.ann.holder.watch(PLACE, self.client)


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[Audit]:
    with ExitStack() as stack:
        yield Audit(stack.enter_context(World()), tmp_path, stack)


def test_an_account_key_is_shown_everything_of_its_account(audit: Audit) -> None:
    for person in (audit.ann, audit.bob):
        key = account_key(person.root)
        listed = fetch_listed(audit.world.wire(key))
        body = audit.ask(thumbprint(key.public), key).json()
        assert body["entries"] == [
            [one.index, text_hash(one.text).hex()] for one in sorted(listed, key=lambda o: o.index)
        ]
        note = audit.world.client.get("/log/checkpoint").text
        assert (body["origin"], body["checkpoint"]) == (audit.log.name, note)
        assert body["size"] == int(note.split("\n")[1])


def test_a_consent_key_is_shown_what_it_signed_and_what_became_of_its_grants(audit: Audit) -> None:
    key = consent_key(audit.ann.root, CITY)
    kid = thumbprint(key.public)
    audit.world.time = audit.grant.until
    audit.world.publish()
    city = audit.world.platform(CITY)
    with pytest.raises(Expired):
        city.total(audit.grant.grant, (JAN,))  # refused, and logged so
    audit.copy()
    listed = fetch_listed(audit.world.wire(account_key(audit.ann.root)))
    types = {
        "cv1-grant": True,
        "cv1-token": True,
        "cv1-release": True,
        "cv1-refusal": True,
        "cv1-bind": False,
        "cv1-attach": False,
        "cv1-close": False,
        "cv1-account": False,
        "cv1-absent": False,
    }
    wanted = [one.index for one in listed if types[read_envelope(one.text, *types).typ]]
    assert audit.indexes(key) == sorted(wanted)
    assert {read_envelope(one.text, *types).typ for one in listed} == set(types)
    assert kid != thumbprint(account_key(audit.ann.root).public)


def test_nobody_else_learns_of_a_key_that_it_is_there(audit: Audit) -> None:
    consent = consent_key(audit.ann.root, CITY)
    kid = thumbprint(consent.public)
    city = audit.world.cast.actors[CITY].key
    stranger = SigningKey(b"\x31" * 32)
    unknown = audit.ask(thumbprint(stranger.public), stranger)
    for asked in (
        audit.ask(kid, city),  # a platform knows the kid
        audit.ask(kid, account_key(audit.bob.root)),
        audit.ask(thumbprint(city.public), account_key(audit.ann.root)),
        audit.ask("x", stranger),
    ):
        assert asked.status_code == 404
        assert asked.content == unknown.content
        assert {*asked.headers} == {*unknown.headers}
    assert audit.ask(kid, consent).status_code == 200


def test_without_a_proof_nothing_is_shown(audit: Audit) -> None:
    key = account_key(audit.ann.root)
    kid = thumbprint(key.public)
    assert audit.ask(kid, None).status_code == 401
    elsewhere = dpop.Request("GET", f"{URL}/entries", b"")
    proof = dpop.prove(key, elsewhere, wall_clock(), bytes(16))
    assert audit.client.get(f"/entries?kid={kid}", headers={"DPoP": proof}).status_code == 401
    proof = dpop.prove(key, dpop.Request("GET", f"{PLACE}/entries", b""), wall_clock(), bytes(16))
    answers = [
        audit.client.get(f"/entries?kid={kid}", headers={"DPoP": proof}).status_code
        for _ in range(2)
    ]
    assert answers == [200, 401]  # a proof is used once
    assert audit.client.get(f"/entries?kid={kid}").json()["type"] == "stale-proof"


def test_asking_again_and_again_is_slowed_down(audit: Audit) -> None:
    key = account_key(audit.ann.root)
    statuses = [audit.ask(thumbprint(key.public), key).status_code for _ in range(70)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


def test_the_list_follows_the_copy(audit: Audit) -> None:
    key = account_key(audit.ann.root)
    before = audit.indexes(key)
    audit.ann.holder.unlink(audit.ann.links[WEST])
    assert audit.indexes(key) == before
    audit.copy()
    assert len(audit.indexes(key)) == len(before) + 1


def test_an_index_goes_on_where_it_was_and_can_be_made_again(audit: Audit) -> None:
    kid = thumbprint(account_key(audit.ann.root).public)
    audit.ann.holder.unlink(audit.ann.links[WEST])
    audit.copy()
    one = EntryIndex(audit.folder, audit.log)
    whole = one.of(kid)
    one.close()
    (audit.folder / FILE).unlink()
    two = EntryIndex(audit.folder, audit.log)
    assert two.of(kid) == whole
    two.close()
    assert (audit.folder / FILE).stat().st_mode & 0o077 == 0


def test_what_an_erasure_took_away_is_in_no_list(audit: Audit) -> None:
    key = account_key(audit.bob.root)
    before = audit.indexes(key)
    audit.bob.holder.erase()
    audit.copy()
    gone = "".join(json.dumps({"index": index}) + "\n" for index in before)
    (audit.folder / "gone.jsonl").write_text(gone)
    left = audit.indexes(key)
    assert len(left) == 1  # the erase itself
    assert not set(left) & set(before)


# What a holder makes of it


def test_an_honest_vault_and_its_auditor_have_one_list(audit: Audit) -> None:
    found = audit.look()
    assert (found.alarms, found.compared, found.why) == ((), AUDITOR, "")


def test_a_release_that_the_vault_never_listed_is_found_by_the_auditors_list(audit: Audit) -> None:
    listed = fetch_listed(audit.world.wire(account_key(audit.ann.root)))
    index = max(one.index for one in listed if _is_release(one.text))

    def hide(body: object) -> object:
        assert isinstance(body, dict)
        return {
            "entries": [e for e in objects_of(body, "entries") if e["index"] != index],
            "next": None,
        }

    between(audit.ann.holder).answers[PATH] = hide  # type: ignore[assignment]
    found = audit.look()
    assert [(one.kind, one.index) for one in found.alarms] == [("unlike", index)]
    assert len(found.differences) == 1
    alone = audit.ann.holder.watch()  # the control: without the auditor nothing is seen
    assert (alone.alarms, alone.compared) == ((), NOT_COMPARED)


BAD = SigningKey(b"\x55" * 32)


def forged(typ: str, body: dict[str, Json]) -> str:
    """Return a text under another key's kid that nobody signed."""
    return sign_jws(typ, body, BAD).rpartition(".")[0] + "." + b64u(bytes(64))


def claimed_first(audit: Audit, claim: Callable[[str, dict[str, Json]], str]) -> int:
    """Release a second grant that the vault logged a claim of before; return its release's index.

    The vault lists neither the claim nor the release to the person; the auditor has the whole log.
    """
    wire, world, claims = between(audit.ann.holder), audit.world, list[str]()

    def first(path: str, body: bytes) -> None:
        if body.startswith(b"ey") and _typ_of(body.decode()) == Grant.typ:
            grant = Grant.opened(read_envelope(body.decode(), Grant.typ))
            claims.append(claim(Grant.typ, {"grant": grant.grant.hex()}))
            operator = world.app.state.service.operator
            world.database.write(lambda tx: journal.append(tx, operator, claims[0]))
            world.app.state.log.sequence()

    wire.before = first
    grant = world.allow(audit.ann, BANK)
    world.close_month(FEB)
    world.close_month(MAR)
    audit.ann.holder.mint(grant)
    world.platform(BANK).total(grant.grant, grant.windows[0])
    audit.copy()
    listed = fetch_listed(world.wire(account_key(audit.ann.root)))
    hidden = max(one.index for one in listed if _is_release(one.text))
    wire.answers[PATH] = lambda body: {
        "entries": [e for e in objects_of(body, "entries") if e["index"] != hidden],
        "next": None,
    }
    assert len(claims) == 1
    return hidden


def claims_signed(typ: str, body: dict[str, Json]) -> str:
    return sign_jws(typ, body, BAD)


@pytest.mark.parametrize("claim", [forged, claims_signed])
def test_whoever_claims_a_grant_first_does_not_take_its_releases_away(
    audit: Audit, claim: Callable[[str, dict[str, Json]], str]
) -> None:
    hidden = claimed_first(audit, claim)
    found = audit.look()
    assert found.compared == AUDITOR
    assert ("unlike", hidden) in {(one.kind, one.index) for one in found.alarms}
    assert any(index not in ours(found) for index in audit.indexes(account_key(audit.ann.root)))


def test_where_the_first_claim_counts_alone_a_release_is_hidden(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = entry_index._SCHEMA.replace("PRIMARY KEY (owner, name)", "PRIMARY KEY (name)")
    assert alone != entry_index._SCHEMA
    hidden = claimed_first(audit, forged)
    for made in audit.folder.glob(FILE + "*"):
        made.unlink()
    monkeypatch.setattr(entry_index, "_SCHEMA", alone)
    app = make_entries(audit.folder, PLACE, audit.log)
    with Inside(app, base_url=PLACE) as client:
        found = audit.ann.holder.watch(PLACE, client)
    assert hidden not in {one.index for one in found.alarms}
    assert found.compared == AUDITOR


def ours(found: Watched) -> set[int]:
    return {one.index for one in found.entries}


ANN = SigningKey(b"\x51" * 32)
HERS = SigningKey(b"\x52" * 32)
VAULT = SigningKey(b"\x53" * 32)


def listed_of(folder: Path, key: SigningKey, texts: list[str]) -> list[int]:
    """Return the indexes that the copy of a log of these texts has of a key."""
    log = SigningKey(b"\x54" * 32)
    vkey = VerifierKey("vault.example/log", ED25519, log.public)
    items = [
        {"index": index, "at": 1, "salt": "00" * 16, "text": text}
        for index, text in enumerate(texts)
    ]
    (folder / "texts").mkdir(parents=True)
    lines = "".join(json.dumps(item) + "\n" for item in items)
    (folder / "texts" / "000.jsonl").write_text(lines)
    note = sign_checkpoint(Checkpoint(vkey.name, len(texts), bytes(32)), log)
    (folder / "checkpoint").write_text(note)
    index = EntryIndex(folder, vkey)
    found = [position for position, _ in index.of(thumbprint(key.public))[1]]
    index.close()
    return found


def test_no_false_claim_takes_anything_away_from_anybody(tmp_path: Path) -> None:
    link, grant = "01" * 16, "02" * 16
    pk = b64u(HERS.public)
    honest = [
        sign_jws("cv1-bind", {"org": CITY, "pk": pk}, ANN),
        sign_jws("cv1-attach", {"link": link}, ANN),
        sign_jws("cv1-close", {"link": link}, VAULT),
        sign_jws("cv1-grant", {"grant": grant}, HERS),
        sign_jws("cv1-release", {"grant": grant}, VAULT),
    ]
    claims = [
        forged("cv1-bind", {"org": CITY, "pk": pk}),
        forged("cv1-bind", {"org": CITY, "pk": b64u(ANN.public)}),
        forged("cv1-attach", {"link": link}),
        forged("cv1-grant", {"grant": grant}),
    ]
    kept = {"account": (ANN, [0, 1, 2, 3, 4]), "consent": (HERS, [3, 4])}
    for name, (key, wanted) in kept.items():
        assert listed_of(tmp_path / name / "alone", key, honest) == wanted
        found = listed_of(tmp_path / name / "after", key, [*claims, *honest])
        assert {index + len(claims) for index in wanted} <= set(found)
        found = listed_of(tmp_path / name / "before", key, [*honest, *claims])
        assert set(wanted) <= set(found)
    # A release that is logged before its grant is its grant's all the same.
    assert listed_of(tmp_path / "early", ANN, honest[::-1]) == [0, 1, 2, 3, 4]
    # A binding of the account's own key does not open the account: that key is no consent key.
    assert 0 not in listed_of(tmp_path / "bad", BAD, [*honest, *claims])


def test_what_cannot_be_read_stands_under_its_kid(tmp_path: Path) -> None:
    unread = [
        sign_jws("cv1-bind", {"pk": "no key"}, ANN),
        sign_jws("cv1-attach", {"link": 5}, ANN),
        sign_jws("cv1-account", {}, ANN).replace(f".{b64u(b'{}')}.", f".{b64u(b'[')}."),
        sign_jws("cv1-grant", {"grant": None}, BAD),
        sign_jws("cv1-refusal", {"request": "00" * 32}, VAULT),
    ]
    assert listed_of(tmp_path / "ann", ANN, unread) == [0, 1, 2]
    assert listed_of(tmp_path / "bad", BAD, unread) == [3]  # no name is no grant's name


def test_the_auditors_list_is_bounded(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(PLACE, account_key(audit.ann.root), audit.client, audit.world.random)
    kid = thumbprint(account_key(audit.ann.root).public)
    directory = audit.world.directory()
    count = len(fetch_auditors(wire, kid, directory).names)
    monkeypatch.setattr(lists, "MOST", count)
    assert len(fetch_auditors(wire, kid, directory).names) == count
    monkeypatch.setattr(lists, "MOST", count - 1)
    with pytest.raises(BadShape, match="the auditor lists more than"):
        fetch_auditors(wire, kid, directory)


def test_how_far_the_auditor_has_seen_is_told(audit: Audit) -> None:
    found = audit.look()
    assert (found.compared_to, found.uncompared) == (found.size, ())
    assert found.cosigned_at is None  # this directory asks for no witness
    audit.ann.holder.unlink(audit.ann.links[WEST])
    later = audit.look()
    assert (later.alarms, later.compared, later.compared_to) == ((), AUDITOR, found.size)
    assert later.uncompared == (found.size,)
    assert later.size == found.size + 1
    audit.copy()
    assert audit.look().uncompared == ()
    alone = audit.ann.holder.watch()
    assert (alone.compared_to, len(alone.uncompared)) == (0, alone.verified)


def test_the_time_of_a_tree_is_one_that_a_quorum_vouches_for() -> None:
    log = SigningKey(b"\x54" * 32)
    vkey = VerifierKey("vault.example/log", ED25519, log.public)
    witnesses = {f"w{n}.example": SigningKey(bytes([n]) * 32) for n in (1, 2, 3)}
    vkeys = tuple(str(witness_key(name, key)) for name, key in witnesses.items())
    checkpoint = Checkpoint(vkey.name, 1, bytes(32))

    def seen(quorum: int, *times: int) -> int | None:
        lines = [
            cosign(checkpoint, name, key, at)
            for (name, key), at in zip(witnesses.items(), times, strict=False)
        ]
        signed = read_note(sign_checkpoint(checkpoint, log))
        note = str(Note(signed.text, (*signed.signatures, *lines)))
        entry = LogEntry(origin=vkey.name, vkey=str(vkey), witnesses=vkeys, quorum=quorum)
        head = Head(1, bytes(32), note)
        return lists._cosigned_at(head, Log(entry, vkey, 0, "/log", None))

    assert seen(2, 100, 300, 200) == 200
    assert seen(2, 100, 10**12) == 100  # one that lies makes no old tree look new
    assert seen(1, 100, 300) == 300
    assert (seen(3, 100, 200), seen(0, 100), seen(1)) == (None, None, None)


def _typ_of(text: str) -> str:
    return str(json.loads(unb64u(text.partition(".")[0]))["typ"])


def _is_release(text: str) -> bool:
    return _typ_of(text) == "cv1-release"


def test_an_entry_that_the_vault_keeps_from_the_auditor_is_found(
    audit: Audit, tmp_path: Path
) -> None:
    listed = fetch_listed(audit.world.wire(account_key(audit.ann.root)))
    index = listed[-1].index
    (audit.folder / "texts" / "000.jsonl").unlink()
    (audit.folder / FILE).unlink()
    audit.copy(frozenset({index}))
    app = make_entries(audit.folder, PLACE, audit.log)
    with Inside(app, base_url=PLACE) as client:
        found = audit.ann.holder.watch(PLACE, client)
    assert {(one.kind, one.index) for one in found.alarms} == {("unlike", index)}


def test_a_person_whom_the_auditor_never_saw_is_told_so(audit: Audit) -> None:
    cid = audit.world.person("cid")
    found = cid.holder.watch(PLACE, audit.client)
    assert found.alarms == ()  # the auditor's copy is older than this account
    audit.copy()
    assert cid.holder.watch(PLACE, audit.client).alarms == ()
    dan = audit.world.person("dan")
    (listed,) = fetch_listed(audit.world.wire(account_key(dan.root)))
    audit.copy(frozenset({listed.index}))
    (alarm,) = dan.holder.watch(PLACE, audit.client).alarms
    assert (alarm.kind, alarm.index) == ("unlike", listed.index)


def test_an_auditor_with_another_tree_is_an_alarm(audit: Audit) -> None:
    size = int((audit.folder / "checkpoint").read_text().split("\n")[1])
    key = audit.world.place.log_key
    lie = sign_checkpoint(Checkpoint(audit.log.name, size - 1, bytes(32)), key)
    (audit.folder / "checkpoint").write_text(lie)
    found = audit.look()
    assert "history" in {one.kind for one in found.alarms}
    assert lie in found.notes


def test_an_auditor_that_does_not_answer_is_told_as_not_compared(audit: Audit) -> None:
    (audit.folder / "checkpoint").unlink()
    found = audit.look()
    assert (found.alarms, found.compared) == ((), NOT_COMPARED)
    assert found.why
    nobody = audit.ann.holder.watch("http://127.0.0.1:9")
    assert (nobody.alarms, nobody.compared) == ((), NOT_COMPARED)
    assert "Unreachable" in nobody.why


def test_the_directory_may_say_where_the_auditor_shows_lists(audit: Audit) -> None:
    directory = audit.world.directory()
    assert auditors_contact(directory) == (AUDITOR, None)
    listing = directory.listing
    for contact, place in ((PLACE, PLACE), ("desk@audit.test", None), ("http://x.test", None)):
        entries_ = tuple(
            p.model_copy(update={"contact": contact}) if p.id == AUDITOR else p
            for p in listing.entries
        )
        told = type(directory)(
            directory.text, listing.model_copy(update={"entries": entries_}), directory.signer_key
        )
        assert auditors_contact(told) == (AUDITOR, place)


# Files


def test_reports_are_served_and_nothing_beside_them(audit: Audit) -> None:
    reports = audit.folder / "reports"
    assert audit.client.get("/reports/latest.jws").status_code == 404
    reports.mkdir()
    (reports / "latest.jws").write_text("a.b.c")
    (reports / "latest.html").write_text("<!doctype html>")
    (reports / "secret.key").write_text("00")
    found = audit.client.get("/reports/latest.jws")
    assert (found.status_code, found.text) == (200, "a.b.c")
    page = audit.client.get("/reports/latest.html")
    assert "script" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in ("secret.key", "..%2fcheckpoint", "%2e%2e/checkpoint", ".jws", "none.jws"):
        assert audit.client.get(f"/reports/{name}").status_code == 404
    assert audit.client.get("/healthz").text == "ok\n"
    assert audit.client.get("/checkpoint").content == (audit.folder / "checkpoint").read_bytes()
    assert audit.client.get("/openapi.json").status_code == 404


def test_a_folder_that_holds_no_copy_of_this_log_is_refused(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(BadPlace):
        make_entries(tmp_path / "none", PLACE, audit.log)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadPlace):
        make_entries(empty, PLACE, audit.log)
    other = type(audit.log)(audit.log.name, audit.log.alg, SigningKey(b"\x41" * 32).public)
    with pytest.raises(BadProof):
        make_entries(audit.folder, PLACE, other)
    (audit.folder / "texts" / "000.jsonl").write_text("{broken")
    (audit.folder / FILE).unlink()
    with pytest.raises(BadPlace):
        make_entries(audit.folder, PLACE, audit.log)
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / FILE).write_text("this is no database, and is longer than a header of one would be")
    with pytest.raises(BadDatabase):
        EntryIndex(bad, audit.log)


def test_a_copy_is_checked_against_the_vault_before_it_is_served(audit: Audit) -> None:
    wire = audit.world.wire()
    audit.world.person("later")
    assert check_copy(audit.folder, audit.log, wire).size > 0
    size = int((audit.folder / "checkpoint").read_text().split("\n")[1])
    key = audit.world.place.log_key
    lie = sign_checkpoint(Checkpoint(audit.log.name, size - 1, bytes(32)), key)
    (audit.folder / "checkpoint").write_text(lie)
    with pytest.raises(BadProof):
        check_copy(audit.folder, audit.log, wire)


def test_serve_is_a_command_of_the_auditor() -> None:
    group = typer.Typer()
    entries.add_commands(group)
    (command,) = group.registered_commands
    assert command.callback is not None
    assert command.callback.__name__ == "serve"
