"""A bundle for a regulator: one file that shows, without a network, what an audit stood on.

    README.txt          how to check it, in English and Chinese
    pins.json           {"log": vkey, "auditor": public key, "made": unix seconds, "kid"?: key}
    copy/…              the auditor's copy of log and texts, as it lies (consent/mirror.py)
    report/…            the signed report in every form
    SHA256SUMS          a line for each file, as sha256sum reads it

A bundle about one person holds, instead of the copy, what concerns one key:

    entries/000017.jws             the text as it was logged
    entries/000017.tlog-proof      its proof file, to the checkpoint of the copy
    directories/000000.jws …       every directory, with proofs: whose keys these are

Names count through all logs; a proof file's own `index` is that of the log of its checkpoint.
The same copy gives the same bytes: times in the archive are fixed. It is written file by file, so
that a copy of any size fits into memory; what lies in a folder and is no part of a copy stays out.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from consent.log.merkle import leaf_hash, prove_inclusion, root
from consent.log.proof import Proof
from consent.readings import Served
from vault.encoding import Json, text_hash
from vault.errors import BadPlace, BadProof

EPOCH = (1980, 1, 1, 0, 0, 0)
MODE = 0o600 << 16
PIECE = 1 << 20
Content = bytes | Path
"""What a file of the bundle holds: bytes, or where they are read when it is their turn."""

_NUMBER = r"(x[0-9]{3}/)*[0-9]{3}"
COPY = re.compile(
    r"state\.json|gone\.jsonl|conflicting/[a-z]+-[0-9a-f-]+(\.json)?"
    rf"|(logs/[0-9a-z]+/)?(checkpoint|tile/entries/{_NUMBER}(\.p/[0-9]+)?|texts/{_NUMBER}\.jsonl)"
)
_FOLDERS = frozenset({"tile", "texts", "conflicting", "logs"})
REPORT = re.compile(r"report\.(json|jws|[A-Za-z-]+\.html)")
README = """\
This file shows what an audit of a personal carbon vault stood on.
{what}
1. Compare the keys in pins.json with what the auditor and the operator publish.
2. sha256sum --check SHA256SUMS
3. {check}
The texts are personal data: pseudonyms, and who consented to what and when. Delete them when they
are no longer needed.

本文件包含一次个人碳账户保管库审计所依据的全部材料。
{what_zh}
1. 将 pins.json 中的密钥与审计方、运营方公布的密钥比对。
2. sha256sum --check SHA256SUMS
3. {check}
其中的文本属于个人数据：假名，以及谁在何时同意了什么。不再需要时请删除。
"""
_WHOLE = (
    "It holds the whole log with the texts that the auditor was served, and the signed report.",
    "其中包含完整日志、审计方收到的文本和已签名的报告。",
    "carbonvault audit run copy --auditor=KEY --log VKEY",
)
_PERSON = (
    "It holds the entries that concern one key, each with its proof, and every directory.",
    "其中包含与一把密钥有关的记录（各附证明）和历次名录。",
    "each .tlog-proof shows that the .jws beside it stands in the log (c2sp.org/tlog-proof)",
)


@dataclass(frozen=True)
class Pins:
    """What the reader compares: the log's vkey, the auditor's public key (base64url)."""

    log: str
    auditor: str
    made: int

    def plain(self, kid: str | None) -> dict[str, Json]:
        """Return the members of pins.json."""
        named: dict[str, Json] = {"kid": kid} if kid else {}
        return {"log": self.log, "auditor": self.auditor, "made": self.made, **named}


class Leaves:
    """The tree over a log's leaves, for proofs; about 32 bytes a leaf."""

    def __init__(self, entries: Iterable[bytes], base: int = 0) -> None:
        """Take the leaves' data, 32 bytes each, in order; `base` entries stand in logs before."""
        self._base = base
        self._hashes = [leaf_hash(entry) for entry in entries]
        self._kept: dict[tuple[int, int], bytes] = {}

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._hashes)

    def root(self) -> bytes:
        """Return the root over all leaves."""
        return root(self._hashes)

    def prove(self, served: Served, checkpoint: str) -> str:
        """Return the proof file of a text to this checkpoint, which must be over these leaves."""
        index = served.index - self._base
        path = prove_inclusion(index, self.size, self._subtree)
        return str(Proof(served.salt, served.at, index, tuple(path), checkpoint))

    def _subtree(self, level: int, index: int) -> bytes:
        place = (level, index)
        if place not in self._kept:
            self._kept[place] = root(self._hashes[index << level : (index + 1) << level])
        return self._kept[place]


