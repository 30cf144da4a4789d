"""Activity: everything the log holds of a person, checked and compared (product: screen Activity).

    watched = holder.watch()
    watched.entries        [Shown(index=41, typ="cv1-grant", made="here", witnessed=True, …), …]
    watched.alarms         [] when everything is in order
    watched.compared       "audit.example", or "not compared"
    watched.compared_to    57: entries before this index were compared, of watched.size

docs/protocol.md section 6: an app checks the proof of every entry the vault shows it, warns of any
it did not make, and compares the list with the auditor's where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from consent.history import Head, Newest, check_histories, open_listed
from consent.lists import Theirs, fetch_auditors, fetch_listed, unlike
from consent.monitor import Alarm, Judged, Look, Own, Shown, check_entries
from vault.crypto.keys import SigningKey
from vault.directory import Directory
from vault.encoding import thumbprint
from vault.errors import BadProof, VaultError
from vault.wire import Wire

NOT_COMPARED = "not compared"
LOOKS = 2


@dataclass(frozen=True)
class Compared:
    """The auditor's lists by the kid that each is of, and the auditor's id; or why there is none.

    `why` is empty when nobody was asked.
    """

    lists: dict[str, Theirs]
    auditor: str = NOT_COMPARED
    why: str = ""


NOBODY_ASKED = Compared({})


@dataclass(frozen=True)
class Watched:
    """What one look at the log found; `size` counts up to the end of the newest tree proved.

    `fresh` are the indexes that this device had not seen before. `compared` is the auditor whose
    list was compared, or "not compared"; then `why` says what went wrong, empty when none was
    asked. Only entries before `compared_to` were compared: so far goes the auditor's tree, which a
    quorum cosigned at `cosigned_at` (unix seconds; None: it did not). `notes` are the signed
    checkpoints that do not fit together: evidence against the log.
    """

    entries: tuple[Shown, ...]
    alarms: tuple[Alarm, ...]
    size: int
    fresh: frozenset[int]
    compared: str = NOT_COMPARED
    why: str = ""
    notes: tuple[str, ...] = ()
    compared_to: int = 0
    cosigned_at: int | None = None

    @property
    def verified(self) -> int:
        """How many entries verified."""
        return len(self.entries)

    @property
    def foreign(self) -> tuple[Alarm, ...]:
        """Signed by this person's keys and by none of their devices, or against their state."""
        return tuple(one for one in self.alarms if one.kind in ("foreign", "strange"))

    @property
    def withheld(self) -> tuple[Alarm, ...]:
        """Proved or seen before, and not shown now."""
        return tuple(one for one in self.alarms if one.kind == "withheld")

    @property
    def differences(self) -> tuple[Alarm, ...]:
        """What only one of the vault's and the auditor's list has."""
        return tuple(one for one in self.alarms if one.kind == "unlike")

    @property
    def uncompared(self) -> tuple[int, ...]:
        """Entries that were compared with no auditor's list: it goes less far, or there is none."""
        return tuple(one.index for one in self.entries if one.index >= self.compared_to)

    @property
    def unwitnessed(self) -> tuple[int, ...]:
        """Entries that stand on the log's signature alone so far."""
        return tuple(one.index for one in self.entries if not one.witnessed)

    @property
    def before(self) -> tuple[int, ...]:
        """Acts from before this was recorded: nothing can be said of who did them."""
        return tuple(one.index for one in self.entries if one.made == "before")

    @property
    def elsewhere(self) -> tuple[int, ...]:
        """Acts that the state says another device did, shown here for the first time."""
        made = (one.index for one in self.entries if one.made == "elsewhere")
        return tuple(index for index in made if index in self.fresh)


def auditors_contact(directory: Directory) -> tuple[str, str | None]:
    """Return the auditor's id, and the https URL that the directory lists as its contact."""
    auditor = next((p for p in directory.listing.entries if "auditor" in p.roles), None)
    if auditor is None:
        return "auditor", None
    contact = auditor.contact or ""
    return auditor.id, contact if contact.startswith("https://") else None


def ask_auditor(
    auditor: str,
    ways: Callable[[SigningKey], Wire],
    asked: Sequence[SigningKey],
    directory: Directory,
) -> Compared:
    """Return the auditor's list of each key; without any when one of them cannot be had.

    Args:
        auditor: the auditor's id.
        ways: gives the way to its service, speaking as a key.
        asked: the account key and each consent key: the auditor shows a list to its key alone.
        directory: the one in force; it lists the logs.
    """
    lists: dict[str, Theirs] = {}
    for key in asked:
        kid = thumbprint(key.public)
        try:
            lists[kid] = fetch_auditors(ways(key), kid, directory)
        except VaultError as lost:
            return Compared({}, why=f"{type(lost).__name__}: {lost}")
    return Compared(lists, auditor)


def watch(
    wire: Wire, own: Callable[[], Own], account: str, compared: Compared
) -> tuple[Watched, Look]:
    """Return what one look found, and what to keep of it for the next one.

    1. the vault's list, fetched after the auditor's and before the state: what another device does
    meanwhile is in the state before it is in the log. 2. every entry (monitor.check_entries); what
    seems withheld is looked for once more, since it may have come between list and state. 3. all
    trees are one history, with the one that this device kept. 4. the auditor's lists are the same.

    Args:
        wire: speaks as the account.
        own: loads the state, then says what is known.
        account: the account's kid.
        compared: the auditor's lists, fetched before.

    Raises:
        Unreachable, BadShape: the vault gives no list.
    """
    for _ in range(LOOKS):
        listed = fetch_listed(wire)  # 1
        known = own()
        judged = check_entries(known, listed)  # 2
        if all(alarm.kind != "withheld" for alarm in judged.alarms):
            break
    shown = Watched(
        judged.entries, judged.alarms, 0, frozenset(judged.names.keys() - known.look.seen.keys())
    )
    whole, newest = _with_history(shown, judged, known, wire, compared)  # 3
    found = _with_lists(whole, account, compared)  # 4
    kept = known.look.checkpoint if newest is None else newest.head.note
    return found, Look(kept, {**judged.names, **known.look.seen})


def _with_history(
    found: Watched, judged: Judged, known: Own, wire: Wire, compared: Compared
) -> tuple[Watched, Newest | None]:
    heads = [Head(size, root, note) for (_, size, root), note in judged.heads.items()]
    heads += [theirs.head for theirs in compared.lists.values()]
    try:
        if known.look.checkpoint:
            heads.append(open_listed(known.look.checkpoint, known.directory))
        newest = check_histories(heads, known.directory, wire)
    except BadProof as bad:
        notes = tuple(dict.fromkeys(head.note for head in sorted(heads)))
        alarms = (*found.alarms, Alarm(-1, "history", str(bad)))
        return replace(found, alarms=tuple(sorted(alarms)), notes=notes), None
    return replace(found, size=newest.size if newest else 0), newest


def _with_lists(found: Watched, account: str, compared: Compared) -> Watched:
    alarms = set(found.alarms)
    for kid, theirs in compared.lists.items():
        concerned = (one for one in found.entries if kid in (account, one.consent))
        alarms |= set(unlike(theirs, {one.index: one.name for one in concerned}))
    shortest = min(compared.lists.values(), key=lambda theirs: theirs.end, default=None)
    return replace(
        found,
        alarms=tuple(sorted(alarms)),
        compared=compared.auditor,
        why=compared.why,
        compared_to=shortest.end if shortest else 0,
        cosigned_at=shortest.cosigned_at if shortest else None,
    )
