"""Entries read side by side: the same findings as one by one, for good logs and for bad ones."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import pytest

from consent import readings
from consent.auditor import pages_of
from consent.log.proof import leaf_data
from consent.readings import KeyTable, Page, Reading, Served, read_page, read_pages
from consent.replay import Replay
from consent.replay_state import shorten
from tests.attacks import STRANGER, Logged
from tests.forger import Forger, Mutant, Rule, remembered
from tests.mutants import RULES
from tests.tale import tell as tell_tale
from tests.test_attack_replay import FORGED, Tape, reel
from vault.encoding import Envelope, b64u, read_envelope, thumbprint
from vault.errors import BadJws
from vault.messages import Account, Close

__all__ = ["reel"]

SMALL = 7  # entries a page: what matters is that a page ends anywhere


@pytest.fixture(scope="module")
def forger() -> Iterator[Forger]:
    with remembered():
        yield Forger(tell_tale())


def page_of(first: int, entries: Sequence[Logged | None]) -> Page:
    """Return these entries with their leaves; None: the text is missing."""
    texts, leaves = {}, []
    for index, entry in enumerate(entries, first):
        fits = entry is not None and entry.text.isascii()
        leaves.append(leaf_data(bytes(16), entry.at, entry.text) if entry and fits else bytes(32))
        if entry is not None:
            texts[index] = Served(index, entry.at, bytes(16), entry.text)
    return Page(first, leaves, texts)


def cut(entries: Sequence[Logged | None], size: int = SMALL) -> list[Page]:
    return [page_of(i, entries[i : i + size]) for i in range(0, len(entries), size)]


def replayed(replay: Replay, entries: Sequence[Logged | None]) -> Replay:
    """Judge one by one, each by its text."""
    for index, entry in enumerate(entries):
        if entry is None:
            replay.miss(index)
        else:
            replay.take(index, entry.at, entry.text)
    replay.finish()
    return replay


def replayed_by_readings(replay: Replay, known: bytes, entries: Sequence[Logged | None]) -> int:
    """Judge by readings, as if they came from another process; return how many there were."""
    table, count = KeyTable([known]), 0
    for page in cut(entries):
        sent = pickle.dumps((page, table.take(page.lines())))
        read = pickle.loads(pickle.dumps(read_page(*pickle.loads(sent))))
        for index, entry in enumerate(read.entries, read.first):
            if entry is None:
                replay.miss(index)
            elif isinstance(entry, Reading):
                count += 1
                replay.take_reading(index, entry)
            else:
                replay.take(index, entry.at, entry.text)
    replay.finish()
    return count


def facts(replay: Replay) -> list[object]:
    return [
        replay.findings,
        replay.counts,
        dict(replay.owners),
        replay.unseen,
        replay.doubtful,
        replay.covered,
        replay.directory.hash if replay.held else None,
        replay.links_alive,
    ]


def compare(known: bytes, entries: Sequence[Logged | None], seen: dict[int, str]) -> int:
    plain = replayed(Replay(known, seen), entries)
    fast = Replay(known, seen)
    count = replayed_by_readings(fast, known, entries)
    assert facts(fast) == facts(plain)
    return count


def lines_of(mutant: Mutant) -> list[Logged | None]:
    return [
        None if line.gone and index not in mutant.served else Logged(line.at, line.text)
        for index, line in enumerate(mutant.lines)
    ]


def entries_of(tape: Tape) -> list[Logged | None]:
    return [entry if entry.text else None for entry in tape.entries]


# The same in both ways


def test_an_honest_log_is_judged_by_readings_alone_but_for_its_directories(forger: Forger) -> None:
    honest = lines_of(Mutant("honest", forger.lines, 0, ""))
    count = compare(forger.pinned, honest, {})
    served = sum(entry is not None for entry in honest)
    assert served - count == len(forger.find("directory"))


@pytest.mark.parametrize("rule", RULES, ids=[rule.name.replace(" ", "-") for rule in RULES])
def test_every_mutated_log_has_the_same_findings_by_readings(forger: Forger, rule: Rule) -> None:
    for mutant in islice(rule.mutants(forger), 2):
        assert compare(forger.pinned, lines_of(mutant), dict(mutant.seen)) > 0, mutant.label


@pytest.mark.parametrize("name", FORGED)
def test_every_forged_log_has_the_same_findings_by_readings(reel: Tape, name: str) -> None:
    tape = Tape(reel.story, reel.cem, reel.entries)
    FORGED[name][0](tape)
    known = reel.story.world.place.settings.auditor
    assert compare(known, entries_of(tape), {}) > 0


def test_a_reading_that_verified_nothing_would_be_seen_here(
    reel: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: entries are read without their signature; a damaged one then has no finding."""
    tape = Tape(reel.story, reel.cem, reel.entries)
    place = tape.place("grant")
    text = tape.entries[place].text
    turned = "A" if text[-2] != "A" else "Q"
    tape.entries[place] = Logged(tape.entries[place].at, f"{text[:-2]}{turned}{text[-1]}")
    known = reel.story.world.place.settings.auditor
    compare(known, entries_of(tape), {})
    plain = replayed(Replay(known), entries_of(tape))
    assert plain.findings[0].rule == "grant"
    monkeypatch.setattr(Envelope, "verify", lambda _envelope, _public: None)
    blind = Replay(known)
    replayed_by_readings(blind, known, entries_of(tape))
    assert blind.findings == []


