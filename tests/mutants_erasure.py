"""Mutants of texts that are missing, and of erasures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from consent.demo.cast import CITY
from consent.messages import Bind, Erased, Pause
from tests.forger import (
    HIDDEN,
    STRANGER,
    Forger,
    Mutant,
    Rule,
    body_of,
    edited,
)
from tests.mutants_grants import food
from tests.switched import LINKS, REPLAY, Change, no, skip
from tests.tale import MAY, Line
from tests.world import APR, WEST
from vault.encoding import Json, text_hash
from vault.messages import Account, Erase, Unlink

Mutants = Iterator[Mutant]


def unserved(f: Forger) -> Mutants:
    for index in (*f.find("refusal"), f.find("release")[-1], f.end - 1, f.find("directory")[-1]):
        lines = list(f.lines)
        lines[index] = replace(lines[index], gone=HIDDEN)
        yield Mutant(f"{index} is not served", f.restate(lines), index, "leaf")


def unasked_erasures(f: Forger) -> Mutants:
    (index,) = f.find("erased")
    text = edited(f.text(index), f.vault, erase="66" * 32)
    yield f.replace(index, text, "erased", "of no erase")
    again = edited(f.text(index), f.vault, iat=1, indexes=[])
    yield f.insert(f.end, again, "erased", "answered twice")
    yield f.move(index, f.find("erase")[0], "erased")


def _erased(f: Forger) -> tuple[int, bytes]:
    (erase,), (erased,) = f.find("erase"), f.find("erased")
    return erased, text_hash(f.text(erase))


def _seen(f: Forger) -> tuple[tuple[int, str], ...]:
    return tuple(f.owners.items())


def strange_erasures(f: Forger) -> Mutants:
    erased, name = _erased(f)
    for index in f.find("refusal"):
        lines = list(f.lines)
        lines[index] = replace(lines[index], gone=name)
        yield Mutant(f"covers {index}", f.restate(lines), erased, "erased", seen=_seen(f))
    said, ends = _without_eve(f, f.find("directory")[-1])
    yield Mutant("covers a directory", said, ends, "erased", seen=_seen(f))


def _without_eve(f: Forger, *more: int) -> tuple[tuple[Line, ...], int]:
    """Return the log after the puppet erased itself, and more lines with it; the erased's index."""
    at = f.lines[-1].at
    erase = Erase(iat=at, pk=f.eve.public).signed(f.eve)
    name = text_hash(erase)
    gone = {i for i, owner in f.owners.items() if owner == f.accounts["eve"]} | set(more)
    lines = [replace(line, gone=name) if i in gone else line for i, line in enumerate(f.lines)]
    answer = Erased(iat=at, erase=name, indexes=()).signed(f.vault)
    said = f.restate([*lines, Line(at, erase), Line(at, answer)])
    return said, len(said) - 1


def still_served(f: Forger) -> Mutants:
    erased, _ = _erased(f)
    gone = [i for i, line in enumerate(f.lines) if line.gone]
    for some in (gone[:1], gone[:2], gone):
        yield Mutant("still served", f.lines, erased, "erased", served=frozenset(some))


def left_out(f: Forger) -> Mutants:
    erased, _ = _erased(f)
    gone = [i for i, line in enumerate(f.lines) if line.gone]
    for some in (gone[:1], gone[:2]):
        lines = list(f.lines)
        for i in some:
            lines[i] = replace(lines[i], gone=b"")
        yield Mutant("left out", f.restate(lines), erased, "erased")


def covered_twice(f: Forger) -> Mutants:
    for index in [i for i, line in enumerate(f.lines) if line.gone][::5]:
        lines, ends = _without_eve(f)
        named: list[Json] = [*sorted([*_indexes(lines[ends]), index])]
        text = edited(lines[ends].text, f.vault, indexes=named)
        said = (*lines[:ends], replace(lines[ends], text=text))
        yield Mutant(f"covers {index} again", said, ends, "erased")


