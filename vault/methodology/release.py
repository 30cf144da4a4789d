"""A methodology release: which revision of each behaviour counts (docs/methodology.md).

    format = "carbonvault-release/1"
    id = "demo-1"
    says = { zh-CN = "…", en = "…" }

    [[behaviours]]
    id = "travel.bike"
    rev = 1
    sha256 = "…"                     # of the behaviour file, byte for byte

    [[choices]]                      # where two published factors fit: which one, and why
    id = "travel.bike"
    taken = "48.7 g/km (CN)"
    over = "61.8 g/km"
    why = { zh-CN = "…", en = "…" }

    [[accepted]]                     # lets a behaviour of tier B count
    id = "travel.carpool"
    rev = 1
    by = "audit.example"
    on = 2026-01-10
    why = { zh-CN = "…", en = "…" }

    [caps]                           # grams a month that one link counts in a category
    proposal = true
    note = { zh-CN = "…", en = "…" }
    grams = { travel = 200000 }

The signed directory names the release file by its own SHA-256, so that these two hashes pin every
number that an act can count, and carry the auditor's signature over every acceptance. Nothing is
edited in place: a change is a new file and a new release.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, ValidationError, model_validator

from vault.crypto.meter import CELL_LIMIT
from vault.errors import BadInput, BadMethodology, Locale
from vault.messages import Hash, PartyId, Shape
from vault.methodology.behaviour import Behaviour, name_faults, parse_toml
from vault.methodology.check import read_behaviour
from vault.methodology.formula import Citation, Line, Texts
from vault.methodology.limit import CATEGORY_NAMES, BehaviourId, CategoryName, Within
from vault.months import DEFAULT_ZONE, Category, Grams

Cap = Annotated[int, Field(ge=0, lt=CELL_LIMIT)]


class Pin(Shape):
    """One behaviour file by id, revision and SHA-256."""

    id: BehaviourId
    rev: Annotated[int, Field(ge=1, lt=2**31)]
    sha256: Hash


class Choice(Shape):
    """Which of several published factors a release takes, and why."""

    id: BehaviourId
    taken: Line
    over: Line
    why: Texts


class Acceptance(Shape):
    """Who let a behaviour of tier B count, and why.

    The directory names the release by its SHA-256, so that the auditor's signature covers it.
    """

    id: BehaviourId
    rev: Annotated[int, Field(ge=1, lt=2**31)]
    by: PartyId
    on: date
    why: Texts


class CategoryCaps(Shape):
    """Grams a month that one link counts at most, by category; the rest stays in its balance."""

    proposal: bool = False
    source: Citation | None = None
    note: Texts
    grams: dict[CategoryName, Cap]

    @model_validator(mode="after")
    def _grounded(self) -> Self:
        if self.proposal == (self.source is not None):
            raise ValueError("caps name their source, or say proposal = true")
        return self


class ReleaseFile(Shape):
    """The members of a release file."""

    format: Literal["carbonvault-release/1"]
    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{2,63}$")]
    says: Texts
    behaviours: Annotated[tuple[Pin, ...], Field(strict=False, min_length=1)]
    choices: Annotated[tuple[Choice, ...], Field(strict=False)] = ()
    accepted: Annotated[tuple[Acceptance, ...], Field(strict=False)] = ()
    caps: CategoryCaps | None = None


@dataclass(frozen=True)
class Release:
    """A release whose behaviour files were found and checked.

    ``file`` is the release file itself: its SHA-256 stands in the directory.
    """

    file: bytes
    listed: ReleaseFile
    behaviours: Mapping[str, Behaviour]

    @property
    def id(self) -> str:
        """Its id, such as 2026-1."""
        return self.listed.id

    @property
    def says(self) -> Mapping[Locale, str]:
        """What it says of itself, by language."""
        return self.listed.says

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the file, as the directory lists it."""
        return sha256(self.file).digest()

    def behaviour(self, name: str) -> Behaviour:
        """Return a behaviour by id; raises BadMethodology when the release has none."""
        if name not in self.behaviours:
            raise BadMethodology(f"release {self.id} has no behaviour {name[:64]!r}")
        return self.behaviours[name]

    def category(self, name: str) -> Category:
        """Return the category of a behaviour; raises BadMethodology when the release has none."""
        return self.behaviour(name).category

    def zone(self, name: str) -> ZoneInfo:
        """Return the zone in which a behaviour's days begin; the default for one it lacks."""
        behaviour = self.behaviours.get(name)
        return ZoneInfo(behaviour.zone if behaviour else DEFAULT_ZONE)

    def accepts(self, name: str) -> bool:
        """Return whether the release carries an acceptance of the behaviour (tier B)."""
        return any(each.id == name for each in self.listed.accepted)

    def excludes(self, first: str, second: str) -> frozenset[Within]:
        """Return how near two acts of these behaviours may not both count: time, day, month."""
        pairs = ((first, second), (second, first))
        return frozenset(
            exclusive.within
            for one, other in pairs
            if one in self.behaviours
            for exclusive in self.behaviours[one].exclusive
            if exclusive.other == other
        )

    def cap(self, category: Category) -> Grams:
        """Return the grams a month that one link may credit in the category, below 2^40."""
        name = CATEGORY_NAMES[category - 1]
        caps = self.listed.caps.grams if self.listed.caps else {}
        return Grams(caps.get(name, CELL_LIMIT - 1))


