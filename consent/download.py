"""A mirror brought up to date: only what is new is fetched (protocol sections 6 and 7).

    update(mirror, wire)      checkpoint, bundles, texts; the mirror's checkpoint is written last

    1. bundles from the first one that is not full here; their tree is that of the new checkpoint
    2. texts after the last one here; when the last of all is a directory that names another log,
       the same of that log
    3. texts that a new `cv1-erased` covers, once more
    4. texts that the last audit missed, once more

A log that forked, shrank, was rolled back or grew after it ended leaves the mirror as it is: that
is the evidence. The checkpoint that does not go with it is kept beside it, and an evidence file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from consent.auditor import DOWNLOADS, fetch_bundle, fetch_checkpoint, fetch_texts
from consent.evidence import Evidence, file_name, make_challenge, make_fork, settle, write_evidence
from consent.judging import Progress, Tree, open_log, silent
from consent.lineage import NextLog
from consent.log.merkle import leaf_hash
from consent.log.tiles import WIDTH, Tile
from consent.messages import Erased
from consent.mirror import CONFLICTING, Gone, Mirror
from consent.readings import Served, says_erased
from consent.volume import Volume, bundles_of, last_bundle, numbers_of, read_leaves, tiles_of
from vault.encoding import read_envelope
from vault.errors import BadInput, BadProof, NotFound, Unreachable
from vault.wire import Wire


def update(mirror: Mirror, wire: Wire, progress: Progress = silent) -> None:
    """Bring a mirror to the logs' checkpoints, or keep one that does not go with it.

    Args:
        mirror: its folder is made when it is not there.
        wire: speaks with the auditor's key.
        progress: called with (texts here, texts in all).

    Raises:
        BadProof: what is served is no log of the pinned key.
        BadPlace: the folder cannot be written.
        Unreachable, UnknownKey: the vault does not answer, or does not know the auditor.
    """
    for _ in range(DOWNLOADS):
        fetched = list(_fetch_logs(mirror, wire, progress))
        if fetched[-1].rule:
            mirror.write_conflict(fetched[-1].rule, fetched[-1].volume, fetched[-1].signed)
            if found := fetched[-1].evidence():
                mirror.write(f"{CONFLICTING}/{file_name(found)}", write_evidence(found))
            return
        _Doubts(mirror, wire, fetched).ask_again()
        for each in reversed(fetched):  # a log whose turn is here is followed by what it names
            mirror.write_checkpoint(each.volume, each.signed)
        # A text may go while they are fetched: what covers it is then further on.
        if all(each.whole for each in fetched) or fetched[-1].stands():
            return


def _fetch_logs(mirror: Mirror, wire: Wire, progress: Progress) -> Iterator[_Update]:
    """Yield each log once its bundles and texts are here, the last one with a broken rule."""
    first, volume = mirror.volumes[0].place.key.name, mirror.volumes[0]
    fetched = _Update(mirror, wire, volume, fetch_checkpoint(wire))
    while True:
        fetched.fetch(progress, first)
        yield fetched
        if fetched.rule or fetched.next is None:
            return
        volume = mirror.go_on(volume, fetched.size, fetched.next)
        signed = _fetch_next(wire, volume)
        if signed is None:
            mirror.volumes.remove(volume)
            return
        fetched = _Update(mirror, wire, volume, signed)


def _fetch_next(wire: Wire, volume: Volume) -> str | None:
    """Return the checkpoint of a log that the one before names; None when it is not served.

    The judgement finds that. Once it was served it must be.
    """
    try:
        signed = fetch_checkpoint(wire, volume.place.path)
        open_log(signed, volume.place.key)
    except (NotFound, BadProof):
        if volume.signed is not None:
            raise
        return None
    return signed


class _Update:
    """One log on its way from the mirror's checkpoint to a newer one."""

    def __init__(self, mirror: Mirror, wire: Wire, volume: Volume, signed: str) -> None:
        self.volume, self.signed = volume, signed
        head = open_log(signed, volume.place.key)
        self.size, self._root = head.size, head.root
        self.rule: str | None = None
        self.whole = True
        self.next: NextLog | None = None
        self._mirror, self._wire = mirror, wire
        self._held, self.old = volume.head, volume.size
        self._tree = Tree()

    @property
    def end(self) -> int:
        """The index after the log's last entry."""
        return self.volume.place.base + self.size

    def fetch(self, progress: Progress, first: str) -> None:
        """Fetch what is new; `first` is the name of the vault's first log."""
        self.rule = self._bundles(first)
        if self.rule is None:
            self.whole = self._texts(progress)
            self.next = self.volume.next_at(self.size, first)

    def stands(self) -> bool:
        """Whether the log still shows the checkpoint that was taken."""
        return fetch_checkpoint(self._wire, self.volume.place.path) == self.signed

    def evidence(self) -> Evidence | None:
        """Return what the checkpoints of mirror and log prove together, or leave open.

        Nothing when one history holds both: a log that only went back, or grew after its end.
        """
        held, log = self.volume.signed or "", self.volume.place.key
        older = self.size < self.old
        notes = (self.signed, held) if older else (held, self.signed)
        read = tiles_of(max(self.size, self.old), self._held_bundle if older else self._fetch)
        try:
            if self.size == self.old:
                return make_fork(log, *notes)
            asked = make_challenge(log, *notes)
        except BadProof:
            return None
        try:
            return settle(asked, read)
        except (BadProof, Unreachable):
            return asked

    # Bundles

    def _bundles(self, first: str) -> str | None:
        """Fetch what is new; return the rule that is broken when the mirror must stay as it is."""
        if self.size < self.old:
            return "shrunk"
        if self.size > self.old and self.volume.next_at(self.old, first):
            return "log"
        if self._follows(self._bundle):
            return None
        # The old ones are the evidence; what was added may be of a log that was killed, or forked.
        for tile in bundles_of(self.size, self.old // WIDTH):
            if tile != last_bundle(self.old):
                (self.volume.folder / str(tile)).unlink(missing_ok=True)
        if self._follows(self._fetch):
            return None if self._follows(self._bundle) else "forked"
        return "forked" if self._tree.root() == self._root else "root"

    def _follows(self, read: Callable[[Tile], bytes]) -> bool:
        """Whether these bundles are the new checkpoint's tree, and begin with the old one's.

        For a mirror that is new there is no old one, and the judgement says what is wrong.
        """
        self._tree = Tree()
        begins = True
        for tile in bundles_of(self.size):
            for leaf in read_leaves(tile, read(tile)):
                self._tree.add(leaf_hash(leaf))
                if self._held and self._tree.size == self.old:
                    begins = self._tree.root() == self._held.root
        return not self._held or (begins and self._tree.root() == self._root)

    def _bundle(self, tile: Tile) -> bytes:
        raw = self.volume.bundle(tile)
        if raw is None:
            raw = self._fetch(tile)
            read_leaves(tile, raw)
            self._mirror.write(f"{self.volume.place.prefix}{tile}", raw)
        return raw

    def _held_bundle(self, tile: Tile) -> bytes:
        return self.volume.bundle(tile) or b""

    def _fetch(self, tile: Tile) -> bytes:
        return fetch_bundle(self._wire, self.volume.place.path, tile)

    # Texts

    def _texts(self, progress: Progress) -> bool:
        """Fetch the texts after the last one here; return whether none is missing among them."""
        following = first = self._first()
        if first == self.end and self.volume.place.base:
            return True
        n = self.volume.number(following)
        page, count = self.volume.texts(n), 0
        while following < self.end:
            page_of = {s.index: s for s in fetch_texts(self._wire, following)}
            found = [page_of[i] for i in sorted(page_of) if following <= i < self.end]
            if not found:
                break
            for served in found:
                if self.volume.number(served.index) != n:
                    self._mirror.write_texts(self.volume, n, page)
                    n, page = self.volume.number(served.index), {}
                page[served.index] = served
                progress(served.index + 1, self.end)
            count, following = count + len(found), found[-1].index + 1
        self._mirror.write_texts(self.volume, n, page)
        return count == self.end - first

    def _first(self) -> int:
        """Return the index after the last text here, which may be past the old checkpoint."""
        old = self.volume.place.base + self.old
        for n in reversed(numbers_of(self.size, self.old // WIDTH)):
            texts = self.volume.texts(n)
            if texts:
                return max(old, max(texts) + 1)
        return old

    def covered(self) -> set[int]:
        """Return what the new `cv1-erased` entries cover, by their own word."""
        covered: set[int] = set()
        for n in numbers_of(self.size, self.old // WIDTH):
            for served in self.volume.texts(n).values():
                if says_erased(served.text):
                    covered |= _indexes(served.text)
        return covered


class _Doubts:
    """Texts that may have gone: an erasure covers them, or the last audit was in doubt."""

    def __init__(self, mirror: Mirror, wire: Wire, fetched: list[_Update]) -> None:
        self._mirror, self._wire, self._fetched = mirror, wire, fetched
        self._end = fetched[-1].end

    def ask_again(self) -> None:
        """Ask for them once more, and note which of them are gone."""
        old = self._mirror.gone
        covered = self._mirror.held_among(self._covered())
        held = {index for index, gone in old.items() if gone.held}
        asked = ((covered | set(self._mirror.ask)) - old.keys()) | held
        served = self._served(asked)
        self._take(served)
        gone = {i: g for i, g in old.items() if not g.held or g.account or i not in served}
        gone |= {i: replace(g, served=i in served) for i, g in gone.items() if g.held}
        left = self._mirror.held_among(asked - served.keys()) - gone.keys()
        gone |= {i: Gone(None, held=True, since=self._end) for i in left}
        if gone != old:
            self._mirror.write_gone(gone)

    def _covered(self) -> set[int]:
        found: set[int] = set()
        for each in self._fetched:
            found |= each.covered()
        return {index for index in found if index < self._end}

    def _served(self, indexes: Collection[int]) -> dict[int, Served]:
        """Return those of these texts that the vault serves."""
        found: dict[int, Served] = {}
        waiting = sorted(indexes)
        while waiting:
            page = fetch_texts(self._wire, waiting[0])
            if not page or page[-1].index < waiting[0]:
                break
            found |= {served.index: served for served in page if served.index in indexes}
            waiting = waiting[bisect_right(waiting, page[-1].index) :]
        return found

    def _take(self, served: dict[int, Served]) -> None:
        """Put texts into their files that were not there, or that were others."""
        for volume, n, indexes in self._mirror.files_of(served.keys()):
            texts, fresh = volume.texts(n), {i: served[i] for i in indexes}
            if {**texts, **fresh} != texts:
                self._mirror.write_texts(volume, n, {**texts, **fresh})


def _indexes(text: str) -> set[int]:
    try:
        return set(Erased.opened(read_envelope(text, Erased.typ)).indexes)
    except (BadInput, BadProof):
        return set()  # the replay says what is wrong with it
