"""What an auditor accredits, and the directory made from it (docs/protocol.md section 4).

    register = add_party(register, Party(id="bike.example", org="bike.example", …))
    register = rotate_keys(register, "bike.example", Keys(sig, hpke), now, overlap)
    listing = compose(register, Issue(version=2, prev=…, now=…, expires=…), {2026: secret})

A register only grows: a party that leaves keeps its entry with keys that have ended, so that old
texts still find them. An organisation never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from consent.log.note import read_vkey
from consent.logged import path_under
from vault.crypto.seal import seal
from vault.directory import LONGEST_LIFE, check_parties, year_key_info
from vault.encoding import Json, compact_json
from vault.errors import BadDirectory, NotFound
from vault.messages import (
    ClosedLog,
    KeyTime,
    Listing,
    LogEntry,
    Party,
    ReleaseEntry,
    Shape,
    YearKey,
)
from vault.months import DEFAULT_ZONE, month_at

KEY_LIFE = 2 * 366 * 86400
DIRECTORY_LIFE = 40 * 86400


class Register(Shape):
    """What the auditor keeps between directories; K_net and the auditor's keys are not in it."""

    demo: bool
    zone: str = DEFAULT_ZONE
    log: LogEntry | None = None
    earlier: tuple[ClosedLog, ...] = ()
    releases: tuple[ReleaseEntry, ...] = ()
    parties: tuple[Party, ...] = ()


class Keys(NamedTuple):
    """A party's public keys, 32 bytes each: Ed25519, and X25519 where something is sealed to it."""

    sig: bytes
    hpke: bytes | None


@dataclass(frozen=True)
class Issue:
    """What differs from one directory to the next; `now` and `expires` are unix seconds."""

    version: int
    prev: bytes
    now: int
    expires: int
    next: bytes | None = None


def key_times(pk: bytes | None, now: int) -> tuple[KeyTime, ...]:
    """Return the list of one key that is valid from now on; empty for no key."""
    return (KeyTime(pk=pk, begins=now, until=now + KEY_LIFE),) if pk else ()


def add_party(register: Register, party: Party) -> Register:
    """Return the register with a new party.

    Raises:
        BadDirectory: its id is listed already, also under another organisation; a key is listed
            already; the vault's organisation would be a source.
        BadPoint: a key that cannot be used.
    """
    known = next((p for p in register.parties if p.id == party.id), None)
    if known and known.org != party.org:
        raise BadDirectory(f"{party.id} is of {known.org}: an organisation never changes")
    if known:
        raise BadDirectory(f"{party.id} is listed already; rotate gives it new keys")
    return _with_parties(register, (*register.parties, party))


def amend_party(register: Register, party_id: str, changes: Mapping[str, Json]) -> Register:
    """Return the register where some words of an entry are others: name, redirects, contact.

    Raises:
        NotFound: it is not listed.
        BadShape: not of their form.
    """
    party = party_of(register, party_id)
    return _with_party(register, Party.parse(compact_json({**party.plain(), **changes})))


def end_keys(register: Register, party_id: str, at: int) -> Register:
    """Return the register where every key of a party has ended at unix second `at`.

    Raises:
        NotFound: it is not listed.
    """
    party = party_of(register, party_id)
    ended = {"sig": _ended(party.sig, at), "hpke": _ended(party.hpke, at)}
    return _with_party(register, party.model_copy(update=ended))


def rotate_keys(
    register: Register, party_id: str, keys: Keys, now: int, overlap: int = 0
) -> Register:
    """Return the register where a party has new keys from now on.

    The old ones end after `overlap` seconds: long enough for what was signed and not yet sent.

    Raises:
        NotFound: it is not listed.
        BadDirectory, BadPoint: a key is listed already, or cannot be used.
    """
    party = party_of(register, party_id)
    renewed = {
        "sig": (*_ended(party.sig, now + overlap), *key_times(keys.sig, now)),
        "hpke": (*_ended(party.hpke, now + overlap), *key_times(keys.hpke, now)),
    }
    return _with_party(register, party.model_copy(update=renewed))


def end_no_earlier(register: Register, listed: tuple[Party, ...], now: int) -> Register:
    """Return the register where no key that was `listed` so far ends before unix second `now`.

    An end that was noted between two directories begins with the second of them. Until then the
    vault goes by the first, and what it takes must stay its source's for whoever reads it later.
    """
    lasting = {key.pk: min(key.until, now) for party in listed for key in (*party.sig, *party.hpke)}

    def kept(keys: tuple[KeyTime, ...]) -> tuple[KeyTime, ...]:
        return tuple(
            key.model_copy(update={"until": max(key.until, lasting.get(key.pk, 0))}) for key in keys
        )

    parties = (
        party.model_copy(update={"sig": kept(party.sig), "hpke": kept(party.hpke)})
        for party in register.parties
    )
    return _with_parties(register, tuple(parties))