@cache
def load_release(name: str) -> Release:
    """Return a release that comes with this package.

    Raises:
        BadMethodology: there is none, or read_release refuses it.
    """
    shelf = files("vault.methodology")
    known = {entry.name: entry for entry in shelf.joinpath("releases").iterdir()}
    if f"{name}.toml" not in known:
        raise BadMethodology(f"there is no methodology release {name[:64]!r}")
    behaviours = shelf.joinpath("behaviours").iterdir()
    release = read_release(known[f"{name}.toml"].read_bytes(), (b.read_bytes() for b in behaviours))
    if release.id != name:
        raise BadMethodology(f"the file of release {name} says it is {release.id}")
    return release


def read_release(file: bytes, behaviours: Iterable[bytes]) -> Release:
    """Return the release of a file, its behaviours found among the files given.

    1. each behaviour is listed once. 2. a file has the SHA-256 listed. 3. that file keeps its own
    rules and vectors. 4. it is of the id and revision listed. 5. choices are of listed behaviours;
    an acceptance is of a listed revision of tier B, whose factors are all of grade H or M.

    Raises:
        BadMethodology: not a release file, or one of these fails.
    """
    listed = _read_listed(file)
    if len({pin.id for pin in listed.behaviours}) != len(listed.behaviours):
        raise BadMethodology(f"release {listed.id} lists a behaviour twice")  # 1
    shelf = {sha256(each).digest(): each for each in behaviours}
    found = {pin.id: _pinned(pin, shelf) for pin in listed.behaviours}
    _check_choices(listed, found)  # 5
    return Release(file, listed, found)


def _check_choices(listed: ReleaseFile, found: Mapping[str, Behaviour]) -> None:
    for choice in listed.choices:
        if choice.id not in found:
            raise BadMethodology(f"release {listed.id} chooses for {choice.id}, which it lacks")
    for accepted in listed.accepted:
        behaviour = found.get(accepted.id)
        if behaviour is None or (behaviour.rev, behaviour.tier) != (accepted.rev, "B"):
            raise BadMethodology(
                f"release {listed.id} accepts {accepted.id} revision {accepted.rev}, "
                "which is not a behaviour of tier B that it lists"
            )
        grades = {factor.source.grade for factor in behaviour.factors}
        if not grades or grades & {"L", "U"}:
            raise BadMethodology(
                f"release {listed.id} accepts {accepted.id}, whose factors are not all H or M"
            )


def _read_listed(file: bytes) -> ReleaseFile:
    try:
        return ReleaseFile.model_validate(parse_toml(file))
    except ValidationError as bad:
        raise BadMethodology(f"a release file: {name_faults(bad)}") from bad
    except BadInput as bad:
        raise BadMethodology(f"a release file: {bad}") from bad


def _pinned(pin: Pin, shelf: Mapping[bytes, bytes]) -> Behaviour:
    if pin.sha256 not in shelf:
        raise BadMethodology(f"no file of {pin.id} has the SHA-256 {pin.sha256.hex()}")  # 2
    behaviour = read_behaviour(shelf[pin.sha256])  # 3
    if (behaviour.id, behaviour.rev) != (pin.id, pin.rev):
        found = f"{behaviour.id} revision {behaviour.rev}"
        raise BadMethodology(f"wanted {pin.id} revision {pin.rev}, the file is {found}")  # 4
    return behaviour
