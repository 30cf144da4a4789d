"""A small directory as its auditor signs it, for tests of what reads one."""

from __future__ import annotations

from vault.crypto.keys import OpeningKey, SigningKey
from vault.crypto.seal import seal
from vault.directory import Directory, read_directory, year_key_info
from vault.messages import KeyTime, Listing, LogEntry, Party, ReleaseEntry, YearKey
from vault.months import Month

NOW = 1767225600  # 2026-01-01 08:00 in Asia/Shanghai
DAY = 86400
AUDITOR = SigningKey(b"\x15" * 32)
SIGNING = {
    "vault.example": SigningKey(b"\x11" * 32),
    "bike.example": SigningKey(b"\x12" * 32),
    "city.example": SigningKey(b"\x14" * 32),
    "bank.example": SigningKey(b"\x16" * 32),
}
OPENING = {name: OpeningKey(bytes([key.value[0] + 16]) * 32) for name, key in SIGNING.items()}
K_NET = b"\x05" * 32
ROLES = {
    "vault.example": ("vault",),
    "bike.example": ("source",),
    "city.example": ("city", "platform"),
    "bank.example": ("bank", "platform"),
}
NAMES = {
    "vault.example": "Vault",
    "bike.example": "City Bike",
    "city.example": "绿城 Greenville",
    "bank.example": "Harbour Bank",
}


def party(name: str) -> Party:
    year = (NOW - 30 * DAY, NOW + 335 * DAY)
    return Party(
        id=name,
        org=name,
        name=NAMES[name],
        roles=ROLES[name],
        cadence="daily" if "source" in ROLES[name] else None,
        sig=(KeyTime(pk=SIGNING[name].public, begins=year[0], until=year[1]),),
        hpke=(KeyTime(pk=OPENING[name].public, begins=year[0], until=year[1]),),
    )


def listing() -> Listing:
    """Version 1; tests change it by model_copy."""
    info = year_key_info(2026, "bike.example")
    return Listing(
        iat=NOW,
        version=1,
        prev=bytes(32),
        expires=NOW + 30 * DAY,
        next=None,
        demo=False,
        zone="Asia/Shanghai",
        vault="vault.example",
        log=LogEntry(origin="vault.example/log", vkey="…", witnesses=(), quorum=0),
        releases=(
            ReleaseEntry(id="2026-1", sha256=bytes(32), begins=Month("2026-01")),
            ReleaseEntry(id="2026-2", sha256=bytes(32), begins=Month("2026-04")),
        ),
        entries=tuple(party(name) for name in SIGNING),
        knet=(
            YearKey(
                year=2026,
                source="bike.example",
                sealed=seal(OPENING["bike.example"].public, K_NET, info),
            ),
        ),
    )


def signed(found: Listing, key: SigningKey = AUDITOR) -> Directory:
    return read_directory(found.signed(key), key.public)


def with_party(found: Listing, changed: Party) -> Listing:
    """The listing with this entry in the place of the one of the same id, or added."""
    others = tuple(entry for entry in found.entries if entry.id != changed.id)
    return found.model_copy(update={"entries": (*others, changed)})
