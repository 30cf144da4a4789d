r"""A mirror: a vault's logs and the texts its auditor was served, in a folder (protocol section 6).

    checkpoint                 the signed note that all below belongs to; written last
    tile/entries/000           entry bundles as served; the last one is 001.p/44
    texts/000.jsonl            {"index":0,"at":1767225600,"salt":"…","text":"eyJ…"}, 256 indexes
    logs/2027/…                checkpoint, tile/ and texts/ of the log that follows the first one
    gone.jsonl                 {"index":7,"account":"…"}: a text that an erasure took, and whose
                               "held":true: it is here until the next judgement
                               "served":true: an erasure covers it, and the vault serves it
                               "since":40: seen when the log was as large as that
    state.json                 {"audits":[{"size":…,"root":…,"when":…,"checkpoint":…}],"ask":[7],
                               "found":[{"index":7,"rule":"release","reason":"…"}]}
    conflicting/forked-12-…    a checkpoint that this log and that tree cannot both be of
    conflicting/fork-5d41….json    the same as evidence that anybody can check (consent/evidence.py)

`found` is what outlasts an erasure: a finding stays when its text goes.

Indexes and sizes are counted over all logs; an audit's root and checkpoint are of the log that ran.
Folders have mode 0700 and files 0600: texts say who consented to what. Each file is replaced at
once, so that what a killed update leaves behind is whole, and the next one goes on from there.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from consent.judged import Gone, number_in, plain_finding, read_finding, read_gone
from consent.judging import Copy, Judging, Kept, Later, Memory, open_log
from consent.lineage import NextLog
from consent.log.checkpoint import Checkpoint, read_checkpoint
from consent.log.note import read_note, read_vkey
from consent.log.tiles import WIDTH, Tile
from consent.place import read_text, replace_file
from consent.policy import Policy
from consent.readings import Served
from consent.replay import Finding
from consent.volume import (
    MirrorPage,
    Volume,
    bundles_of,
    last_bundle,
    number_of,
    open_volumes,
    read_lines,
)
from vault.encoding import Json, JsonIn, compact_json, strict_object
from vault.errors import BadInput, BadPlace, BadProof
from vault.messages import parse_hex
from vault.wire import objects_of, text_of

__all__ = ["Gone", "Mirror", "MirrorPage", "number_of"]

CONFLICTING = "conflicting"
_CONFLICT = re.compile(r"(forked|shrunk|root|log)-([0-9]{1,16})-[0-9a-f]{8}")


class Mirror:
    """The folder of a vault's logs; nothing here makes a request."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        """Open a mirror, or an empty folder, or one that is not there yet.

        Raises:
            BadPlace: what is in it cannot be read, or is of another log.
        """
        self.folder, self.policy = folder, policy
        try:
            self.volumes = open_volumes(folder, read_vkey(policy.log))
            self.gone = self._read_gone()
            self.kept, self.ask, self.found = self._read_state()
        except (BadInput, BadProof) as bad:
            raise BadPlace(f"{folder} is no mirror of this log: {bad}") from bad

    @property
    def size(self) -> int:
        """How many entries of all logs are here."""
        return self.volumes[-1].end

    def volume_of(self, index: int) -> Volume:
        """Return the volume in which an entry stands."""
        return next(each for each in reversed(self.volumes) if index >= each.place.base)

    # Writing

    def write(self, name: str, raw: bytes) -> None:
        """Put a file in its place at once; raises BadPlace."""
        path = self.folder / name
        missing = [path.parent, *path.parent.parents]
        try:
            for folder in reversed([each for each in missing if not each.exists()]):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as bad:
            raise BadPlace(f"cannot make the folder {path.parent}: {bad.strerror}") from bad
        replace_file(path, raw)

    def write_texts(self, volume: Volume, n: int, texts: Mapping[int, Served]) -> None:
        """Write the texts of a file by index; what was in it and is not among them is gone."""
        lines = (_text_line(texts[index]) for index in sorted(texts))
        self.write(f"{volume.place.prefix}texts/{number_of(n)}.jsonl", b"".join(lines))

    def write_checkpoint(self, volume: Volume, signed: str) -> None:
        """Say that a volume belongs to this checkpoint, and let go of narrower last bundles."""
        self.write(f"{volume.place.prefix}checkpoint", signed.encode("utf-8"))
        volume.signed, volume.head = signed, open_log(signed, volume.place.key)
        last = volume.folder / str(last_bundle(volume.size))
        for path in {*(volume.folder / "tile").glob("**/*.p/*")} - {last}:
            path.unlink()

    def write_gone(self, gone: Mapping[int, Gone]) -> None:
        """Write what is kept of texts that are no longer served."""
        self.write("gone.jsonl", b"".join(gone[index].line(index) for index in sorted(gone)))
        self.gone = dict(gone)

    def write_conflict(self, rule: str, volume: Volume, signed: str) -> None:
        """Keep a checkpoint that does not go with what is here, beside it."""
        head = open_log(signed, volume.place.key)
        name = f"{CONFLICTING}/{rule}-{volume.place.base + head.size}-{head.root.hex()[:8]}"
        self.write(name, signed.encode("utf-8"))

    def go_on(self, volume: Volume, size: int, log: NextLog) -> Volume:
        """Return the volume after one of so many entries, opened when it is here already.

        Raises:
            BadPlace: what is here cannot be read, or is of another log.
        """
        number, place = self.volumes.index(volume) + 1, volume.place.after(size, log)
        if [each.place for each in self.volumes[number : number + 1]] != [place]:
            try:
                self.volumes[number:] = [Volume(self.folder, place)]
            except BadProof as bad:
                raise BadPlace(f"{self.folder} is no mirror of {log.key.name}: {bad}") from bad
        return self.volumes[number]

    # Reading

    def texts(self, n: int) -> dict[int, Served]:
        """Return the texts of a file of the first log by index; raises BadPlace."""
        return self.volumes[0].texts(n)

    def held_among(self, indexes: Collection[int]) -> set[int]:
        """Return those of these indexes whose text is here."""
        files = self.files_of(indexes)
        return {i for volume, n, own in files for i in own & volume.texts(n).keys()}

    def files_of(self, indexes: Collection[int]) -> list[tuple[Volume, int, set[int]]]:
        """Return the files in which these texts stand: volume, number, and those of each."""
        found: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        for index in indexes:
            volume = self.volume_of(index)
            found[volume.place.base, volume.number(index)].add(index)
        return [(self.volume_of(base), n, found[base, n]) for base, n in sorted(found)]

    # Judging

    def copy(self) -> Copy:
        """Return the logs as they are here, to be judged; raises BadPlace when nothing is."""
        first, *later = self.volumes
        if first.signed is None:
            raise BadPlace(f"{self.folder} holds no checkpoint: nothing was downloaded yet")
        seen = {i: g.account for i, g in self.gone.items() if g.account is not None}
        withheld = {i for i, g in self.gone.items() if g.withheld_at(self.size)}
        known = sorted(withheld & seen.keys())  # of these nothing more is wanted
        pages = (
            volume.page(tile, _within(known, volume, tile))
            for volume in self.volumes
            for tile in bundles_of(volume.size)
        )
        logs = tuple(Later(str(each.place.key), each.signed or "") for each in later)
        return Copy(first.signed, pages, seen, frozenset(withheld), logs, self.found)

    def memory(self) -> Memory:
        """Return what earlier audits left here."""
        if not self.kept:
            return Memory()
        last = self.kept[-1]
        origin = read_checkpoint(read_note(last.checkpoint).text).origin
        return Memory(Checkpoint(origin, last.size, last.root), self.kept)

    def conflicts(self) -> list[Finding]:
        """Return a finding for each checkpoint that does not go with what is here."""
        places = sorted((self.folder / CONFLICTING).glob("*"))
        named = [found for place in places if (found := _CONFLICT.fullmatch(place.name))]
        reason = "a checkpoint kept beside the mirror is not of the tree that is here"
        return [Finding(int(found[2]), found[1], f"{reason}: {found[0]}") for found in named]

    def settle(self, judging: Judging, now: int) -> None:
        """Keep what the next audit needs, and let go of texts that an erasure took.

        1. of each text that an erasure covers, the owner is written down, and what was found while
        it was here. 2. those that are no longer served leave their files. 3. that is written down
        too. 4. the audit is kept, unless the log is not the one of earlier audits.

        Args:
            judging: the judgement of `copy()`.
            now: unix seconds by the auditor's clock, for a log without a quorum of witnesses.
        """
        replay = judging.replay
        size = judging.size
        leaving = {i for i, g in self.gone.items() if g.withheld_at(size)} & replay.covered
        known = {i: replay.owners.get(i) for i in leaving | replay.covered_and_served}
        # Of an entry that broke a rule no owner is known: its finding stays.
        named = {
            i: Gone(a, True, i not in leaving, size) for i, a in known.items() if a is not None
        }
        fresh = self.gone | named
        if fresh != self.gone:
            self.write_gone(fresh)  # 1
        lasting = judging.lasting(leaving) if leaving else []
        if not {*self.found}.issuperset(lasting):
            self.found = sorted({*self.found, *lasting})
            self._write_state()  # 1
        for volume, n, own in self.files_of(leaving):
            texts = volume.texts(n)
            self.write_texts(volume, n, {i: texts[i] for i in texts.keys() - own})  # 2
        if leaving:
            kept = {i: g for i, g in fresh.items() if i not in leaving}
            taken = {i: Gone(named[i].account, held=False) for i in leaving & named.keys()}
            self.write_gone(kept | taken)  # 3
        report = judging.report()
        if not report.broken and not self.conflicts():
            when = now if report.when is None else report.when
            present = Kept(report.size, when, report.root, report.signed)
            self.kept = [*(one for one in self.kept if one.size != present.size), present]
        self.ask = sorted({*replay.doubtful, *judging.unfit})
        self._write_state()  # 4

    def _write_state(self) -> None:
        audits: list[JsonIn] = [
            {"size": k.size, "root": k.root.hex(), "when": k.when, "checkpoint": k.checkpoint}
            for k in self.kept
        ]
        found: list[JsonIn] = [*map(plain_finding, self.found)]
        state: dict[str, JsonIn] = {"audits": audits, "ask": self.ask, "found": found}
        self.write("state.json", compact_json(state))

    def _read_state(self) -> tuple[list[Kept], list[int], list[Finding]]:
        text = read_text(self.folder / "state.json")
        if text is None:
            return [], [], []
        found = strict_object(text.encode("utf-8"))
        ask = found.get("ask")
        if not isinstance(ask, list):
            raise BadPlace("state.json has no list ask")
        kept = sorted(self._kept(one) for one in objects_of(found, "audits"))
        lasting = objects_of(found, "found") if "found" in found else []
        return kept, [number_in({"ask": one}, "ask") for one in ask], [*map(read_finding, lasting)]

    def _kept(self, found: Mapping[str, Json]) -> Kept:
        signed = text_of(found, "checkpoint")
        size, root = number_in(found, "size"), parse_hex(found.get("root"), 32)
        origin = read_checkpoint(read_note(signed).text).origin
        volume = next((each for each in self.volumes if each.place.key.name == origin), None)
        if volume is None:
            raise BadPlace("state.json has an audit of a log that is not here")
        head = open_log(signed, volume.place.key)
        if (size, root) != (volume.place.base + head.size, head.root):
            raise BadPlace("state.json has an audit that is not of its checkpoint")
        return Kept(size, number_in(found, "when"), root, signed)

    def _read_gone(self) -> dict[int, Gone]:
        return dict(map(read_gone, read_lines(read_text(self.folder / "gone.jsonl") or "")))


def _within(indexes: list[int], volume: Volume, tile: Tile) -> frozenset[int]:
    """Return those of these indexes (ascending) that stand in a bundle."""
    first = volume.place.base + tile.n * WIDTH
    begin, end = bisect_left(indexes, first), bisect_left(indexes, first + tile.width)
    return frozenset(indexes[begin:end])


def _text_line(served: Served) -> bytes:
    members: dict[str, JsonIn] = {
        "index": served.index,
        "at": served.at,
        "salt": served.salt.hex(),
        "text": served.text,
    }
    return compact_json(members) + b"\n"
