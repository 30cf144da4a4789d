"""Who is who: the directory that the auditor signs (docs/protocol.md section 4, "Directory").

    {"iat":…,"version":1,"prev":"00…","expires":…,"next":null,"demo":false,"zone":"Asia/Shanghai",
     "vault":"vault.example","log":{…},"releases":[{"id":"demo-1","sha256":…,"from":"2026-01"}],
     "entries":[{"id":"bike.example","org":"bike.example","name":"…","roles":["source"],…}],"knet":[…]}

Keys are listed with the seconds of their validity and are withdrawn by ``until``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256

from vault.crypto.commit import check_point
from vault.crypto.keys import OpeningKey
from vault.crypto.seal import check_sealing_key, open_sealed
from vault.encoding import Envelope, read_envelope, text_hash, thumbprint
from vault.errors import BadDirectory, BadInput, BadShape, NotFound, UnknownKey
from vault.messages import ClosedLog, KeyTime, Link, Listing, Party, ReleaseEntry
from vault.months import Month, month_at, zone_of

LONGEST_LIFE = 45 * 86400
FIRST_PREV = bytes(32)


@dataclass(frozen=True)
class Directory:
    """A directory whose signature was verified under `signer_key`."""

    text: str
    listing: Listing
    signer_key: bytes

    @cached_property
    def _parties(self) -> dict[str, Party]:
        return {party.id: party for party in self.listing.entries}

    @cached_property
    def _keys(self) -> dict[str, tuple[Party, KeyTime]]:
        return {
            thumbprint(key.pk): (party, key) for party in self.listing.entries for key in party.sig
        }

    @cached_property
    def hash(self) -> bytes:
        """The next version's ``prev``."""
        return text_hash(self.text)

    @property
    def earlier(self) -> tuple[ClosedLog, ...]:
        """The logs that ended, oldest first."""
        return self.listing.earlier or ()

    @property
    def base(self) -> int:
        """How many entries stand in the logs before the one that goes on."""
        return sum(log.size for log in self.earlier)

    def check_current(self, now: int) -> None:
        """Return when the directory has not expired at unix second `now`; raises BadDirectory."""
        if now >= self.listing.expires:
            raise BadDirectory(f"the directory expired at {self.listing.expires}; fetch the next")

    def find(self, party_id: str) -> Party | None:
        """Return the entry of a party, if there is one."""
        return self._parties.get(party_id)

    def party(self, party_id: str) -> Party:
        """Return the entry; raises NotFound."""
        if party_id not in self._parties:
            raise NotFound(f"the directory has no party {party_id}")
        return self._parties[party_id]

    def keys_of(self, party_id: str) -> dict[str, bytes]:
        """Return every signing key listed for the party, by kid; raises NotFound."""
        return {thumbprint(key.pk): key.pk for key in self.party(party_id).sig}

    def key_of(self, party_id: str, kid: str) -> KeyTime:
        """Return the party's listed key that `kid` names, and when it is valid.

        For messages of before: what they were signed with may have ended since.

        Raises:
            UnknownKey: it is not a key of this party.
        """
        party, key = self._keys.get(kid, (None, None))
        if party is None or key is None or party.id != party_id:
            raise UnknownKey(f"{kid} is no key of {party_id}")
        return key

    def org_of(self, party_id: str) -> str:
        """Return the organisation that controls the party; raises NotFound."""
        return self.party(party_id).org

    def signer(self, kid: str, role: str, at: int) -> tuple[Party, bytes]:
        """Return the party with this role, and the key, that `kid` names at unix second `at`.

        Raises:
            UnknownKey: not listed, not of that role, or not valid then.
        """
        return self.signer_within(kid, role, at, at + 1)

    def signer_within(self, kid: str, role: str, begin: int, end: int) -> tuple[Party, bytes]:
        """Return party and key as signer does, for a key valid at some time of [begin, end)."""
        party, key = self._keys.get(kid, (None, None))
        if party is None or key is None or role not in party.roles:
            raise UnknownKey(f"the directory lists no {role} key of this name")
        if key.begins >= end or key.until <= begin:
            raise UnknownKey(f"this key of {party.id} is not valid then")
        return party, key.pk

    def verify_party(self, envelope: Envelope, party_id: str, at: int) -> None:
        """Return when a key of the source `party_id`, valid at `at`, signed the envelope.

        Raises:
            UnknownKey: another party's key, or one not valid then. BadJws: the signature is bad.
        """
        party, public = self.signer(envelope.kid, "source", at)
        if party.id != party_id:
            raise UnknownKey(f"{party.id} signed a message that {party_id} posts")
        envelope.verify(public)

    def vault_key_ever(self, kid: str) -> bytes:
        """Return this vault's listed key that `kid` names, whenever it is valid.

        For texts that carry no time of their own that counts: receipts and absents kept for long.

        Raises:
            UnknownKey: it is not a key of this vault.
        """
        party, key = self._keys.get(kid, (None, None))
        if party is None or key is None or party.id != self.listing.vault:
            raise UnknownKey(f"{kid} is no key of this vault")
        return key.pk

    def vault_key(self, kid: str, at: int) -> bytes:
        """Return this vault's key that `kid` names at unix second `at`; raises UnknownKey."""
        party, public = self.signer(kid, "vault", at)
        if party.id != self.listing.vault:
            raise UnknownKey(f"{party.id} is not the vault of this directory")
        return public

    def sealing_key(self, party_id: str, at: int) -> bytes:
        """Return the X25519 key to seal to: the last one valid at `at`; raises UnknownKey."""
        valid = [k.pk for k in self.party(party_id).hpke if k.begins <= at < k.until]
        if not valid:
            raise UnknownKey(f"{party_id} has no sealing key that is valid now")
        return valid[-1]

    def release_for(self, month: Month) -> ReleaseEntry:
        """Return the methodology release in force for a booking month; raises NotFound."""
        begun = [entry for entry in self.listing.releases if entry.begins <= month]
        if not begun:
            raise NotFound(f"no methodology release is in force for {month}")
        return begun[-1]

    def release(self, release_id: str) -> ReleaseEntry:
        """Return the entry of a methodology release; raises NotFound."""
        for entry in self.listing.releases:
            if entry.id == release_id:
                return entry
        raise NotFound(f"the directory lists no methodology release {release_id}")

    def month_at(self, at: int) -> Month:
        """Return the month of a unix second in the directory's zone."""
        return month_at(at, self.listing.zone)

    def year_key(self, source: str, year: int, keys: tuple[OpeningKey, ...]) -> bytes:
        """Return K_net of the year, opened by the source's keys.

        Raises:
            NotFound, BadSeal: none is listed for this source, or it does not open.
        """
        for entry in self.listing.knet:
            if (entry.year, entry.source) == (year, source):
                return open_sealed(keys, entry.sealed, year_key_info(year, source))
        raise NotFound(f"the directory has no K_net of {year} for {source}")

    @property
    def self_audited(self) -> bool:
        """Whether vault and auditor are one organisation: no independent auditor."""
        vault = self.org_of(self.listing.vault)
        return any("auditor" in p.roles and p.org == vault for p in self.listing.entries)


