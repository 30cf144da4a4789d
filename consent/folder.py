"""The folder of a holder, source or platform: pins, keys, and what was accepted last.

    source.toml      id = "bike.example", url = "https://…", auditor = "…", log = "…", demo = false
    sig-1.key …      Ed25519 seeds, the highest number is the newest; hex, mode 0600
    hpke-1.key …     X25519 secrets beside them
    directory.jws    the directory accepted last, and the key that signed it

A line ``policy = "witnesses.policy"`` names a file beside it with a policy of the party's own
(C2SP tlog-policy): witnesses that must have cosigned besides those the directory asks for.
``fresh = 86400`` says how many seconds ago they may have done so (0: at any time).

A holder's folder is ``holder.toml`` and ``root.key`` (20 bytes) instead of the key pairs. What was
accepted last is kept so that a vault that goes back is found out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import NamedTuple, TypedDict

from consent.log.note import read_vkey
from consent.log.tlog_policy import LogPolicy, read_policy
from consent.place import (
    check_url,
    read_key,
    read_text,
    replace_file,
    write_key,
    write_new,
    write_settings,
)
from consent.policy import DAY, Policy, fetch_directory, wall_clock
from vault.crypto.keys import OpeningKey, SigningKey
from vault.directory import Directory, read_directory
from vault.encoding import b64u, thumbprint, unb64u
from vault.errors import BadDirectory, BadInput, BadPlace, UnknownKey
from vault.wire import PATIENT, Wire

Clock = Callable[[], int]
_ID = re.compile(r"[a-z0-9.-]{3,64}")
_HELD = "directory.jws"
_FRESH = 1.0


@dataclass(frozen=True)
class Pins:
    """The party's directory id (empty for a holder), the vault's public URL, and what is pinned."""

    id: str
    url: str
    policy: Policy


class Pair(NamedTuple):
    """A key pair of each kind, made together."""

    signing: SigningKey
    opening: OpeningKey


class Folder:
    """One party's opened folder."""

    def __init__(self, path: Path, pins: Pins) -> None:
        """Stand on settings that were read; the keys are read when they are needed."""
        self.path, self.pins = path, pins
        self.now: Clock = vault_clock(self.wire()) if pins.policy.demo else wall_clock

    def wire(self, key: SigningKey | None = None) -> Wire:
        """Return a way to the vault that speaks as this key."""
        return Wire(self.pins.url, key, patience=PATIENT)

    def accept(self) -> Directory:
        """Return the directory in force, accepted after the one held, and hold it.

        Raises:
            BadDirectory, BadProof: it is not to be trusted, or the vault went back.
        """
        fresh = fetch_directory(self.wire(), self.pins.policy, self.held(), self.now())
        self.hold(fresh)
        return fresh

    def held(self) -> Directory | None:
        """Return the directory accepted in an earlier run."""
        return read_held(self.path / _HELD)

    def hold(self, directory: Directory) -> None:
        """Keep the accepted directory for the next run."""
        write_held(self.path / _HELD, directory)

    def add_pair(self, random: Callable[[int], bytes]) -> Pair:
        """Return fresh keys, the newest of this folder; the old ones stay."""
        return self.keep_pair(SigningKey(random(32)), OpeningKey(random(32)))

    def keep_pair(self, signing: SigningKey, opening: OpeningKey) -> Pair:
        """Keep keys as the newest of this folder; raises BadPlace."""
        number = max(self._numbers("sig") | self._numbers("hpke"), default=0) + 1
        write_key(self.path / f"hpke-{number}.key", opening.value)
        write_key(self.path / f"sig-{number}.key", signing.value)
        return Pair(signing, opening)

    def pairs(self) -> tuple[Pair, ...]:
        """Return every key pair, the newest first; raises BadPlace."""
        whole = self._numbers("sig") & self._numbers("hpke")
        return tuple(self._pair(number) for number in sorted(whole, reverse=True))

    def _numbers(self, kind: str) -> set[int]:
        names = (path.stem.removeprefix(f"{kind}-") for path in self.path.glob(f"{kind}-*.key"))
        return {int(name) for name in names if name.isdecimal()}

    def _pair(self, number: int) -> Pair:
        signing, opening = (
            read_key(self.path / f"{kind}-{number}.key") for kind in ("sig", "hpke")
        )
        return Pair(SigningKey(signing), OpeningKey(opening))

    def opening(self) -> tuple[OpeningKey, ...]:
        """Return every opening key: what was sealed to an old one still opens."""
        return tuple(pair.opening for pair in self.pairs())

    def signing(self, directory: Directory, role: str) -> SigningKey:
        """Return the newest key that the directory lists for this party, valid now.

        Raises:
            UnknownKey: it lists none.
        """
        for pair in self.pairs():
            try:
                party, _ = directory.signer(thumbprint(pair.signing.public), role, self.now())
            except UnknownKey:
                continue
            if party.id == self.pins.id:
                return pair.signing
        raise UnknownKey(
            f"the directory lists no key of this folder as {role} {self.pins.id}, valid now;"
            f" give the auditor what `carbonvault {role} keys` prints"
        )


