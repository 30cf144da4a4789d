"""A methodology release: which revision of each behaviour counts (docs/methodology.md).

    format = "carbonvault-release/1"
    id = "demo-1"
    says = { zh-CN = "…", en = "…" }

    [[behaviours]]
    id = "travel.bike"
    rev = 1
    sha256 = "…"                     # of the behaviour file, byte for byte

The signed directory names the release file by its own SHA-256, so that these two hashes pin every
number that an act can count. Nothing is edited in place: a change is a new file and a new release.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from vault.crypto.meter import CELL_LIMIT
from vault.errors import BadInput, BadMethodology, Locale
from vault.messages import Hash, Shape
from vault.methodology.behaviour import Behaviour, BehaviourId, name_faults, parse_toml
from vault.methodology.formula import Texts
from vault.months import Category, Grams


class Pin(Shape):
    """One behaviour file by id, revision and SHA-256."""

    id: BehaviourId
    rev: Annotated[int, Field(ge=1, lt=2**31)]
    sha256: Hash


class ReleaseFile(Shape):
    """The members of a release file."""

    format: Literal["carbonvault-release/1"]
    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{2,63}$")]
    says: Texts
    behaviours: Annotated[tuple[Pin, ...], Field(strict=False, min_length=1)]


@dataclass(frozen=True)
class Release:
    """A release whose behaviour files were found and checked.

    ``file`` is the release file itself: its SHA-256 stands in the directory.
    """

    id: str
    file: bytes
    says: Mapping[Locale, str]
    behaviours: Mapping[str, Behaviour]

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

    def cap(self, category: Category) -> Grams:  # noqa: ARG002
        """Return the grams a month that one link may credit in the category.

        A release sets no caps yet; what is left is the limit of a cell, 2^40 - 1 g.
        """
        return Grams(CELL_LIMIT - 1)


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
    rules and vectors. 4. it is of the id and revision listed.

    Raises:
        BadMethodology: not a release file, or one of these fails.
    """
    listed = _read_listed(file)
    if len({pin.id for pin in listed.behaviours}) != len(listed.behaviours):
        raise BadMethodology(f"release {listed.id} lists a behaviour twice")  # 1
    shelf = {sha256(each).digest(): each for each in behaviours}
    found = {pin.id: _pinned(pin, shelf) for pin in listed.behaviours}
    return Release(listed.id, file, listed.says, found)


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
    behaviour = Behaviour.read(shelf[pin.sha256])  # 3
    if (behaviour.id, behaviour.rev) != (pin.id, pin.rev):
        found = f"{behaviour.id} revision {behaviour.rev}"
        raise BadMethodology(f"wanted {pin.id} revision {pin.rev}, the file is {found}")  # 4
    return behaviour
