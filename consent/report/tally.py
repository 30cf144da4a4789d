"""What an audit counts while it replays a log (docs/protocol.md section 7).

    tally = Tally()
    tally.take_release(at, grant)         # in log order, one call an entry
    tally.plain()["releases"]             # [{"month":"2026-01","template":"CARD-POINTS",
                                          #   "platform":"bank.example","count":12}, …]

Counters only: no account, no link and no total is kept, and one number for each grant. Months are
those of the vault's zone, by the entry's `at`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from consent.messages import Grant
from vault.directory import Directory
from vault.encoding import Json, b64u, thumbprint
from vault.errors import BadShape
from vault.messages import KeyTime, Listing, Party
from vault.months import DEFAULT_ZONE, add_months, month_at, month_begins

ENDS = frozenset({"revoked", "replaced", "erased"})
# A refusal's reason is the vault's own text: one that makes them up does not fill the memory.
MOST_REASONS = 100
OTHER = "other"
# How long before its stop a grant's last release stood: the bucket, and the seconds it begins at.
BUCKETS = (
    ("hour", 0),
    ("day", 3600),
    ("week", 86400),
    ("month", 7 * 86400),
    ("quarter", 31 * 86400),
    ("longer", 92 * 86400),
)
NEVER = "never"
SHORT_KID = 8

Change = tuple[str, str, str]
# (month, template, platform, reason or end), or the first few of them; None: past the calendar.
Place = tuple[str | None, ...]


class Tally:
    """Counts by month, template and platform; how stops were kept; what changed in directories."""

    def __init__(self) -> None:
        """Start before the first entry."""
        self.directory: Directory | None = None
        self._at = 0
        self._month: tuple[int, int, str | None] = (0, 0, None)  # [begin, end) and its name
        self._releases: Counter[Place] = Counter()
        self._refusals: Counter[Place] = Counter()
        self._requests: Counter[Place] = Counter()
        self._ended: Counter[Place] = Counter()
        self._reasons: set[str] = set()
        self._directories: list[Json] = []
        self._web: list[Json] = []
        self._last: dict[bytes, int | None] = {}  # a live grant's last release
        self._until: dict[bytes, int] = {}
        self._stopped: dict[bytes, int] = {}
        self._gaps: Counter[str] = Counter()
        self._longest: int | None = None
        self._late = 0

    def take_directory(self, index: int, at: int, old: Directory | None, new: Directory) -> None:
        """Note what a directory changes against the one before it (None: it is the first)."""
        self._at = at
        self._month = (0, 0, None)
        self.directory = new
        changes = compare_listings(old.listing if old else None, new.listing, at)
        self._directories.append(
            {
                "index": index,
                "at": at,
                "version": new.listing.version,
                "changes": [{"kind": kind, "who": who, "key": key} for kind, who, key in changes],
            }
        )

    def take_web(self, index: int, at: int, version: str) -> None:
        """Note a list of the web app: what came back, or stood for a moment only, is seen here."""
        self._web.append({"index": index, "at": at, "version": version})

    def take_grant(self, at: int, grant: Grant) -> None:
        """Count a grant as live from now."""
        self._at = at
        self._last[grant.grant] = None
        self._until[grant.grant] = grant.until

    def take_end(self, at: int, grant: Grant, how: str) -> None:
        """Count a grant's change: revoked, replaced or erased, which end it; paused or resumed."""
        self._ended[self._month_of(at), grant.template, grant.platform, how] += 1
        if how in ENDS and grant.grant in self._last:
            self._stop(grant.grant, at)

    def take_release(self, at: int, grant: Grant) -> None:
        """Count a release.

        One after its grant's end is measured here, whatever the replay says of it: so this is
        called for each release of a known grant, before the rules judge it.
        """
        self._releases[self._month_of(at), grant.template, grant.platform] += 1
        if grant.grant in self._last:
            self._last[grant.grant] = at
        elif grant.grant in self._stopped:
            self._late += 1
            self._measure(at - self._stopped[grant.grant])

    def take_refusal(self, at: int, grant: Grant | None, reason: str) -> None:
        """Count a refused ask, or (grant None) a request that was declined or ran out."""
        month, reason = self._month_of(at), self._known(reason)
        if grant is None:
            self._requests[month, reason] += 1
        else:
            self._refusals[month, grant.template, grant.platform, reason] += 1

    def plain(self) -> dict[str, Json]:
        """Return what was counted as JSON members.

        Lists by month for releases, refusals, requests and ends; how long before its stop a grant's
        last release stood; each directory's changes; the grants alive at the last entry counted.
        """
        named = ("month", "template", "platform")
        return {
            "releases": _rows(named, self._releases),
            "refusals": _rows((*named, "reason"), self._refusals),
            "requests": _rows(("month", "reason"), self._requests),
            "ended": _rows((*named, "how"), self._ended),
            "gaps": {
                "count": sum(self._gaps.values()),
                "longest": self._longest,
                "late": self._late,
                "buckets": [
                    {"bucket": bucket, "count": self._gaps[bucket]}
                    for bucket in (*(name for name, _ in BUCKETS), NEVER)
                ],
            },
            "directories": [*self._directories],
            **({"web": [*self._web]} if self._web else {}),
            "grants": sum(self._at < until for until in self._until.values()),
        }

    def _stop(self, grant: bytes, at: int) -> None:
        last = self._last.pop(grant)
        del self._until[grant]
        self._stopped[grant] = at
        if last is None:
            self._gaps[NEVER] += 1
            return
        before = max(0, at - last)
        self._gaps[next(name for name, begins in reversed(BUCKETS) if begins <= before)] += 1
        self._measure(last - at)

    def _measure(self, gap: int) -> None:
        self._longest = gap if self._longest is None else max(self._longest, gap)

    def _known(self, reason: str) -> str:
        if reason not in self._reasons and len(self._reasons) == MOST_REASONS:
            return OTHER
        self._reasons.add(reason)
        return reason

    def _month_of(self, at: int) -> str | None:
        """Return the month of `at`; None past the calendar. Times rise, so the last one is kept."""
        self._at = at
        begins, ends, name = self._month
        if not begins <= at < ends:
            self._month = self._find_month(at)
            name = self._month[2]
        return name

    def _find_month(self, at: int) -> tuple[int, int, str | None]:
        zone = self.directory.listing.zone if self.directory else DEFAULT_ZONE
        try:
            month = month_at(at, zone)
            return month_begins(month, zone), month_begins(add_months(month, 1), zone), month
        except BadShape:
            return at, at + 1, None