def make_folder(path: Path, kind: str, pins: Pins) -> Folder:
    """Make a folder (mode 0700) with the settings of a holder, source or platform.

    Raises:
        BadPlace: it holds one already, or a setting is not of its form.
    """
    check_pins(pins, kind)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    members: dict[str, str | bool] = {"id": pins.id} if pins.id else {}
    policy = pins.policy
    members |= {"url": pins.url, "auditor": b64u(policy.auditor), "log": policy.log}
    settings = write_settings({**members, "demo": policy.demo})
    if (path / f"{kind}.toml").exists():
        raise BadPlace(f"{path} holds a {kind} already")
    write_new(path / f"{kind}.toml", settings)
    return Folder(path, pins)


def check_pins(pins: Pins, kind: str) -> None:
    """Return when the settings are of their form; raises BadPlace."""
    check_url(pins.url)
    if kind != "holder" and not _ID.fullmatch(pins.id):
        raise BadPlace(f"a directory id is [a-z0-9.-]{{3,64}}, found {pins.id[:70]!r}")
    try:
        log = read_vkey(pins.policy.log)
    except BadInput as bad:
        raise BadPlace(f"the log's vkey: {bad}") from bad
    trust = pins.policy.trust
    if trust is not None and log not in [member.key for member in trust.logs]:
        raise BadPlace(f"the own policy file has no line log {pins.policy.log}")


def open_folder(path: Path, kind: str) -> Folder:
    """Return a folder made earlier; raises BadPlace."""
    settings = path / f"{kind}.toml"
    text = read_text(settings)
    if text is None:
        raise BadPlace(f"{path} holds no {kind}; make it with `carbonvault {kind} init`")
    try:
        found = tomllib.loads(text)
        name, url, auditor, log = (str(found.get(n, "")) for n in ("id", "url", "auditor", "log"))
        policy = Policy(unb64u(auditor, 32), log, found.get("demo") is True)
        pins = Pins(name, url, replace(policy, **_witnessed(path, found)))
    except (ValueError, BadInput) as bad:
        raise BadPlace(f"{settings} cannot be read: {bad}") from bad
    check_pins(pins, kind)
    return Folder(path, pins)


class _Witnessed(TypedDict):
    fresh: int
    trust: LogPolicy | None


def _witnessed(path: Path, found: Mapping[str, object]) -> _Witnessed:
    """Return what settings say of witnesses; raises BadPlace."""
    fresh, own = found.get("fresh", DAY), found.get("policy")
    if type(fresh) is not int or fresh < 0:
        raise BadPlace("fresh: wanted a number of seconds, 0 or more")
    if not isinstance(own, str | None):
        raise BadPlace("policy: wanted the name of a file")
    return {"fresh": fresh, "trust": None if own is None else read_trust(path / own)}


def read_trust(path: Path) -> LogPolicy:
    """Return the policy of a party's own policy file; raises BadPlace."""
    try:
        return read_policy(path.read_bytes())
    except (OSError, BadInput) as bad:
        raise BadPlace(f"{path} is no policy file: {bad}") from bad


def write_held(path: Path, directory: Directory) -> None:
    """Keep a verified directory and the key that signed it; raises BadPlace."""
    text = f"{directory.text}\n{b64u(directory.signer_key)}\n"
    replace_file(path, text.encode("ascii"))


def read_held(path: Path) -> Directory | None:
    """Return the directory that was kept, None when there is none yet; raises BadPlace."""
    kept = read_text(path)
    if kept is None:
        return None
    text, _, signer = kept.rstrip("\n").partition("\n")
    try:
        return read_directory(text, unb64u(signer, 32))
    except (BadInput, BadDirectory) as bad:
        raise BadPlace(f"{path} does not hold a directory and its signer: {bad}") from bad


def vault_clock(wire: Wire) -> Clock:
    """Return the clock of a demonstration's vault, moved by hand; never a real one's.

    It is asked again after a second, so that a service that stays sees it move.
    """
    asked, told = 0.0, 0

    def now() -> int:
        nonlocal asked, told
        if not told or monotonic() - asked >= _FRESH:
            found = wire.get("/v1/time").body.get("now")
            asked, told = monotonic(), found if isinstance(found, int) else 0
        return told

    return now
