"""The auditor's service: each key is shown what concerns it, and to nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
import typer
from starlette.testclient import TestClient

from consent.activity import NOT_COMPARED, Watched, auditors_contact
from consent.app import wall_clock
from consent.commands import entries
from consent.commands.entries import check_copy
from consent.demo.cast import AUDITOR, CITY
from consent.entries_http import make_entries
from consent.entry_index import FILE, EntryIndex
from consent.lists import fetch_listed
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.note import read_vkey
from tests.test_monitor import between
from tests.world import EAST, JAN, URL, WEST, World
from vault import dpop
from vault.crypto.keys import SigningKey, account_key, consent_key
from vault.encoding import read_envelope, text_hash, thumbprint, unb64u
from vault.errors import BadDatabase, BadPlace, BadProof, Expired
from vault.wire import objects_of

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
        self.client = stack.enter_context(TestClient(app, base_url=PLACE))

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


def _is_release(text: str) -> bool:
    return b'"typ":"cv1-release"' in unb64u(text.partition(".")[0])


def test_an_entry_that_the_vault_keeps_from_the_auditor_is_found(
    audit: Audit, tmp_path: Path
) -> None:
    listed = fetch_listed(audit.world.wire(account_key(audit.ann.root)))
    index = listed[-1].index
    (audit.folder / "texts" / "000.jsonl").unlink()
    (audit.folder / FILE).unlink()
    audit.copy(frozenset({index}))
    app = make_entries(audit.folder, PLACE, audit.log)
    with TestClient(app, base_url=PLACE) as client:
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
