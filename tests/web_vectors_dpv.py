"""Consents, what became of them, and their records under names of DPV: what the web app makes too.

./run python -m tests.web_vectors_dpv        writes tests/vectors/web_dpv.json anew
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

from consent.demo.cast import CITY
from consent.dpv import export_record
from consent.messages import Grant, Pause, Revoke
from consent.notices import notice_hash, render_notice
from consent.receipts import OwnEntry, history, read_entries
from consent.templates import load_templates
from tests.jws_texts import SeededSuite
from tests.world import APR, EAST, Person, World, terms
from vault.crypto import seal
from vault.crypto.keys import SigningKey, account_key, consent_key
from vault.directory import Directory
from vault.encoding import Json, b64u
from vault.errors import VaultError
from vault.months import Month

PATH = Path(__file__).parent / "vectors" / "web_dpv.json"
SEED = b"web dpv"
Told = Callable[[World, Person, Grant], None]
Case = dict[str, Json]


def _nothing(_world: World, _ann: Person, _grant: Grant) -> None:
    """Leave it as it was given."""


def _goes_on(_world: World, ann: Person, grant: Grant) -> None:
    ann.holder.pause(grant)
    ann.holder.resume(grant)


def _stops(_world: World, ann: Person, grant: Grant) -> None:
    ann.holder.pause(grant)
    ann.holder.stop(grant)


def _replaces(_world: World, ann: Person, grant: Grant) -> None:
    ann.holder.allow(terms(CITY, first=APR, last=APR), "en", grant)


def _expires(world: World, ann: Person, grant: Grant) -> None:
    world.move(Month("2026-08"))
    ann.holder.stop(grant)


STORIES: dict[str, Told] = {
    "given": _nothing,
    "goes on": _goes_on,
    "stopped": _stops,
    "replaced": _replaces,
    "expired, stopped later": _expires,
}


@dataclass(frozen=True)
class Scene:
    """One person's consent at one vault, as its directory lists everybody."""

    world: World
    ann: Person
    directory: Directory

    def case(self, name: str, grant: Grant, entries: list[OwnEntry]) -> Case:
        """Return one case: what went in, and the record or the slug that came of it."""
        rendered = render_notice(grant, self.directory, grant.notice.locale)
        notice = rendered if notice_hash(rendered) == grant.notice.sha256 else None
        given: Case = {
            "name": name,
            "grant": grant.signed(consent_key(self.ann.root, CITY)),
            "directory": self.directory.text,
            "auditor": b64u(self.world.policy.auditor),
            "entries": [asdict(one) for one in entries],
            "now": self.world.time,
            "notice": notice,
        }
        try:
            told = history(grant, entries, self.world.time)
        except VaultError as refused:
            return {**given, "slug": refused.slug}
        return {**given, "record": export_record(grant, self.directory, told, notice)}

    def bad(self, grant: Grant, entries: list[OwnEntry]) -> Iterator[Case]:
        """Yield lists that are refused; the last two entries are a pause and a stop."""
        *before, paused, stopped = entries
        yield self.case("without the grant", grant, [paused, stopped])
        yield self.case("without the pause", grant, [*before, stopped])
        stranger, key = SigningKey(b"\x42" * 32), consent_key(self.ann.root, CITY)
        text = Pause(iat=1, grant=grant.grant, n=1).signed(stranger)
        forged = OwnEntry(paused.index, paused.at, text)
        yield self.case("a stranger's pause", grant, [*before, forged])
        text = Revoke(iat=1, grant=grant.grant, n=1).signed(key)
        again = OwnEntry(stopped.index, stopped.at, text)
        yield self.case("a number twice", grant, [*before, paused, again])


def stories() -> Iterator[Case]:
    """Yield every story, and what a list that leaves something out or is forged is refused with."""
    for number, (name, told) in enumerate(STORIES.items()):
        with World(seed=SEED + bytes([number])) as world:
            ann = world.person("ann", EAST)
            grant = ann.holder.allow(terms(CITY), "zh-CN" if number % 2 else "en")
            told(world, ann, grant)
            body = world.wire(account_key(ann.root)).get("/v1/holder/entries").body
            entries, scene = read_entries(body), Scene(world, ann, world.directory())
            yield scene.case(name, grant, entries)
            if told is _stops:
                yield from scene.bad(grant, entries)
            for own in ann.holder.grants():
                if own.grant != grant:
                    yield scene.case("the one that replaced it", own.grant, entries)


def text() -> str:
    """Return the file."""
    templates = {name: found.plain() for name, found in load_templates().items()}
    with patch.object(seal, "SUITE", SeededSuite(SEED)):
        found = {"templates": templates, "cases": [*stories()]}
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