def year_key_info(year: int, source: str) -> bytes:
    """Return the HPKE info under which K_net of a year is sealed to a source."""
    return b"cv1/knet" + f"{year:04d}".encode("ascii") + source.encode("ascii")


@lru_cache(maxsize=64)
def read_directory(text: str, auditor: bytes) -> Directory:
    """Return the directory signed by this auditor key.

    Raises:
        BadJws, BadType, BadShape, BadPoint: not a `cv1-directory` of this key in its only form.
        BadDirectory: a party, key or log member twice or out of its rules.
    """
    envelope = read_envelope(text, Listing.typ)
    envelope.verify(auditor)
    listing = Listing.opened(envelope)
    check_parties(listing.entries)
    vault = next((p for p in listing.entries if p.id == listing.vault), None)
    if vault is None or "vault" not in vault.roles:
        raise BadDirectory("the vault named is not listed with that role")
    try:
        zone_of(listing.zone)
    except BadShape as bad:
        raise BadDirectory(f"zone: {bad}") from bad
    return Directory(text, listing, auditor)


def check_parties(entries: tuple[Party, ...]) -> None:
    """Return when these entries may stand in one directory.

    1. a party once, a signing key once. 2. every key can be used. 3. the organisation of a vault
    is no source: it would hold K_net.

    Raises:
        BadDirectory, BadPoint: they may not.
    """
    ids = [party.id for party in entries]
    if len(set(ids)) != len(ids):
        raise BadDirectory("a party is listed twice")
    signing = [key.pk for party in entries for key in party.sig]
    if len(set(signing)) != len(signing):
        raise BadDirectory("a signing key is listed twice")  # 1
    for pk in signing:
        check_point(pk)
    for party in entries:
        for key in party.hpke:
            check_sealing_key(key.pk)  # 2
    vaults = {party.org for party in entries if "vault" in party.roles}
    if any("source" in party.roles and party.org in vaults for party in entries):
        raise BadDirectory("the vault's organisation is listed as a source")  # 3


