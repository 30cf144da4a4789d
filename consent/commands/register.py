"""An auditor's folder: its keys, K_net, the register of parties, and the last directory.

auditor.toml     id = "audit.example", url = "https://vault.example"
auditor.key      the key that signs directories; next.key the one that will, once it is listed
next.pub         instead of next.key: the public key of who takes over
knet-2026.key    K_net of a year, 32 bytes in hex, mode 0600; it must never reach the vault
parties.toml     the register, readable: who is listed, with which keys, from when until when
directory.jws    the last directory that was logged, and the key that signed it
pending.jws      one that was signed and whose answer was lost: it is posted again, as it is
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from consent import accredit
from consent.accredit import Issue, Keys, Register, compose, rotate_keys
from consent.app import wall_clock
from consent.folder import Clock, read_held, vault_clock, write_held
from consent.log.proof import Logged
from consent.place import (
    check_url,
    read_key,
    read_text,
    replace_file,
    write_key,
    write_new,
    write_settings,
)
from consent.policy import check_logged
from vault.crypto.keys import SigningKey
from vault.directory import FIRST_PREV, Directory, check_successor, read_directory
from vault.encoding import Json, b64u, compact_json, read_envelope, thumbprint, unb64u
from vault.errors import BadDirectory, BadInput, BadPlace, Local, LogUnavailable, VaultError
from vault.wire import Wire, text_of

_KEY, _NEXT, _TAKER, _REGISTER = "auditor.key", "next.key", "next.pub", "parties.toml"
_HELD, _PENDING = "directory.jws", "pending.jws"
_YEAR = re.compile(r"knet-(20[0-9]{2})\.key")
_SAYS = "# The register of an auditor. Change it with `carbonvault directory`, not by hand.\n"


@dataclass(frozen=True)
class Place:
    """An opened folder of an auditor; `id` is its own entry in the register."""

    path: Path
    id: str
    url: str
    register: Register

    @property
    def now(self) -> Clock:
        """The clock: a demonstration's is the vault's."""
        return vault_clock(Wire(self.url)) if self.register.demo else wall_clock

    def key(self) -> SigningKey:
        """Return the key that signs directories; raises BadPlace."""
        return SigningKey(read_key(self.path / _KEY))

    def next_key(self) -> SigningKey | None:
        """Return the key that will sign; None when none was made."""
        path = self.path / _NEXT
        return SigningKey(read_key(path)) if path.exists() else None

    def next_public(self) -> bytes | None:
        """Return the key that the next directory names as `next`, own or of who takes over."""
        if own := self.next_key():
            return own.public
        told = read_text(self.path / _TAKER)
        return unb64u(told.strip(), 32) if told else None

    def held(self) -> Directory | None:
        """Return the last directory that was logged."""
        return read_held(self.path / _HELD)

    def pending(self) -> Directory | None:
        """Return a directory that was signed, and whose answer was lost."""
        return read_held(self.path / _PENDING)

    def secrets(self) -> dict[int, bytes]:
        """Return K_net by year."""
        named = (_YEAR.fullmatch(path.name) for path in self.path.glob("knet-*.key"))
        return {int(n[1]): read_key(self.path / n[0]) for n in named if n}

    def save(self, register: Register) -> None:
        """Put the register in the place of the one before."""
        text = _SAYS + write_toml(register.plain())
        replace_file(self.path / _REGISTER, text.encode("utf-8"))


def make_place(path: Path, name: str, url: str, register: Register, key: SigningKey) -> Place:
    """Make an auditor's folder; raises BadPlace when it holds one."""
    check_url(url)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (path / "auditor.toml").exists():
        raise BadPlace(f"{path} holds an auditor already")
    write_key(path / _KEY, key.value)
    place = Place(path, name, url, register)
    place.save(register)
    write_new(path / "auditor.toml", write_settings({"id": name, "url": url}))
    return place


def open_place(path: Path) -> Place:
    """Return an auditor's folder; raises BadPlace."""
    settings, text = read_text(path / "auditor.toml"), read_text(path / _REGISTER)
    if settings is None or text is None:
        raise BadPlace(f"{path} holds no auditor; make it with `carbonvault directory init`")
    try:
        found = tomllib.loads(settings)
        register = Register.parse(compact_json(tomllib.loads(text)))
    except (ValueError, BadInput) as bad:
        raise BadPlace(f"{path} cannot be read: {bad}") from bad
    return Place(path, str(found.get("id", "")), str(found.get("url", "")), register)


def make_next(place: Place, random: Callable[[int], bytes]) -> SigningKey:
    """Return the auditor's next key, made now; raises BadPlace when there is one already."""
    write_key(place.path / _NEXT, random(32))
    return SigningKey(read_key(place.path / _NEXT))


def name_taker(place: Place, public: bytes) -> None:
    """Let the next directory name another auditor's key (32 bytes): who takes over.

    Raises:
        BadPlace: there is a next key already.
    """
    if place.next_public() is not None:
        raise BadPlace(f"{place.path} has a next key already")
    write_new(place.path / _TAKER, b64u(public) + "\n")


