"""A folder of behaviour and release files, held against every rule (docs/methodology.md).

    check_shelf({"travel.bike.1.toml": b"…", "demo-1.toml": b"…"})
    [Fault(file="demo-1.toml", says="travel.bike.1.toml is not the file pinned: …")]

A behaviour file is called <id>.<rev>.toml and a release file <id>.toml, so that a listing of the
folder tells what is in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from vault.errors import BadMethodology
from vault.methodology.behaviour import parse_toml
from vault.methodology.check import read_behaviour
from vault.methodology.release import read_release

_NUMBERED = re.compile(r"(20[0-9]{2})-([1-9][0-9]*)", re.ASCII)


class Fault(NamedTuple):
    """What is wrong with a file."""

    file: str
    says: str


def shipped_files() -> dict[str, bytes]:
    """Return the behaviour and release files that come with this package, by name."""
    shelf = files("vault.methodology")
    return {
        f"{folder}/{entry.name}": entry.read_bytes()
        for folder in ("behaviours", "releases")
        for entry in sorted(shelf.joinpath(folder).iterdir(), key=lambda each: each.name)
        if entry.name.endswith(".toml")
    }


def release_names() -> list[str]:
    """Return the ids of the releases that come with this package."""
    releases = (name.partition("/") for name in shipped_files())
    return [name.removesuffix(".toml") for kind, _, name in releases if kind == "releases"]


def newest_release() -> str:
    """Return the highest numbered release, such as 2026-1; raises BadMethodology without one."""
    numbered = [found for name in release_names() if (found := _NUMBERED.fullmatch(name))]
    if not numbered:
        raise BadMethodology("no release with a number, such as 2026-1, comes with this package")
    return max(numbered, key=lambda found: (int(found[1]), int(found[2])))[0]


def check_shelf(shelf: Mapping[str, bytes]) -> list[Fault]:
    """Return every file that breaks a rule, and which; empty when all are good.

    1. it is a behaviour or a release file, and keeps the rules of read_behaviour or read_release,
    each pinned file being among those given. 2. it has the name that its id and revision ask for.
    3. no two files have one id and revision.

    Args:
        shelf: the bytes of each file by its name, or by its path with /.
    """
    faults = [Fault(name, says) for name in shelf for says in _faults(name, shelf)]
    return faults + _doubled(shelf)


def _faults(name: str, shelf: Mapping[str, bytes]) -> Iterator[str]:
    try:
        wanted = _wanted_name(shelf[name])
    except BadMethodology as bad:
        yield str(bad)
        return
    if name.rpartition("/")[2] != wanted:
        yield f"wanted the name {wanted}"  # 2
    if _is_release(shelf[name]):
        unpinned = list(_unpinned(shelf[name], shelf))
        yield from unpinned or _broken_release(shelf[name], shelf)  # 1
    else:
        yield from _broken_behaviour(shelf[name])  # 1


def _broken_behaviour(file: bytes) -> Iterator[str]:
    try:
        read_behaviour(file)
    except BadMethodology as bad:
        yield str(bad)


def _broken_release(file: bytes, shelf: Mapping[str, bytes]) -> Iterator[str]:
    try:
        read_release(file, shelf.values())
    except BadMethodology as bad:
        yield str(bad)


def _unpinned(file: bytes, shelf: Mapping[str, bytes]) -> Iterator[str]:
    there = {sha256(each).hexdigest() for each in shelf.values()}
    by_name = {name.rpartition("/")[2]: sha256(each).hexdigest() for name, each in shelf.items()}
    listed = parse_toml(file).get("behaviours")
    for pin in listed if isinstance(listed, list) else []:
        if not isinstance(pin, dict) or str(pin.get("sha256")) in there:
            continue
        name = f"{pin.get('id')}.{pin.get('rev')}.toml"
        found = by_name.get(name)
        yield (
            f"{name} is not the file pinned: wanted SHA-256 {pin.get('sha256')}, "
            f"found {found or 'no such file'}"
        )


def _doubled(shelf: Mapping[str, bytes]) -> list[Fault]:
    names = {name: _name_or_none(file) for name, file in shelf.items()}
    counted = Counter(names.values())
    return [
        Fault(name, f"another file is {wanted} as well")
        for name, wanted in names.items()
        if wanted is not None and counted[wanted] > 1
    ]  # 3


def _name_or_none(file: bytes) -> str | None:
    try:
        return _wanted_name(file)
    except BadMethodology:
        return None


def _wanted_name(file: bytes) -> str:
    members = parse_toml(file)
    kind = members.get("format")
    if kind == "carbonvault-release/1":
        return f"{members.get('id')}.toml"
    if kind == "carbonvault-behaviour/1":
        return f"{members.get('id')}.{members.get('rev')}.toml"
    raise BadMethodology("wanted format carbonvault-behaviour/1 or carbonvault-release/1")


def _is_release(file: bytes) -> bool:
    return parse_toml(file).get("format") == "carbonvault-release/1"