def _indexes(line: Line) -> list[int]:
    found = body_of(line.text)["indexes"]
    assert isinstance(found, list)
    return [int(str(i)) for i in found]


def erased_twice(f: Forger) -> Mutants:
    (erase,) = f.find("erase")
    yield f.insert(erase + 1, f.text(erase), "erase")
    yield f.insert(f.end, f.text(erase), "erase")


def back_after_the_erase(f: Forger) -> Mutants:
    at, vault = f.lines[-1].at, f.directory_at(f.end).listing.vault
    erase = Erase(iat=at, pk=f.eve.public).signed(f.eve)
    back = Account(iat=at, pk=f.eve.public, vault=vault, over14=True).signed(f.eve)
    yield f.insert_all(f.end, [erase, back], "account")


def after_the_erase(f: Forger) -> Mutants:
    at, city = f.lines[-1].at, f.grants("eve", CITY)[0]
    erase = Erase(iat=at, pk=f.eve.public).signed(f.eve)
    _, attach = f.south(MAY)
    key = f.eve_for[CITY]
    later = {
        "attach": attach,
        "bind": Bind(iat=1, org="new.demo", pk=STRANGER.public).signed(f.eve),
        "grant": f.by_eve(food(f)),
        "token": f.text(f.of_grant("token", city)[-1]),
        "pause": Pause(iat=1, grant=city.grant, n=1).signed(key),
        "unlink": Unlink(iat=1, link=f.links("eve", WEST)[-1]).signed(f.west),
    }
    for typ, text in later.items():
        yield f.insert_all(f.end, [erase, text], typ)
    last = f.of_grant("release", city, (APR,))[0]
    yield replace(
        f.insert(last, erase, "release"), index=last + 1, label="a release after the erase"
    )


ERASURE_RULES = [
    Rule(
        "every text",
        "a text may be missing only where an erased covers it",
        "no text",
        (Change(REPLAY, "sorted(self._missing - self._covered)", "()"),),
        unserved,
    ),
    Rule(
        "erase before erased",
        "an erased answers one erase that stands before, once",
        "no such erase stands before",
        (
            Change(REPLAY, '(-1, "")', '(entry.index, "?")'),
            no(REPLAY, "name in self._erases or name in self._answered"),
        ),
        unasked_erasures,
        "an erase that comes after its erased is taken for a second one",
    ),
    Rule(
        "covers its own",
        "an erased covers only entries of the erased account from before the erase",
        "not of the erased account",
        (Change(REPLAY, "if strange:", "if False:"),),
        strange_erasures,
    ),
    Rule(
        "covered is gone",
        "no covered text is served",
        "still served",
        (Change(REPLAY, "if named & self._served:", "if False:"),),
        still_served,
    ),
    Rule(
        "nothing left out",
        "an erased covers every entry of the account from before the erase",
        "leaves out",
        (Change(REPLAY, "if left:", "if False:"),),
        left_out,
    ),
    Rule(
        "covered once",
        "no entry is covered by two erased",
        "covered by an erased before",
        (Change(REPLAY, "if twice:", "if False:"),),
        covered_twice,
    ),
    Rule(
        "erase once",
        "an erase stands once: it is no permission for a later account",
        "this erase stands before",
        (no(REPLAY, "name in self._erases or name in self._answered"),),
        erased_twice,
    ),
    Rule(
        "an erase is final",
        "an erased key never opens an account again: its texts cannot be logged once more",
        "was erased before",
        (no(LINKS, "entry.envelope.kid in self._gone"),),
        back_after_the_erase,
    ),
    Rule(
        "an erase ends everything",
        "an erase ends the account, its grants and links",
        "",
        (
            skip(REPLAY, "self._end_account(account, entry.at)"),
            Change(REPLAY, "self._grants_of.pop(account, ())", "()"),
        ),
        after_the_erase,
    ),
]