def add_release(register: Register, release: ReleaseEntry) -> Register:
    """Return the register where a methodology release is in force from a month on.

    Raises:
        BadDirectory: it is listed already, or does not come after the last one.
    """
    last = register.releases[-1] if register.releases else None
    if last and (release.begins <= last.begins or release.id in {r.id for r in register.releases}):
        raise BadDirectory(
            f"wanted another release from a month after {last.begins}, where {last.id} begins"
        )
    return register.model_copy(update={"releases": (*register.releases, release)})


def turn_log(register: Register, entry: LogEntry) -> Register:
    """Return the register whose log is another one from now on: what a turn says.

    Raises:
        BadDirectory: there is no log yet; this one is listed already, also with another key; its
            key is another log's; or it does not stand under the first one.
    """
    if register.log is None:
        raise BadDirectory("there is no log yet that could turn")
    known = [log.vkey for log in (*register.earlier, register.log)]
    if entry.vkey in known:
        raise BadDirectory(f"{entry.origin} is listed already: wanted a log that is new")
    if read_vkey(entry.vkey).public in {read_vkey(vkey).public for vkey in known}:
        raise BadDirectory(f"{entry.origin} has the key of a log before: wanted one of its own")
    first, name = read_vkey(known[0]).name, read_vkey(entry.vkey).name
    if path_under(first, name) in {path_under(first, read_vkey(vkey).name) for vkey in known}:
        raise BadDirectory(f"{name} has another key already: a log keeps its key")
    return register.model_copy(update={"log": entry})


def close_log(register: Register, entry: LogEntry, size: int, root: bytes) -> Register:
    """Return the register where its log has ended with this tree, and another one goes on.

    Raises:
        BadDirectory: as turn_log.
    """
    turned, ended = turn_log(register, entry), register.log
    closed = ClosedLog.model_validate({**dict(ended or entry), "size": size, "root": root})
    return turned.model_copy(update={"earlier": (*register.earlier, closed)})


def party_of(register: Register, party_id: str) -> Party:
    """Return an entry of the register; raises NotFound."""
    for party in register.parties:
        if party.id == party_id:
            return party
    raise NotFound(f"the register has no party {party_id}")


def compose(register: Register, issue: Issue, secrets: Mapping[int, bytes]) -> Listing:
    """Return the next directory, unsigned.

    1. one vault, a log, a methodology release. 2. it lives at most 45 days. 3. K_net of this year,
    the last and later ones, sealed to each source that has a key now.

    Args:
        register: what the auditor accredits.
        issue: version, prev, times and next key.
        secrets: K_net (32 bytes) by calendar year.

    Raises:
        BadDirectory: something of (1) is missing, or it would live too long.
    """
    vaults = [party for party in register.parties if "vault" in party.roles]
    if len(vaults) != 1 or register.log is None or not register.releases:  # 1
        raise BadDirectory("a directory names one vault, its log and a methodology release")
    if not issue.now < issue.expires <= issue.now + LONGEST_LIFE:  # 2
        raise BadDirectory(f"a directory lives at most {LONGEST_LIFE // 86400} days")
    check_parties(register.parties)
    return Listing(
        iat=issue.now,
        version=issue.version,
        prev=issue.prev,
        expires=issue.expires,
        next=issue.next,
        demo=register.demo,
        zone=register.zone,
        vault=vaults[0].id,
        log=register.log,
        earlier=register.earlier or None,
        releases=register.releases,
        entries=register.parties,
        knet=_year_keys(register, issue.now, secrets),  # 3
    )


def _year_keys(register: Register, now: int, secrets: Mapping[int, bytes]) -> tuple[YearKey, ...]:
    first = int(month_at(now, register.zone)[:4]) - 1
    open_to = [
        (party.id, key.pk)
        for party in register.parties
        if "source" in party.roles
        for key in [k for k in party.hpke if k.begins <= now < k.until][-1:]
    ]
    return tuple(
        YearKey(year=year, source=source, sealed=seal(pk, secret, year_key_info(year, source)))
        for year, secret in sorted(secrets.items())
        if year >= first
        for source, pk in open_to
    )


def _ended(keys: tuple[KeyTime, ...], at: int) -> tuple[KeyTime, ...]:
    # A key was valid for a second at least: an entry without one is no entry.
    return tuple(
        key.model_copy(update={"until": min(key.until, max(at, key.begins + 1))}) for key in keys
    )


def _with_party(register: Register, changed: Party) -> Register:
    parties = (changed if party.id == changed.id else party for party in register.parties)
    return _with_parties(register, tuple(parties))


def _with_parties(register: Register, parties: tuple[Party, ...]) -> Register:
    check_parties(parties)
    return register.model_copy(update={"parties": parties})
