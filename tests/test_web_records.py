"""The web app's records: vectors are Python's, and an independent reader takes its archive."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consent.policy import Policy
from consent.receipts import Receipt, verify_receipt
from tests import archive_reader, web_vectors_records
from tests.archive_reader import Refused, b64u, read, unb64u
from vault.crypto.keys import Root, SigningKey, account_key
from vault.encoding import sign_jws

ROOT = Path(__file__).parent.parent
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not on this machine")


@cache
def real() -> dict[str, Any]:
    """The vault of the vectors."""
    found: dict[str, Any] = json.loads(web_vectors_records.PATH.read_text("utf-8"))["vault"]
    return found


def test_the_vectors_are_what_python_says() -> None:
    assert web_vectors_records.PATH.read_text("utf-8") == web_vectors_records.text()


def test_the_vectors_receipt_verifies_with_nothing_but_the_pins() -> None:
    pins = Policy(auditor(), real()["policy"]["log"], demo=True)
    receipt = Receipt.parse(real()["receipt"].encode())
    assert verify_receipt(receipt, pins).platform == "city.demo"


@cache
def archive() -> bytes:
    """The archive that the web app's module makes of the vault of the vectors."""
    assert NODE is not None
    made = subprocess.run(
        [NODE, ROOT / "tests" / "web" / "archive_run.js"], check=True, capture_output=True
    )
    return made.stdout


def auditor() -> bytes:
    return unb64u(real()["policy"]["auditor"])


def root() -> bytes:
    return bytes.fromhex(real()["root"])


def test_the_reader_stands_alone() -> None:
    text = Path(archive_reader.__file__).read_text("utf-8")
    imported = [
        line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))
    ]
    assert not {name.partition(".")[0] for name in imported} & {"vault", "consent", "tests"}


@needs_node
def test_the_reader_takes_the_archive_and_adds_up_the_grams() -> None:
    found = read(archive(), auditor(), root())
    assert {name: link.grams for name, link in found.links.items()} == real()["totals"]
    assert found.vault == "vault.demo"
    assert found.account == archive_reader.kid_of(account_key(Root(root())).public)
    acts = sum(len(link.records) for link in found.links.values())
    assert acts == len(real()["rows"]) > 5
    wanted = "archive directory link batch close absent entry grant token release wrap state end"
    assert set(found.lines) == set(wanted.split())


@needs_node
def test_without_the_root_signatures_and_proofs_are_checked_all_the_same() -> None:
    found = read(archive(), auditor())
    assert all(link.batches and not link.records for link in found.links.values())


def lines() -> list[bytes]:
    return archive().splitlines(keepends=True)


def signed_anew(changed: list[bytes]) -> bytes:
    """The lines, their last one made again by the account: what its own holder could forge."""
    body = b"".join(changed[:-1])
    head = json.loads(changed[0])
    key = account_key(Root(root()))
    said = sign_jws(
        "cv1-archive",
        {
            "iat": head["iat"],
            "pk": b64u(key.public),
            "vault": head["vault"],
            "lines": len(changed) - 1,
            "sha256": sha256(body).hexdigest(),
        },
        key,
    )
    return body + json.dumps({"type": "end", "archive": said}).encode() + b"\n"


@needs_node
def test_an_archive_signed_anew_without_a_change_is_taken() -> None:
    assert read(signed_anew(lines()), auditor(), root())


@needs_node
@pytest.mark.parametrize("number", range(0, 36, 5))
def test_one_byte_of_any_line_changed_is_refused(number: int) -> None:
    changed = lines()
    line = bytearray(changed[number % len(changed)])
    place = len(line) // 2
    line[place] ^= 1
    changed[number % len(changed)] = bytes(line)
    with pytest.raises(Refused):
        read(b"".join(changed), auditor(), root())


@needs_node
def test_a_line_left_out_or_moved_is_refused() -> None:
    for change in (lambda f: f[:5] + f[6:], lambda f: [f[0], f[2], f[1], *f[3:]], lambda f: f[:-1]):
        with pytest.raises(Refused):
            read(b"".join(change(lines())), auditor(), root())


@needs_node
def test_another_account_another_auditor_and_another_root_are_refused() -> None:
    stranger = SigningKey(b"\x55" * 32)
    with pytest.raises(Refused, match="kid"):
        read(archive(), stranger.public)
    with pytest.raises(Refused, match="root of another"):
        read(archive(), auditor(), bytes(20))
    head = json.loads(lines()[-1])
    text = head["archive"]
    said = json.loads(unb64u(text.split(".")[1])) | {"pk": b64u(stranger.public)}
    forged = json.dumps({"type": "end", "archive": sign_jws("cv1-archive", said, stranger)})
    with pytest.raises(Refused, match="another account"):
        read(b"".join(lines()[:-1]) + forged.encode() + b"\n", auditor())


def first(found: list[bytes], kind: str, number: int = 0) -> int:
    mark = f'{{"type":"{kind}"'.encode()
    return [place for place, line in enumerate(found) if line.startswith(mark)][number]


def _without(kind: str, number: int = 0) -> Callable[[list[bytes]], None]:
    return lambda found: found.__delitem__(first(found, kind, number))


def _swapped(kind: str, member: str) -> Callable[[list[bytes]], None]:
    """Take a member of the first such line from the second."""

    def change(found: list[bytes]) -> None:
        places = first(found, kind), first(found, kind, 1)
        one, other = (json.loads(found[place]) for place in places)
        one[member] = other[member]
        found[places[0]] = json.dumps(one, separators=(",", ":")).encode() + b"\n"

    return change


@needs_node
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_without("batch"), "a batch is missing"),
        (_without("batch", 2), "a batch is missing"),
        (_without("entry", 1), "not enough values|attach|unpack"),
        (_swapped("batch", "receipt"), "a receipt of something else"),
        (_swapped("close", "close"), "a receipt of something else"),
        (_swapped("close", "receipt"), "a receipt of something else"),
        (_swapped("entry", "proof"), "not in the log"),
        (_swapped("entry", "text"), "not in the log"),
        (_swapped("entry", "index"), "another place"),
        (_swapped("entry", "salt"), "another place"),
        (_swapped("link", "source"), "may not sign"),
    ],
)
def test_what_its_own_holder_changes_and_signs_anew_is_refused(
    change: Callable[[list[bytes]], None], why: str
) -> None:
    changed = lines()
    change(changed)
    with pytest.raises(Refused, match=why):
        read(signed_anew(changed), auditor(), root())