def take_over(place: Place, given: Path) -> Place:
    """Return this auditor's folder with the register, K_net and last directory of another one.

    1. the last directory names this folder's key as `next`. 2. the auditors before end with the
    next directory, and this one is listed in it. 3. K_net and what was logged last go along.

    Args:
        place: the folder of who takes over, made by `directory init`.
        given: a copy of the other folder; its own keys need not be in it.

    Raises:
        BadDirectory: the last directory names another key, or none.
        BadPlace: a file is missing, or stands here already.
    """
    before = open_place(given)
    held, own = before.held(), accredit.party_of(place.register, place.id)
    if held is None or held.listing.next != place.key().public:  # 1
        raise BadDirectory("the last directory does not name this folder's key as the next one")
    register = before.register
    for party in before.register.parties:
        if "auditor" in party.roles:
            register = accredit.end_keys(register, party.id, place.now())  # 2
    place.save(accredit.add_party(register, own))
    for year, secret in before.secrets().items():
        write_key(place.path / f"knet-{year}.key", secret)  # 3
    write_held(place.path / _HELD, held)
    return open_place(place.path)


def make_year(place: Place, year: int, random: Callable[[int], bytes]) -> None:
    """Make K_net of a year; raises BadPlace when there is one: it never changes."""
    write_key(place.path / f"knet-{year}.key", random(32))


def publish(place: Place, url: str, life: int, with_next: bool) -> tuple[Directory, Logged]:
    """Compose, sign and post the next directory; return it and its place in the log, proved.

    1. one whose answer was lost is posted first, the same bytes. 2. the next one names the last as
    prev and is signed by the key that the last one allows. 3. it may follow the last: no
    organisation changed. 4. it is kept before it is sent.

    Raises:
        BadDirectory: it breaks a rule, or another log is named than by the last one: that is a turn
            (consent/commands/turn.py). Unreachable: call again. BadProof: it was not logged.
    """
    if waiting := place.pending():
        _check_same_log(place, waiting)
        post(place, url, waiting)  # 1
        place = open_place(place.path)
    held, register = place.held(), place.register
    if held:
        _check_same_log(place, held)
    if with_next:
        spare = place.next_key()
        if spare is None or held is None or held.listing.next != spare.public:
            raise BadDirectory("the last directory does not name a next key: publish it first")
        # The key before may be lost: this one is all that is needed.
        key, following = spare, None
        register = rotate_keys(register, place.id, Keys(key.public, None), place.now())
    else:
        key, following = place.key(), place.next_public()
    fresh = sign_next(place, register, life, key, following)
    return fresh, post(place, url, fresh)


def _check_same_log(place: Place, last: Directory) -> None:
    log = place.register.log
    if log is None or log.vkey != last.listing.log.vkey:
        raise BadDirectory(
            "the register names another log than the last directory:"
            " a log turns by `carbonvault directory turn`, which also finishes what it began"
        )


def sign_next(
    place: Place, register: Register, life: int, key: SigningKey, following: bytes | None
) -> Directory:
    """Return the next directory of a register, signed, and kept as the one about to be posted.

    It lives for `life` seconds and names `following` (32 bytes) as the next key. What was ended
    since the last one ends with this one.

    Raises:
        BadDirectory: it breaks a rule.
    """
    held, now = place.held(), place.now()
    if held:
        register = accredit.end_no_earlier(register, held.listing.entries, now)
    issue = Issue(
        version=held.listing.version + 1 if held else 1,
        prev=held.hash if held else FIRST_PREV,
        now=now,
        expires=now + life,
        next=following,
    )
    text = compose(register, issue, place.secrets()).signed(key)  # 2
    fresh = read_directory(text, key.public)
    if held:
        check_successor(held, fresh)  # 3
    write_held(place.path / _PENDING, fresh)  # 4
    return fresh


def post(
    place: Place, url: str, fresh: Directory, check: Callable[[str], Logged] | None = None
) -> Logged:
    """Post a signed directory and keep it as the last; a refused one is no longer pending.

    `check` gives its place by the proof file; None: it stands in the log that it names itself.

    Raises:
        BadPlace: the key that signed it is not here. Unreachable, LogUnavailable: call again.
    """
    following = place.next_key()
    promoted = following is not None and following.public == fresh.signer_key
    key = following if following and promoted else place.key()
    if thumbprint(key.public) != read_envelope(fresh.text, fresh.listing.typ).kid:
        raise BadPlace("the pending directory was signed by a key that is not here")
    try:
        proof = text_of(Wire(url, key).post("/v1/directory", fresh.text).body, "proof")
        logged = check(proof) if check else check_logged(fresh, fresh.text, proof, witnessed=False)
    except (Local, LogUnavailable):
        raise  # it may be logged: the same bytes are posted again
    except VaultError:
        (place.path / _PENDING).unlink(missing_ok=True)
        raise
    write_held(place.path / _HELD, fresh)
    if promoted:
        place.save(place.register.model_copy(update={"parties": fresh.listing.entries}))
        (place.path / _NEXT).replace(place.path / _KEY)
    (place.path / _PENDING).unlink(missing_ok=True)
    return logged


def write_toml(members: Mapping[str, Json]) -> str:
    """Return JSON members as TOML: values first, then tables, then lists of tables."""
    plain = {name: value for name, value in members.items() if not _is_table(value)}
    lines = [f"{name} = {_value(value)}" for name, value in plain.items()]
    for name, value in members.items():
        if isinstance(value, dict):
            lines += ["", f"[{name}]", *(f"{k} = {_value(v)}" for k, v in value.items())]
        elif name not in plain:
            for table in cast("list[dict[str, Json]]", value):
                lines += ["", f"[[{name}]]", *(f"{k} = {_value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _is_table(value: Json) -> bool:
    in_list = isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    return isinstance(value, dict) or in_list


def _value(value: Json) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        spread = any(isinstance(item, dict) for item in value)
        items = [_value(item) for item in value]
        return "[\n  " + ",\n  ".join(items) + ",\n]" if spread else "[" + ", ".join(items) + "]"
    return json.dumps(value, ensure_ascii=False)
