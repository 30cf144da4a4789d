"""The holder's state: what a vault's app must remember, sealed at the vault (protocol section 4).

    {"links":{"01…":{"source":"bike.example","from":"2026-01"}},"orgs":["bank.example"],
     "minted":[{"grant":"0f…","org":"bank.example","categories":[4],"window":["2026-01"],"cells":…}],
     "statuses":{"0f…":"paused"},"made":{"5c…":41},"since":0}

A window is in the state before it is sealed. Two devices merge by key; for one atom (organisation,
category, month) the stored entry wins, so that both make one and the same token.

`made` names each act before it is signed, and its log index once that is proved (-1 until then):
what the log holds under this person's keys and no device recorded was done by somebody else. Ten
years of five links and five platforms are about 800 acts, 36 kB of the 1 MiB that a state may have.
`since` is when the record began, unix seconds: 0 for a state that knows every act.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from itertools import product
from typing import Annotated, Literal

from pydantic import Field

from consent.messages import Bind, CellList, Grant, Pause, Resume, Revoke, Token
from consent.tokens import less_absent
from vault.encoding import compact_json
from vault.errors import AtomUsed
from vault.messages import (
    Attach,
    Id,
    Message,
    MonthText,
    PartyId,
    Reject,
    Shape,
    Unix,
    Unlink,
    WindowList,
)
from vault.months import Month, Window

Atom = tuple[str, int, Month]
WindowName = tuple[str, tuple[int, ...], Window]
"""Organisation, categories, months: what makes two windows the same."""


Status = Literal["live", "paused", "revoked", "replaced"]
ENDED = frozenset({"revoked", "replaced"})
Absent = Callable[[bytes, Month], bool]
Mark = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
UNPROVED = -1
_KINDS: tuple[type[Message], ...] = (
    Bind,
    Attach,
    Unlink,
    Reject,
    Grant,
    Token,
    Revoke,
    Pause,
    Resume,
)
_UNSAID = {"iat", "sealed", "receipt"}
ACTS = {kind.typ: kind for kind in _KINDS}
"""What a person does again and again, by type; an account is made once, and ends with its erase."""


def mark(act: Message) -> str:
    """Return the name of an act: 32 hex digits of SHA-256 over its type and what it says.

    Without `iat`, `sealed` and `receipt`: two devices that do the same thing have done one thing,
    and what the vault takes once it takes under one name.
    """
    told = act.plain()
    said = {name: told[name] for name in sorted(told.keys() - _UNSAID)}
    return sha256(compact_json([act.typ, said])).hexdigest()[:32]


def mark_reject(link: bytes, month: Month) -> str:
    """Return the name of rejecting a link's close of a month, which can be done once.

    Not by the close's hash, as the text has it: the state is then the same whatever was recorded.
    """
    said = [Reject.typ, link.hex(), month]
    return sha256(compact_json(said)).hexdigest()[:32]


def _nothing(_link: bytes, _month: Month) -> bool:
    return False


class KnownLink(Shape):
    """A link ever attached: its source and first month."""

    source: PartyId
    begins: MonthText = Field(alias="from")


class Minted(Shape):
    """One window of one grant, with the cells its token covers."""

    grant: Id
    org: PartyId
    categories: tuple[int, ...]
    window: WindowList
    cells: CellList

    @property
    def name(self) -> WindowName:
        """What makes it the same window."""
        return (self.org, self.categories, self.window)

    @property
    def atoms(self) -> set[Atom]:
        """What the window uses up, also in months without a cell."""
        return {(self.org, c, month) for c, month in product(self.categories, self.window)}


class HolderState(Shape):
    """Everything that is remembered; each change makes a new one."""

    links: dict[str, KnownLink]
    orgs: tuple[PartyId, ...]
    minted: tuple[Minted, ...]
    statuses: dict[str, Status]
    made: dict[Mark, Annotated[int, Field(ge=UNPROVED, lt=2**53)]] = Field(default={})
    since: Unix | None = None

    def with_made(self, now: int, *marks: str) -> HolderState:
        """Return the state that also names acts that are about to be signed; `now` unix seconds.

        A state from before acts were named begins to name them now; an empty one has named all.
        """
        since = self.recorded_since
        made = {**dict.fromkeys(marks, UNPROVED), **self.made}
        return self.model_copy(update={"made": made, "since": now if since is None else since})

    @property
    def recorded_since(self) -> int | None:
        """Unix seconds since when every act is named here; None: none was named yet."""
        if self.since is None and not (self.links or self.orgs or self.minted or self.statuses):
            return 0
        return self.since

    def with_proved(self, name: str, index: int) -> HolderState:
        """Return the state that knows the log index of an act it names; of any other nothing."""
        if name not in self.made:
            return self
        return self.model_copy(update={"made": {**self.made, name: index}})

    def with_link(self, link: bytes, known: KnownLink) -> HolderState:
        """Return the state that also knows a link (16 bytes)."""
        return self.model_copy(update={"links": {**self.links, link.hex(): known}})

    def with_org(self, org: str) -> HolderState:
        """Return the state that also knows an organisation a consent key was bound for."""
        return self.model_copy(update={"orgs": tuple(sorted({*self.orgs, org}))})

    def with_status(self, grant: bytes, status: Status) -> HolderState:
        """Return the state in which a grant (16 bytes) is paused, goes on again, or has ended.

        What has ended stays ended, whatever a vault says later.
        """
        if self.statuses.get(grant.hex()) in ENDED:
            return self
        return self.model_copy(update={"statuses": {**self.statuses, grant.hex(): status}})

    def with_minted(self, entry: Minted, absent: Absent = _nothing) -> HolderState:
        """Return the state that also holds a window; one it holds already stays as it is.

        A window that the organisation had before may be made again, for another grant too, but
        only with its last cells less those that `absent` names.

        Raises:
            AtomUsed: the organisation already has another window over part of it (the guard).
        """
        if entry in self.minted:
            return self
        others = (one for one in self.minted if one.name != entry.name)
        used = {atom for one in others for atom in one.atoms} & entry.atoms
        if used:
            org, category, month = min(used)
            raise AtomUsed(f"{org} already has a window with category {category} in {month}")
        last = self.last_of(entry.name)
        if last and entry.cells != less_absent(last.cells, absent):
            raise AtomUsed(f"{entry.org} had this window before, with other cells")
        return self.model_copy(update={"minted": (*self.minted, entry)})

    def last_of(self, name: WindowName) -> Minted | None:
        """Return the last entry of an organisation's window over these categories."""
        return next((one for one in reversed(self.minted) if one.name == name), None)

    def minted_for(self, grant: bytes, window: Window) -> Minted | None:
        """Return the last entry of a grant's window."""
        found = (m for m in reversed(self.minted) if (m.grant, m.window) == (grant, window))
        return next(found, None)

    def write(self) -> bytes:
        """Return the state's bytes, to be sealed."""
        return compact_json(self.plain())


EMPTY = HolderState(links={}, orgs=(), minted=(), statuses={})


def merge(mine: HolderState, stored: HolderState) -> HolderState:
    """Return the union of two devices' states; of windows that overlap, the stored one stays."""
    merged = stored.model_copy(
        update={
            "links": {**mine.links, **stored.links},
            "orgs": tuple(sorted({*mine.orgs, *stored.orgs})),
            "made": merge_made(mine.made, stored.made),
            "since": mine.since if stored.since is None else stored.since,
        }
    )
    for name, status in mine.statuses.items():
        if name not in stored.statuses or status in ENDED:
            merged = merged.with_status(bytes.fromhex(name), status)
    for entry in mine.minted:
        try:
            merged = merged.with_minted(entry)
        except AtomUsed:
            continue
    return merged


def merge_made(mine: dict[str, int], stored: dict[str, int]) -> dict[str, int]:
    """Return every act that either names; an index that one of them knows stays known."""
    names = {**stored, **mine}
    return {n: max(mine.get(n, UNPROVED), stored.get(n, UNPROVED)) for n in names}