def _rows(names: tuple[str, ...], counter: Counter[Place]) -> list[Json]:
    return [
        {**dict(zip(names, key, strict=True)), "count": counter[key]}
        for key in sorted(counter, key=lambda key: tuple(part or "" for part in key))
    ]


def compare_listings(old: Listing | None, new: Listing, at: int) -> list[Change]:
    """Return what a directory changes, as (kind, whom it is about, key or other detail).

    Kinds: party-added, party-ended (no signing key goes on), party-changed, key-added, key-ended
    (its `until` moved forward), seal-added, seal-ended, release, log, next, knet, demo. A key is
    named by the first 8 symbols of its thumbprint, a sealing key by its own first 8.
    """
    before = {party.id: party for party in old.entries} if old else {}
    changes: list[Change] = []
    for party in new.entries:
        changes += _party_changes(before.get(party.id), party, at)
    known = {(entry.id, entry.sha256, entry.begins) for entry in old.releases} if old else set()
    changes += [
        ("release", entry.id, entry.begins)
        for entry in new.releases
        if (entry.id, entry.sha256, entry.begins) not in known
    ]
    sealed = {(key.year, key.source, key.sealed) for key in old.knet} if old else set()
    changes += [
        ("knet", key.source, str(key.year))
        for key in new.knet
        if (key.year, key.source, key.sealed) not in sealed
    ]
    if old is None or old.log != new.log:
        changes.append(("log", new.log.origin, new.log.vkey.rpartition("+")[2][:SHORT_KID]))
    if (old.next if old else None) != new.next:
        changes.append(("next", new.vault, short_kid(new.next) if new.next else ""))
    if old is not None and old.demo != new.demo:
        changes.append(("demo", new.vault, ""))
    return changes


def short_kid(public: bytes) -> str:
    """Return the first 8 symbols of a signing key's thumbprint: enough to tell keys apart."""
    return thumbprint(public)[:SHORT_KID]


def _party_changes(old: Party | None, new: Party, at: int) -> list[Change]:
    changes: list[Change] = []
    if old is None:
        changes.append(("party-added", new.id, ""))
    elif _told(old) != _told(new):
        changes.append(("party-changed", new.id, ""))
    signing = _key_changes(old.sig if old else (), new.sig, short_kid)
    sealing = _key_changes(old.hpke if old else (), new.hpke, lambda pk: b64u(pk)[:SHORT_KID])
    changes += [(f"key-{kind}", new.id, key) for kind, key in signing]
    changes += [(f"seal-{kind}", new.id, key) for kind, key in sealing]
    if old is not None and _goes_on(old, at) and not _goes_on(new, at):
        changes.append(("party-ended", new.id, ""))
    return changes


def _told(party: Party) -> tuple[object, ...]:
    """What an entry says besides its keys."""
    return tuple(party.model_dump(exclude={"sig", "hpke"}).items())


def _goes_on(party: Party, at: int) -> bool:
    return any(at < key.until for key in party.sig)


def _key_changes(
    old: Iterable[KeyTime], new: Iterable[KeyTime], name: Callable[[bytes], str]
) -> list[tuple[str, str]]:
    until = {key.pk: key.until for key in old}
    added = [("added", name(key.pk)) for key in new if key.pk not in until]
    ended = [
        ("ended", name(key.pk)) for key in new if key.pk in until and key.until < until[key.pk]
    ]
    return added + ended