def entry_files(
    folder: str, leaves: Leaves, signed: str, texts: Iterable[Served]
) -> dict[str, bytes]:
    """Return texts and their proof files by name, under a folder of the bundle.

    Raises:
        BadProof: a text is not the one of its leaf: such a copy shows nothing.
    """
    files: dict[str, bytes] = {}
    for served in texts:
        name = f"{folder}/{served.index:06d}"
        files[f"{name}.jws"] = served.text.encode("ascii")
        files[f"{name}.tlog-proof"] = leaves.prove(served, signed).encode("utf-8")
    return files


def check_same(wanted: Mapping[int, bytes], texts: Iterable[Served]) -> None:
    """Return when these are the texts of these hashes, all of them; raises BadProof."""
    found = {served.index: text_hash(served.text) for served in texts}
    if found != dict(wanted):
        missing = sorted(wanted.keys() - found.keys()) or sorted(found)
        raise BadProof(f"the copy lacks the text of entry {missing[0]}, or holds another one")


def files_of(folder: Path, known: re.Pattern[str], name: str) -> dict[str, Content]:
    """Return where the known files of a folder are, by their names in the bundle.

    Args:
        folder: a copy's, or a report's.
        known: COPY or REPORT; every other file stays out.
        name: of the folder in the bundle.

    Raises:
        BadPlace: it cannot be read, or one of them is a link to somewhere else.
    """
    found: dict[str, Content] = {}
    for place in _walk(folder):
        inside = place.relative_to(folder).as_posix()
        if place.is_symlink():
            _check_link(inside, known)
        elif known.fullmatch(inside):
            found[f"{name}/{inside}"] = place
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Yield files and links; no link is followed."""

    def fail(bad: OSError) -> None:
        raise BadPlace(f"cannot read {folder}: {bad.strerror}") from bad

    for base, folders, names in os.walk(folder, onerror=fail):
        links = (name for name in folders if Path(base, name).is_symlink())
        yield from (Path(base, name) for name in (*names, *links))


def _check_link(inside: str, known: re.Pattern[str]) -> None:
    if known.fullmatch(inside) or inside.partition("/")[0] in _FOLDERS:
        raise BadPlace(f"{inside} is a link: wanted the files of a copy in their own folder")


def pack(out: Path, files: Mapping[str, Content], pins: Pins, kid: str | None = None) -> int:
    """Return the size in bytes of the bundle, a ZIP archive of mode 0600 that is written to `out`.

    Args:
        out: the file; one that was there before stays until the new one is whole.
        files: content by name, without README.txt, pins.json and SHA256SUMS.
        pins: what the reader compares.
        kid: the key that a bundle about one person is about; None: the whole log.

    Raises:
        BadPlace: a file cannot be read or changes meanwhile, or the bundle cannot be written.
    """
    what, what_zh, check = _PERSON if kid else _WHOLE
    told = README.format(what=what, what_zh=what_zh, check=check)
    members = json.dumps(pins.plain(kid), indent=1, ensure_ascii=False) + "\n"
    own = {"README.txt": told.encode("utf-8"), "pins.json": members.encode("utf-8")}
    whole: dict[str, Content] = {**own, **files}
    sums = {name: _hash(whole[name]) for name in sorted(whole)}
    whole["SHA256SUMS"] = "".join(f"{found}  {name}\n" for name, found in sums.items()).encode()
    try:
        with _replaced(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(whole):
                _add(archive, name, whole[name], sums.get(name))
        return out.stat().st_size
    except OSError as bad:
        raise BadPlace(f"cannot write the file {out}: {bad.strerror}") from bad


def _add(archive: zipfile.ZipFile, name: str, content: Content, wanted: str | None) -> None:
    """Write one file; raises BadPlace when it is not the one whose sum was taken."""
    entry, hashed = zipfile.ZipInfo(name, EPOCH), sha256()
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, MODE
    entry.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size
    with archive.open(entry, "w") as into:
        for piece in _pieces(content):
            hashed.update(piece)
            into.write(piece)
    if wanted not in (None, hashed.hexdigest()):
        raise BadPlace(f"{name} changed while it was packed: pack again when no audit runs")


def _hash(content: Content) -> str:
    hashed = sha256()
    for piece in _pieces(content):
        hashed.update(piece)
    return hashed.hexdigest()


def _pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    try:
        handle = os.open(content, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as bad:
        raise BadPlace(f"cannot read the file {content}: {bad.strerror}") from bad


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """Give a fresh file of mode 0600 that takes the path's place once the block ends well."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
