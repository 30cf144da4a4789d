"""A mirror: what was fetched stays, what was erased goes, the evidence of a broken log remains."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consent import mirror as mirrors
from consent import place
from consent.auditor import Auditor
from consent.bundle import COPY, files_of
from consent.demo.cast import VAULT
from consent.download import update
from consent.evidence import Fork, file_name, judge_evidence, read_evidence
from consent.judging import Judging, Kept, Report, judge
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.note import read_vkey
from consent.log.tiles import ENTRIES, Tile, grow
from consent.messages import Erased
from consent.mirror import Gone, Mirror, MirrorPage
from consent.readings import Page
from consent.volume import bundles_of, last_bundle, tiles_of
from tests.attacks import Logged, Operator, tell
from tests.test_attack_endings import leave
from tests.world import APR, EAST, World
from vault import journal
from vault.crypto.keys import SigningKey
from vault.encoding import text_hash
from vault.errors import BadPlace, BadProof, NotFound, Unreachable
from vault.messages import Account, Erase
from vault.storage.database import Transaction
from vault.wire import Answer, Wire

NOW = 1_800_000_000
NOTHING = "e30.e30.e30"


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


class Counted(Wire):
    """The auditor's wire, which counts its requests and breaks down when it is told to."""

    def __init__(self, world: World, breaks_at: int = 10**9) -> None:
        key = world.cast.auditor
        super().__init__(world.url, key, world.client, world.random)
        self.asked: list[str] = []
        self._breaks_at = breaks_at

    def get(self, path: str) -> Answer:
        self._count(path)
        return super().get(path)

    def raw(self, path: str) -> bytes:
        self._count(path)
        return super().raw(path)

    def _count(self, path: str) -> None:
        self.asked.append(path)
        if len(self.asked) >= self._breaks_at:
            raise Unreachable("the line is dead")


def opened(world: World, folder: Path) -> Mirror:
    return Mirror(folder, world.policy)


def judged(mirror: Mirror, jobs: int = 1) -> Judging:
    return judge(mirror.policy, mirror.copy(), mirror.memory(), jobs)


def audit(world: World, folder: Path, wire: Wire | None = None) -> Report:
    """Do what the command does with a URL and a folder."""
    mirror = opened(world, folder)
    update(mirror, wire or Counted(world))
    found = judged(mirror)
    mirror.settle(found, NOW)
    return found.report()


def fill(world: World, count: int) -> None:
    """Let strangers open accounts, and take them into the log."""
    state = world.app.state

    def work(tx: Transaction) -> bytes:
        for n in range(count):
            key = SigningKey(world.random(32))
            text = Account(iat=n, pk=key.public, vault=VAULT, over14=True).signed(key)
            name = journal.append(tx, state.service.operator, text)
        return name

    state.log.prove(world.database.write(work))


def plain(report: Report) -> dict[str, object]:
    return {**report.plain()}


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# What is new is fetched, and nothing else


def test_a_mirror_that_grew_finds_what_a_whole_download_finds(world: World, tmp_path: Path) -> None:
    tell(world)
    audit(world, tmp_path / "grown")
    fill(world, 250)
    middle = audit(world, tmp_path / "grown")
    world.move(APR, day=20)
    world.person("late", EAST)
    grown = audit(world, tmp_path / "grown")
    whole = audit(world, tmp_path / "whole")
    assert middle.size > 256
    assert plain(grown) == plain(whole) == plain(world.auditor().audit())
    assert grown.findings == []
    of_grown, of_whole = files(tmp_path / "grown"), files(tmp_path / "whole")
    assert of_grown.keys() == of_whole.keys()
    same = of_grown.keys() - {"state.json"}
    assert {name: of_grown[name] for name in same} == {name: of_whole[name] for name in same}


def test_full_bundles_and_texts_are_fetched_once(world: World, tmp_path: Path) -> None:
    fill(world, 300)
    audit(world, tmp_path / "mirror")
    size = opened(world, tmp_path / "mirror").memory().kept[-1].size
    again = Counted(world)
    audit(world, tmp_path / "mirror", again)
    assert again.asked == ["/log/checkpoint"]
    world.person("late")
    more = Counted(world)
    audit(world, tmp_path / "mirror", more)
    assert more.asked == [
        "/log/checkpoint",
        f"/log/tile/entries/001.p/{size + 1 - 256}",
        f"/v1/audit/entries?first={size}",
    ]