# What a reading says


def test_a_reading_counts_for_the_one_key_that_it_verified_under(reel: Tape) -> None:
    entries = entries_of(Tape(reel.story, reel.cem, reel.entries))
    table = KeyTable([])
    for page in cut(entries):
        for entry in read_page(page, table.take(page.lines())).entries:
            if isinstance(entry, Reading):
                entry.envelope.verify(entry.public)
                with pytest.raises(BadJws):
                    entry.envelope.verify(STRANGER.public)
                introduces = entry.typ in ("cv1-account", "cv1-erase")
                assert entry.introduced == introduces
                if not introduces:
                    with pytest.raises(BadJws):
                        entry.envelope.verify_introduced()


def changed(place: int, change: Callable[[Served], Served], page: Page) -> Page:
    return page._replace(texts={**page.texts, place: change(page.texts[place])})


def test_what_is_not_its_leafs_or_of_an_unknown_key_has_no_reading(reel: Tape) -> None:
    entries = entries_of(Tape(reel.story, reel.cem, reel.entries))
    page = page_of(0, entries)
    found = KeyTable([]).take(page.lines())
    place = next(i for i, e in enumerate(entries) if e and e.kind == "close")
    assert isinstance(read_page(page, found).entries[place], Reading)
    later = changed(place, lambda s: Served(s.index, s.at + 1, s.salt, s.text), page)
    assert read_page(later, found).entries[place] == later.texts[place]
    unknown = {
        short: public for short, public in found.items() if short not in page.texts[place].text
    }
    assert read_page(page, unknown).entries[place] == page.texts[place]


def test_a_key_is_found_by_its_kid_and_a_lie_about_it_helps_nobody(reel: Tape) -> None:
    page = page_of(0, entries_of(Tape(reel.story, reel.cem, reel.entries)))
    swapped = dict.fromkeys(KeyTable([]).take(page.lines()), STRANGER.public)
    kinds = {e.typ for e in read_page(page, swapped).entries if isinstance(e, Reading)}
    assert kinds <= {"cv1-account", "cv1-erase"}  # they bring their own key


def test_damaged_introductions_are_passed_over() -> None:
    account = Account(iat=1, pk=STRANGER.public, vault="v.example", over14=True).signed(STRANGER)
    header = account.split(".")[0]
    table = KeyTable([])
    assert list(table.take([account]).values()) == [STRANGER.public]
    for damaged in (header, f"{header}.", f"{header}.!!.x", f"{header}.e30.x", f"{header}.W10.x"):
        assert KeyTable([]).take([damaged]) == {}


@pytest.mark.parametrize("kind", ["account", "bind", "directory"])
def test_a_payload_of_many_brackets_stops_no_pool(kind: str) -> None:
    """One entry like this is judged by its text, beside others and alone."""
    head = f'{{"alg":"Ed25519","kid":"{thumbprint(STRANGER.public)}","typ":"cv1-{kind}"}}'
    text = f"{b64u(head.encode())}.{b64u(b'[' * 50_000)}.{b64u(bytes(64))}"
    page = page_of(0, [Logged(1, text)])
    with pytest.raises(RecursionError):
        json.loads(b"[" * 50_000)  # the control: what it would stop
    for jobs in (1, 2):
        (read,) = read_pages([page], jobs, [])
        assert read.entries == [page.texts[0]]
    replay = Replay(STRANGER.public)
    assert compare(STRANGER.public, [Logged(1, text)], {}) == 0
    replayed(replay, [Logged(1, text)])
    assert [found.rule for found in replay.findings] == [kind]


# The pool


def test_pages_come_in_order_from_several_processes(reel: Tape) -> None:
    entries = entries_of(Tape(reel.story, reel.cem, reel.entries))
    asked: list[int] = []
    most = [0]

    def sources() -> Iterator[Page]:
        for page in cut(entries, 3):
            asked.append(page.first)
            yield page

    known = reel.story.world.place.settings.auditor
    replay, got = Replay(known), 0
    for page in read_pages(sources(), 2, [known]):
        got += 1
        most[0] = max(most[0], len(asked) - got)
        for index, entry in enumerate(page.entries, page.first):
            if isinstance(entry, Reading):
                replay.take_reading(index, entry)
            elif entry is not None:
                replay.take(index, entry.at, entry.text)
            else:
                replay.miss(index)
    replay.finish()
    assert facts(replay) == facts(replayed(Replay(known), entries))
    assert replay.findings == []
    assert most[0] < readings.WAITING * 2 < got  # only a few pages are read ahead


def test_one_process_reads_nothing_ahead_and_leaves_every_text_to_the_replay() -> None:
    asked: list[int] = []
    pages = pages_of([bytes(32)] * 600, {})

    def sources() -> Iterator[Page]:
        for page in pages:
            asked.append(page.first)
            yield page

    for page in read_pages(sources(), 1, []):
        assert asked[-1] == page.first
        assert not any(isinstance(entry, Reading) for entry in page.entries)


def test_closes_are_kept_without_their_text(reel: Tape) -> None:
    entry = next(e for e in reel.entries if e.text and e.kind == "close")
    closed = shorten(bytes(32), Close.opened(read_envelope(entry.text, Close.typ)))
    assert len(closed.cells) == 7 * 64 < len(entry.text)