def accept_directory(
    text: str, auditor: bytes, held: Directory | None, now: int, demo: bool
) -> Directory:
    """Return the directory if a client may take it; the caller checks its log proof.

    1. signed by the pinned auditor key, by the key that signed the held directory, or by the key
    that it names as `next`. 2. a demo directory only where one was asked for. 3. not expired, and
    not for longer than 45 days from now. 4. the held one itself, or a higher version; the very
    next names the held one as `prev`. 5. no organisation changed.

    Raises:
        BadDirectory: any of these fails.
    """
    pinned = (held.listing.next, held.signer_key, auditor) if held else (auditor,)
    try:
        kid = read_envelope(text, Listing.typ).kid
        signer = next((pk for pk in pinned if pk and thumbprint(pk) == kid), auditor)
        fresh = read_directory(text, signer)  # 1
    except BadInput as bad:
        raise BadDirectory("the directory is not signed by the pinned auditor") from bad
    listing = fresh.listing
    if listing.demo and not demo:  # 2
        raise BadDirectory("this is a demonstration directory; its clock is moved by hand")
    if not now < listing.expires <= now + LONGEST_LIFE:  # 3
        raise BadDirectory(f"the directory expired at {listing.expires}, or lives too long")
    if held and fresh.text != held.text:
        check_successor(held, fresh)  # 4, 5
    return fresh


def check_successor(held: Directory, fresh: Directory) -> None:
    """Return when a directory may follow another; raises BadDirectory.

    A higher version, the very next naming the held one as `prev`; no party or signing key left, no
    organisation, zone or vault changed: who left could come back as another.
    """
    old, new = held.listing, fresh.listing
    if new.version <= old.version:
        raise BadDirectory(f"version {new.version} does not follow the held {old.version}")
    if new.version == old.version + 1 and new.prev != held.hash:
        raise BadDirectory("the directory does not follow the one held: its prev is another")
    for party in old.entries:
        follows = fresh.find(party.id)
        if follows is None or follows.org != party.org:
            raise BadDirectory(f"{party.id} left the directory or changed its organisation")
        if not {key.pk for key in party.sig} <= {key.pk for key in follows.sig}:
            raise BadDirectory(f"a key of {party.id} left the directory; keys end by their until")
    if (old.zone, old.vault) != (new.zone, new.vault):
        raise BadDirectory("the zone or the vault changed, which they never do")
    _check_logs(held, fresh)


def _check_logs(held: Directory, fresh: Directory) -> None:
    """Return when the logs follow; raises BadDirectory.

    A log that ended stays as it was. Another log comes with the very next version, which is the
    last entry of the log before; whoever missed that one sees the log they held among the ended.
    """
    old, new = held.listing, fresh.listing
    if fresh.earlier[: len(held.earlier)] != held.earlier:
        raise BadDirectory("a log that ended left the directory, or changed")
    names = [log.vkey for log in (*fresh.earlier, new.log)]
    if len(set(names)) != len(names):
        raise BadDirectory("a log stands in the directory twice")
    follows = new.log.vkey == old.log.vkey
    turns = new.version == old.version + 1 and fresh.earlier == held.earlier
    if not follows and not turns and old.log.vkey not in names:
        raise BadDirectory("the log held is neither the one that goes on nor among the ended")


def check_link(text: str, directory: Directory, at: int) -> Link:
    """Return a source's `cv1-link`, signed by a key of that source valid at `at`.

    Raises:
        BadJws, BadType, BadShape, UnknownKey: it is not.
    """
    envelope = read_envelope(text, Link.typ)
    party, public = directory.signer(envelope.kid, "source", at)
    envelope.verify(public)
    answer = Link.opened(envelope)
    if answer.source != party.id:
        raise BadShape(f"{party.id} signed a link of {answer.source}")
    return answer


def release_fits(entry: ReleaseEntry, file: bytes) -> None:
    """Return when a methodology release file is the one the directory names.

    Raises:
        BadDirectory: another file.
    """
    if sha256(file).digest() != entry.sha256:
        raise BadDirectory(f"the release file {entry.id} is not the one in the directory")
