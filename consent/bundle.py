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
The same copy gives the same bytes: times in the archive are fixed.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from consent.log.merkle import leaf_hash, prove_inclusion, root
from consent.log.proof import Proof
from consent.readings import Served
from vault.encoding import Json, text_hash
from vault.errors import BadProof

EPOCH = (1980, 1, 1, 0, 0, 0)
MODE = 0o600 << 16
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
    "carbonvault audit run copy --key YOUR.key --auditor KEY --log VKEY",
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


def pack(files: Mapping[str, bytes], pins: Pins, kid: str | None = None) -> bytes:
    """Return the bundle, a ZIP archive, of these files and what is said of them.

    Args:
        files: content by name, without README.txt, pins.json and SHA256SUMS.
        pins: what the reader compares.
        kid: the key that a bundle about one person is about; None: the whole log.
    """
    what, what_zh, check = _PERSON if kid else _WHOLE
    told = README.format(what=what, what_zh=what_zh, check=check)
    members = json.dumps(pins.plain(kid), indent=1, ensure_ascii=False) + "\n"
    whole = {"README.txt": told.encode("utf-8"), "pins.json": members.encode("utf-8"), **files}
    sums = "".join(f"{sha256(whole[name]).hexdigest()}  {name}\n" for name in sorted(whole))
    whole["SHA256SUMS"] = sums.encode("utf-8")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(whole):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, MODE
            archive.writestr(entry, whole[name])
    return packed.getvalue()