def test_texts_are_for_the_auditors_eyes_only(world: World, tmp_path: Path) -> None:
    fill(world, 300)
    audit(world, tmp_path / "mirror")
    for path in (tmp_path / "mirror", *(tmp_path / "mirror").rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_an_audit_of_a_folder_makes_no_request(world: World, tmp_path: Path) -> None:
    tell(world)
    online = audit(world, tmp_path / "mirror")
    before = files(tmp_path / "mirror")
    wire = Counted(world, breaks_at=1)
    with pytest.raises(Unreachable):
        audit(world, tmp_path / "mirror", wire)  # the control: this one asks
    offline = judged(opened(world, tmp_path / "mirror")).report()
    assert plain(offline) == plain(online)
    assert files(tmp_path / "mirror") == before


# A killed update


def killed_at(number: int) -> Callable[[Path, bytes], None]:
    """Return what writes files until it is killed before the one of this number."""
    left = [number]

    def write(path: Path, raw: bytes) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise BadPlace("killed")
        place.replace_file(path, raw)

    return write


def killed_audit(world: World, folder: Path) -> bool:
    """Audit; when it is killed, what it left behind has no findings either."""
    try:
        audit(world, folder)
    except BadPlace:
        left = judged(opened(world, folder)).report()
        assert (left.findings, left.unseen) == ([], [])
        return True
    return False


def test_an_update_killed_at_any_request_or_file_is_continued(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world, 270)
    audit(world, tmp_path / "whole")
    whole = files(tmp_path / "whole")
    mirror = tmp_path / "killed"
    for number in (1, 2, 3, 3):  # what was fetched is not asked for again
        with pytest.raises(Unreachable):
            update(opened(world, mirror), Counted(world, breaks_at=number))
        assert not (mirror / "checkpoint").exists()
    for number in (1, 2, 2):  # texts of the first file, of the second, the checkpoint
        with monkeypatch.context() as patch:
            patch.setattr(mirrors, "replace_file", killed_at(number))
            with pytest.raises(BadPlace, match="killed"):
                update(opened(world, mirror), Counted(world))
        assert not (mirror / "checkpoint").exists()
    report = audit(world, mirror)
    assert report.findings == []
    assert {**files(mirror), "state.json": b""} == {**whole, "state.json": b""}


# Erasure


def texts_of(world: World, folder: Path) -> set[int]:
    return {index for n in range(3) for index in opened(world, folder).texts(n)}


def test_an_erased_text_leaves_the_mirror_and_its_owner_stays(world: World, tmp_path: Path) -> None:
    story = tell(world)
    audit(world, tmp_path / "mirror")
    owners = world.auditor().audit().owners
    texts = {row.position: row.text for row in Operator(world).rows()}
    erased = story.ann.holder.erase()
    report = audit(world, tmp_path / "mirror")
    assert (report.findings, report.unseen) == ([], [])
    assert not texts_of(world, tmp_path / "mirror") & set(erased.indexes)
    everything = b"".join(files(tmp_path / "mirror").values())
    for index in erased.indexes:
        assert texts[index].encode() not in everything
    gone = opened(world, tmp_path / "mirror").gone
    assert gone == {i: Gone(owners[i], held=False) for i in erased.indexes}
    for later in (audit(world, tmp_path / "mirror"), audit(world, tmp_path / "mirror")):
        assert (later.findings, later.unseen) == ([], [])
    assert world.auditor().audit().unseen == sorted(erased.indexes)  # who never saw them


def test_an_erasure_is_kept_through_a_kill_at_any_file(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = tell(world)
    audit(world, tmp_path / "mirror")
    owners = world.auditor().audit().owners
    erased, kills = story.ann.holder.erase(), 0
    for number in range(1, 9):
        with monkeypatch.context() as patch:
            patch.setattr(mirrors, "replace_file", killed_at(number))
            kills += killed_audit(world, tmp_path / "mirror")
    assert kills >= 5
    report = audit(world, tmp_path / "mirror")
    assert (report.findings, report.unseen) == ([], [])
    gone = opened(world, tmp_path / "mirror").gone
    assert gone == {i: Gone(owners[i], held=False) for i in erased.indexes}
    assert not texts_of(world, tmp_path / "mirror") & set(erased.indexes)


def test_a_covered_text_that_is_still_served_stays_and_is_a_finding_until_it_is_not(
    world: World, tmp_path: Path
) -> None:
    story, operator = tell(world), Operator(world)
    audit(world, tmp_path / "mirror")
    row = next(r for r in operator.rows() if Logged(r.at, r.text).kind == "grant")
    story.ann.holder.erase()
    operator.run(
        "INSERT INTO journal (id, position, hash, at, salt, text) VALUES (?, ?, ?, ?, ?, ?)",
        *(row.id, row.position, text_hash(row.text), row.at, row.salt, row.text),
    )
    for _ in range(2):
        report = audit(world, tmp_path / "mirror")
        assert [f.rule for f in report.findings if "still served" in f.reason] == ["erased"]
        assert row.position in texts_of(world, tmp_path / "mirror")
    operator.run("DELETE FROM journal WHERE id = ?", row.id)
    report = audit(world, tmp_path / "mirror")
    assert (report.findings, report.unseen) == ([], [])
    assert row.position not in texts_of(world, tmp_path / "mirror")


def test_a_text_withheld_for_a_while_is_asked_for_again(world: World, tmp_path: Path) -> None:
    tell(world)
    operator = Operator(world)
    row = operator.rows()[2]
    operator.run("DELETE FROM journal WHERE id = ?", row.id)
    assert "leaf" in {f.rule for f in audit(world, tmp_path / "mirror").findings}
    operator.run(
        "INSERT INTO journal (id, position, hash, at, salt, text) VALUES (?, ?, ?, ?, ?, ?)",
        *(row.id, row.position, text_hash(row.text), row.at, row.salt, row.text),
    )
    assert audit(world, tmp_path / "mirror").findings == []


def test_an_erased_that_is_a_lie_takes_no_text_away(world: World, tmp_path: Path) -> None:
    """The vault stops serving an entry, and covers it by an erasure of somebody else."""
    story, operator = tell(world), Operator(world)
    audit(world, tmp_path / "mirror")
    story.ann.holder.stop(story.city)
    audit(world, tmp_path / "mirror")
    stop = next(r for r in operator.rows() if Logged(r.at, r.text).kind == "revoke")
    assert stop.position is not None
    leave(world, SigningKey(b"\x78" * 32), (stop.position,))
    operator.run("DELETE FROM journal WHERE id = ?", stop.id)
    for _ in range(2):
        findings = audit(world, tmp_path / "mirror").findings
        assert ["not of the erased" in f.reason for f in findings] == [True]


# What was found stays

FORGED = (
    NOTHING,
    Account(iat=1, pk=SigningKey(b"\x79" * 32).public, vault="other.example", over14=True),
)


def hidden(world: World, folder: Path, place: int) -> list[Report]:
    """Let a puppet's erasure take an entry after an audit; return that audit and later ones."""
    found = [audit(world, folder)]
    leave(world, SigningKey(b"\x78" * 32), (place,))
    Operator(world).run("DELETE FROM journal WHERE position = ?", place)
    return found + [audit(world, folder) for _ in range(3)]


@pytest.mark.parametrize("forged", [0, 1])
def test_a_broken_rule_is_reported_for_ever_though_an_erasure_took_its_entry(
    world: World, tmp_path: Path, forged: int
) -> None:
    tell(world)
    word = FORGED[forged]
    text = word if isinstance(word, str) else word.signed(SigningKey(b"\x79" * 32))
    Operator(world).log(text)
    place = max(row.position or 0 for row in Operator(world).rows())
    reports = hidden(world, tmp_path / "mirror", place)
    (wanted,) = reports[0].findings
    assert wanted.index == place
    for report in reports:
        assert (report.findings, place in report.unseen) == ([wanted], False)
    assert place not in texts_of(world, tmp_path / "mirror")  # only that it broke a rule is kept
    assert text.encode() not in b"".join(files(tmp_path / "mirror").values())
    assert judged(opened(world, tmp_path / "mirror"), 2).report().findings == [wanted]
    state = tmp_path / "mirror/state.json"
    told = json.loads(state.read_text("utf-8"))
    state.write_text(json.dumps({**told, "found": []}), "utf-8")
    assert judged(opened(world, tmp_path / "mirror")).report().findings == []  # the control


def test_a_finding_at_one_entry_outlasts_the_erasure_of_what_it_contradicts(
    world: World, tmp_path: Path
) -> None:
    """A puppet's time lies far ahead, so that the next entries fall behind; then it is erased."""
    tell(world)
    operator, puppet = Operator(world), SigningKey(b"\x78" * 32)
    rows = operator.rows()
    place, last = 1 + max(row.position or 0 for row in rows), max(row.at for row in rows)
    text = Account(iat=1, pk=puppet.public, vault=VAULT, over14=True).signed(puppet)
    honest = operator.entries()
    operator.rewrite([*honest, Logged(last + 9, text), Logged(last, account(world))])
    reports = [audit(world, tmp_path / "mirror")]
    (wanted,) = reports[0].findings
    assert (wanted.index, wanted.rule) == (place + 1, "at")
    gone = Erase(iat=1, pk=puppet.public).signed(puppet)
    operator.log(gone)
    word = Erased(iat=1, erase=text_hash(gone), indexes=(place,))
    operator.log(word.signed(world.place.vault_key))
    operator.run("DELETE FROM journal WHERE position = ?", place)
    for _ in range(3):
        assert wanted in audit(world, tmp_path / "mirror").findings
    assert place not in texts_of(world, tmp_path / "mirror")
    mirror = opened(world, tmp_path / "mirror")
    mirror.found = []
    assert wanted not in judged(mirror).report().findings  # the control


def account(world: World) -> str:
    key = SigningKey(world.random(32))
    return Account(iat=1, pk=key.public, vault=VAULT, over14=True).signed(key)


def test_what_was_found_is_kept_through_a_kill_at_any_file(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(world)
    Operator(world).log(NOTHING)
    place = max(row.position or 0 for row in Operator(world).rows())
    folder = tmp_path / "mirror"
    (wanted,) = audit(world, folder).findings
    leave(world, SigningKey(b"\x78" * 32), (place,))
    Operator(world).run("DELETE FROM journal WHERE position = ?", place)
    kills = 0
    for number in range(1, 9):
        with monkeypatch.context() as patch:
            patch.setattr(mirrors, "replace_file", killed_at(number))
            try:
                audit(world, folder)
            except BadPlace:
                kills += 1
        assert judged(opened(world, folder)).report().findings == [wanted]
    assert kills >= 5
    assert place not in texts_of(world, folder)


# A log that is not the one it was


def broken_audit(world: World, folder: Path) -> tuple[Report, list[str]]:
    mirror = opened(world, folder)
    update(mirror, Counted(world))
    found = judged(mirror)
    mirror.settle(found, NOW)
    return found.report(), [finding.rule for finding in mirror.conflicts()]


def forge(world: World, change: Callable[[list[Logged]], list[Logged]]) -> None:
    operator = Operator(world)
    operator.rewrite(change(operator.entries()))


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("shrunk", lambda entries: entries[:-2]),
        ("forked", lambda entries: [*entries, Logged(entries[-1].at, NOTHING)]),
        ("forked", lambda entries: entries),  # the same texts under other salts
    ],
)
def test_the_mirror_of_a_log_that_broke_stays_as_it_was(
    world: World, tmp_path: Path, rule: str, change: Callable[[list[Logged]], list[Logged]]
) -> None:
    tell(world)
    assert audit(world, tmp_path / "mirror").findings == []
    before = files(tmp_path / "mirror")
    forge(world, change)
    report, conflicts = broken_audit(world, tmp_path / "mirror")
    assert (report.findings, conflicts) == ([], [rule])
    after = files(tmp_path / "mirror")
    beside, proof = sorted(after.keys() - before.keys(), key=lambda name: name.endswith(".json"))
    assert beside.startswith(f"conflicting/{rule}-")
    assert after[beside] == Counted(world).raw("/log/checkpoint")
    found = read_evidence(after[proof])
    judge_evidence(found, read_vkey(world.log_vkey))
    assert isinstance(found, Fork)
    assert (found.kind, proof) == ("fork", f"conflicting/{file_name(found)}")
    assert {found.first, found.second} == {before["checkpoint"].decode(), after[beside].decode()}
    assert {name: after[name] for name in before} == before
    fresh = audit(world, tmp_path / "fresh")  # who never saw the other
    assert {f.rule for f in fresh.findings} <= {"text"}


def test_a_log_that_only_went_back_makes_no_evidence(world: World, tmp_path: Path) -> None:
    """A checkpoint that it showed before is no second history, and nobody is accused."""
    tell(world)
    old = Counted(world).raw("/log/checkpoint")
    world.person("late")
    audit(world, tmp_path / "mirror")

    class Back(Counted):
        def raw(self, path: str) -> bytes:
            return old if path == "/log/checkpoint" else super().raw(path)

    update(opened(world, tmp_path / "mirror"), Back(world))
    (name,) = (tmp_path / "mirror/conflicting").iterdir()
    assert name.name.startswith("shrunk-")


def test_a_fork_without_its_leaves_is_a_question_to_the_log(world: World, tmp_path: Path) -> None:
    tell(world)
    audit(world, tmp_path / "mirror")
    forge(world, lambda entries: [*entries, Logged(entries[-1].at, NOTHING)])

    class Lost(Counted):
        """It shows the leaves once, as the audit needs them, and never again."""

        def raw(self, path: str) -> bytes:
            if "tile" in path and len([p for p in self.asked if "tile" in p]) >= 2:
                raise NotFound("it is not served")
            return super().raw(path)

    update(opened(world, tmp_path / "mirror"), Lost(world))
    (name,) = (tmp_path / "mirror/conflicting").glob("*.json")
    found = read_evidence(name.read_bytes())
    judge_evidence(found, read_vkey(world.log_vkey))
    assert found.kind == "challenge"


def test_all_that_lies_in_a_mirror_goes_into_a_bundle(world: World, tmp_path: Path) -> None:
    story = tell(world)
    audit(world, tmp_path / "mirror")
    story.ann.holder.erase()
    audit(world, tmp_path / "mirror")
    forge(world, lambda entries: entries[:-2])
    broken_audit(world, tmp_path / "mirror")
    packed = files_of(tmp_path / "mirror", COPY, "copy")
    assert set(packed) == {f"copy/{name}" for name in files(tmp_path / "mirror")}


# A size that the log signed, and never has

HUGE = 10**13


class Boaster(Counted):
    """A log that signed a size that no machine holds."""

    def raw(self, path: str) -> bytes:
        if path == "/log/checkpoint":
            head = Checkpoint(self.world.place.settings.origin, HUGE, bytes(32))
            return sign_checkpoint(head, self.world.place.log_key).encode()
        return super().raw(path)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.world = world


def test_a_signed_size_costs_the_auditor_nothing(world: World, tmp_path: Path) -> None:
    tell(world)
    audit(world, tmp_path / "known")
    key = world.cast.auditor

    def in_memory() -> None:
        Auditor(key, Boaster(world), world.policy).audit()

    def into(name: str) -> Callable[[], None]:
        return lambda: update(opened(world, tmp_path / name), Boaster(world))

    for ask in (in_memory, into("known"), into("new")):
        tracemalloc.start()
        with pytest.raises(BadProof, match="does not serve it"):
            ask()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20
    assert judged(opened(world, tmp_path / "known")).report().findings == []


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600, 66_000])
def test_tiles_made_from_bundles_are_those_of_the_log(size: int) -> None:
    entries = [f"{n}".encode() for n in range(size)]
    wanted = grow(0, entries, lambda _level, _n: b"")
    read = tiles_of(size, lambda tile: wanted[tile.level, tile.n])
    for (level, n), raw in wanted.items():
        assert level == ENTRIES or read(level, n) == raw
    assert read(0, size // 256 + 1) == read(3, 0) == b""


def test_bundles_of_a_size_are_told_one_by_one() -> None:
    assert next(bundles_of(HUGE)) == Tile(ENTRIES, 0, 256)
    assert last_bundle(HUGE) == Tile(ENTRIES, -(-HUGE // 256) - 1, HUGE % 256 or 256)
    for size in (0, 1, 255, 256, 257, 600):
        every = [*bundles_of(size)]
        assert sum(tile.width for tile in every) == size
        assert last_bundle(size) == (every[-1] if every else None)


def test_bundles_of_a_fork_that_was_killed_do_not_stay(world: World, tmp_path: Path) -> None:
    """A killed update left a bundle that is of no log; the next one asks for it again."""
    tell(world)
    audit(world, tmp_path / "mirror")
    world.person("late")
    size = 1 + max(row.position or 0 for row in Operator(world).rows())
    stray = Tile(ENTRIES, 0, size)
    opened(world, tmp_path / "mirror").write(str(stray), (b"\x00\x20" + bytes(32)) * size)
    report, conflicts = broken_audit(world, tmp_path / "mirror")
    assert (report.size, report.findings, conflicts) == (size, [], [])


def test_leaves_that_are_no_tree_are_told_from_a_fork(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(world)
    audit(world, tmp_path / "mirror")
    world.person("late")
    size = 1 + max(row.position or 0 for row in Operator(world).rows())
    bundle = (b"\x00\x20" + bytes(32)) * size
    Operator(world).run("UPDATE log_tile SET data = ? WHERE level = -1", bundle)
    assert broken_audit(world, tmp_path / "mirror")[1] == ["root"]


# What is held at a time


def test_texts_are_read_page_by_page_and_never_all_held(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world, 1100)
    audit(world, tmp_path / "mirror")
    held: list[int] = []

    class Watched(Page):
        """A page that says when it is let go."""

        __slots__ = ()

        def __del__(self) -> None:
            held.remove(self.first)

    read, most = MirrorPage.read, [0]

    def watched(page: MirrorPage) -> Page:
        found = read(page)
        held.append(found.first)
        most[0] = max(most[0], len(held))
        return Watched(*found)

    monkeypatch.setattr(MirrorPage, "read", watched)
    report = judged(opened(world, tmp_path / "mirror")).report()
    assert (report.findings, report.size > 1100) == ([], True)
    assert most[0] <= 2  # the one judged, and the one read


def test_two_processes_find_what_one_finds_in_a_mirror(world: World, tmp_path: Path) -> None:
    tell(world)
    fill(world, 600)
    Operator(world).log(NOTHING)
    audit(world, tmp_path / "mirror")
    one = judged(opened(world, tmp_path / "mirror")).report()
    two = judged(opened(world, tmp_path / "mirror"), jobs=2).report()
    assert plain(one) == plain(two)
    assert [f.rule for f in one.findings] == ["text"]


# What the folder says


def test_a_folder_of_another_log_or_a_damaged_one_is_refused(world: World, tmp_path: Path) -> None:
    tell(world)
    folder = tmp_path / "mirror"
    audit(world, folder)
    with World(seed=b"another") as other, pytest.raises(BadPlace, match="no mirror of this log"):
        opened(other, folder)
    for name, damaged in (
        ("state.json", '{"audits":[],"ask":[-1]}'),
        ("state.json", '{"audits":[],"ask":7}'),
        ("state.json", "[]"),
        ("state.json", '{"audits":[],"ask":[],"found":7}'),
        ("state.json", '{"audits":[],"ask":[],"found":[{"index":7,"rule":"text"}]}'),
        ("gone.jsonl", "{\n"),
        ("gone.jsonl", "[]\n"),
        ("gone.jsonl", '{"account":"x"}\n'),
    ):
        good = files(folder).get(name, b"")
        (folder / name).write_text(damaged, encoding="ascii")
        with pytest.raises(BadPlace):
            opened(world, folder)
        (folder / name).write_bytes(good)
    (folder / "texts/000.jsonl").write_text('{"index":0}\n', encoding="ascii")
    with pytest.raises(BadPlace, match="no entry"):
        judged(opened(world, folder))
    with pytest.raises(BadPlace, match="nothing was downloaded"):
        opened(world, tmp_path / "new").copy()


def test_an_audit_is_kept_with_its_checkpoint_and_time(world: World, tmp_path: Path) -> None:
    world.person("ann", EAST)
    report = audit(world, tmp_path / "mirror")
    state = json.loads((tmp_path / "mirror/state.json").read_text(encoding="utf-8"))
    kept = Kept(report.size, NOW, report.root, report.signed)
    assert state["audits"] == [
        {"size": kept.size, "root": kept.root.hex(), "when": NOW, "checkpoint": report.signed}
    ]
    memory = opened(world, tmp_path / "mirror").memory()
    assert (memory.kept, memory.last and memory.last.root) == ([kept], report.root)
