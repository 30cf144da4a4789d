"""A reader of the raw archive, written from docs/archive.md alone: it imports nothing of ours.

    python tests/archive_reader.py carbon-vault.jsonl AUDITOR_KEY [ROOT_IN_HEX]

It checks the account's signature over the file, every signature and log proof in it, and, given the
root, opens every batch and adds up the grams.
"""

from __future__ import annotations

import hmac
import json
import re
import sys
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ORDER = 2**252 + 27742317777372353535851937790883648493
NAMES = ("clothing", "food", "home", "travel", "use", "office", "fin")
Members = dict[str, Any]


class Refused(Exception):
    """The archive is not what it says."""


def demand(true: object, why: str) -> None:
    """Return when something is so."""
    if not true:
        raise Refused(why)


# JWS, keys


def unb64u(text: str) -> bytes:
    """Return the bytes of base64url without padding."""
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    demand(b64u(raw) == text, "base64url of another form")
    return raw


def b64u(raw: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def kid_of(public: bytes) -> str:
    """Return the RFC 7638 thumbprint of an Ed25519 key."""
    jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{b64u(public)}"}}'
    return b64u(sha256(jwk.encode("ascii")).digest())


def name_of(text: str) -> str:
    """Return the hash that names a message."""
    return sha256(text.encode("ascii")).hexdigest()


HEADER = re.compile(rb'\{"alg":"Ed25519","kid":"([A-Za-z0-9_-]{43})","typ":"([a-z0-9-]+)"\}')


def kid_typ(text: str) -> tuple[str, str]:
    """Return what the header of a compact JWS says."""
    found = HEADER.fullmatch(unb64u(text.split(".")[0]))
    if found is None:
        raise Refused("a JWS with another header")
    return found[1].decode(), found[2].decode()


def opened(text: str, typ: str, keys: dict[str, bytes]) -> Members:
    """Return the payload of a JWS of this type that one of these keys signed."""
    kid, found = kid_typ(text)
    demand(found == typ, f"wanted {typ}, found {found}")
    demand(kid in keys, f"a {typ} is signed by a key that may not sign it")
    return verified(text, keys[kid])


def verified(text: str, public: bytes) -> Members:
    """Return the payload of a JWS that this key signed."""
    head, payload, signature = text.split(".")
    demand(kid_typ(text)[0] == kid_of(public), "a key of another kid")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(
            unb64u(signature), f"{head}.{payload}".encode("ascii")
        )
    except InvalidSignature:
        raise Refused("a signature does not verify") from None
    found: Members = json.loads(unb64u(payload))
    return found


def introduced(text: str) -> Members:
    """Return the payload of a JWS that is signed by the key it brings."""
    payload = json.loads(unb64u(text.split(".")[1]))
    return verified(text, unb64u(payload["pk"]))


# The log: RFC 6962 and C2SP notes


@dataclass(frozen=True)
class Log:
    """A log of the directory: its key, and where its entries begin among all."""

    name: str
    public: bytes
    base: int
    last: tuple[int, str] | None


def logs_of(listing: Members) -> dict[str, Log]:
    """Return the logs of a directory by name."""
    found, base = dict[str, Log](), 0
    for entry in [*listing.get("earlier", []), listing["log"]]:
        name, _, key = entry["vkey"].split("+", 2)
        raw = b64decode(key, validate=True)
        demand(raw[0] == 1 and len(raw) == 33, "a log's key is Ed25519")
        last = (entry["size"], entry["root"]) if "root" in entry else None
        found[name] = Log(name, raw[1:], base, last)
        base += entry.get("size", 0)
    return found


def read_head(note: str, logs: dict[str, Log]) -> tuple[Log, int, bytes]:
    """Return log, size and root of a signed checkpoint."""
    text, _, lines = note.rpartition("\n\n")
    name, size, root = (text + "\n").split("\n")[:3]
    demand(name in logs, "a checkpoint of a log that the directory does not list")
    log = logs[name]
    key_id = sha256(f"{name}\n".encode() + b"\x01" + log.public).digest()[:4]
    for line in lines.splitlines():
        _, signer, value = line.split(" ")
        raw = b64decode(value, validate=True)
        if signer == name and raw[:4] == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(log.public).verify(raw[4:], f"{text}\n".encode())
            except InvalidSignature:
                raise Refused("a checkpoint that its log did not sign") from None
            return log, int(size), b64decode(root, validate=True)
    raise Refused("a checkpoint that its log did not sign")


def root_of_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root that an audit path leads to, by the definition in RFC 6962 section 2.1.1."""
    if size == 1:
        demand(not path, "an audit path that is too long")
        return leaf
    demand(path, "an audit path that is too short")
    half = 1
    while 2 * half < size:
        half *= 2
    if index < half:
        below = root_of_path(leaf, index, half, path[:-1])
        return sha256(b"\x01" + below + path[-1]).digest()
    below = root_of_path(leaf, index - half, size - half, path[:-1])
    return sha256(b"\x01" + path[-1] + below).digest()


# The person's keys


def kdf(key: bytes, info: bytes, size: int) -> bytes:
    """Return HKDF-SHA256 with an empty salt (RFC 5869)."""
    prk = hmac.digest(bytes(32), key, "sha256")
    found, block = b"", b""
    for number in range(1, -(-size // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([number]), "sha256")
        found += block
    return found[:size]


def hpke_open(secret: bytes, sealed: bytes, info: bytes) -> bytes:
    """Return what was sealed (RFC 9180 base mode, X25519, HKDF-SHA256, AES-256-GCM)."""
    kem, suite = b"KEM\0\x20", b"HPKE\0\x20\0\x01\0\x02"

    def extract(salt: bytes, label: bytes, ikm: bytes, of: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + of + label + ikm, "sha256")

    def expand(prk: bytes, label: bytes, about: bytes, size: int, of: bytes) -> bytes:
        labeled = size.to_bytes(2, "big") + b"HPKE-v1" + of + label + about + b"\x01"
        return hmac.digest(prk, labeled, "sha256")[:size]

    own = X25519PrivateKey.from_private_bytes(secret)
    enc, text = sealed[:32], sealed[32:]
    dh = own.exchange(X25519PublicKey.from_public_bytes(enc))
    both = enc + own.public_key().public_bytes_raw()
    shared = expand(extract(b"", b"eae_prk", dh, kem), b"shared_secret", both, 32, kem)
    about = (
        b"\0" + extract(b"", b"psk_id_hash", b"", suite) + extract(b"", b"info_hash", info, suite)
    )
    prk = extract(shared, b"secret", b"", suite)
    key, nonce = expand(prk, b"key", about, 32, suite), expand(prk, b"base_nonce", about, 12, suite)
    try:
        return AESGCM(key).decrypt(nonce, text, None)
    except InvalidTag:
        raise Refused("a batch does not open with this root") from None


# The archive


@dataclass
class Link:
    """One link: its texts, and what they come to once the root is given."""

    link: str
    source: str
    batches: list[tuple[str, str]] = field(default_factory=list)
    closes: list[str] = field(default_factory=list)
    records: list[Members] = field(default_factory=list)
    grams: dict[str, list[int]] = field(default_factory=dict)


@dataclass
class Archive:
    """What a verified archive holds."""

    vault: str
    account: str
    iat: int
    lines: Counter[str]
    links: dict[str, Link]


def read(raw: bytes, auditor: bytes, root: bytes | None = None) -> Archive:
    """Return an archive once all of it verifies; `auditor` signed the directory."""
    try:
        return _Reader(raw, auditor, root).archive
    except (ValueError, KeyError, TypeError, IndexError) as bad:
        raise Refused(f"not an archive of this form: {bad!r}") from bad


class _Reader:
    def __init__(self, raw: bytes, auditor: bytes, root: bytes | None) -> None:
        lines = raw.decode("utf-8").split("\n")
        demand(lines.pop() == "", "the last line has no end")
        self.items: list[Members] = [json.loads(line) for line in lines]
        kinds = [item["type"] for item in self.items]
        demand(kinds[:2] == ["archive", "directory"] and kinds[-1] == "end", "lines out of order")
        demand(set(kinds[2:-1]).isdisjoint({"archive", "directory", "end"}), "a second beginning")
        head = self.items[0]
        demand(head["format"] == "carbonvault-archive/1", "another format")
        self.account = self._check_end(raw, lines, head)
        self.listing = verified(self.items[1]["directory"], auditor)
        self.logs = logs_of(self.listing)
        self.heads: dict[tuple[str, int], bytes] = {}
        self.places: dict[int, str] = {}
        self._check_logged()
        links = {item["link"]: self._link(item["link"]) for item in self._of("link")}
        demand(len(links) == kinds.count("link"), "a link twice")
        self._check_consents()
        if root is not None:
            self._open(links.values(), root)
        self.archive = Archive(head["vault"], head["account"], head["iat"], Counter(kinds), links)

    def _of(self, *kinds: str) -> Iterator[Members]:
        return (item for item in self.items if item["type"] in kinds)

    def _check_end(self, raw: bytes, lines: list[str], head: Members) -> bytes:
        text = self.items[-1]["archive"]
        demand(kid_typ(text)[1] == "cv1-archive", "the last line is no cv1-archive")
        said = introduced(text)
        demand(kid_of(unb64u(said["pk"])) == head["account"], "signed by another account")
        body = raw[: len(raw) - len(lines[-1].encode()) - 1]
        demand(said["sha256"] == sha256(body).hexdigest(), "other lines than were signed")
        demand(said["lines"] == len(lines) - 1, "another number of lines")
        demand((said["vault"], said["iat"]) == (head["vault"], head["iat"]), "two beginnings")
        return unb64u(said["pk"])

    # Who may sign

    def _keys(self, *wanted: str) -> dict[str, bytes]:
        """Keys by kid of the parties of these ids."""
        parties = [p for p in self.listing["entries"] if p["id"] in wanted]
        pks = [unb64u(key["pk"]) for party in parties for key in party["sig"]]
        return {kid_of(pk): pk for pk in pks}

    @property
    def _vault(self) -> dict[str, bytes]:
        return self._keys(self.listing["vault"])

    # Where it stands

    def _check_proof(self, text: str, proof: str) -> tuple[int, int, bytes]:
        """Return index over all logs, time and salt of a text that a proof file proves."""
        top, _, note = proof.partition("\n\n")
        header, extra, index, *path = top.split("\n")
        demand(header == "c2sp.org/tlog-proof@v1", "another proof file")
        demand(extra.startswith("extra ") and index.startswith("index "), "another proof file")
        raw, number = b64decode(extra[6:], validate=True), int(index[6:])
        demand(len(raw) == 24, "another proof file")
        log, size, root = read_head(note, self.logs)
        demand(0 <= number < size, "an index beyond the tree")
        leaf = sha256(b"\0" + sha256(raw + text.encode("ascii")).digest()).digest()
        hashes = [b64decode(line, validate=True) for line in path]
        demand(root_of_path(leaf, number, size, hashes) == root, "a text is not in the log")
        demand(log.last in (None, (size, root.hex())), "not the last tree of a log that ended")
        demand(self.heads.setdefault((log.name, size), root) == root, "two trees of one size")
        place = log.base + number
        demand(self.places.setdefault(place, text) == text, "two texts at one place")
        return place, int.from_bytes(raw[16:], "big"), raw[:16]

    def _check_logged(self) -> None:
        told = self.items[1]
        demand(self._check_proof(told["directory"], told["proof"]), "")
        for turn in told.get("turns", []):
            self._check_proof(turn["directory"], turn["proof"])
        for item in self._of("absent"):
            self._check_proof(item["text"], item["proof"])
        for item in self._of("release"):
            self._check_proof(item["release"], item["proof"])
            opened(item["release"], "cv1-release", self._vault)
        for item in self._of("entry"):
            found = self._check_proof(item["text"], item["proof"])
            said = (item["index"], item["at"], bytes.fromhex(item["salt"]))
            demand(found == said, "an entry says another place than its proof")
        self.entries = {item["text"] for item in self._of("entry")}

    # What each link holds

    def _link(self, name: str) -> Link:
        begun = [verified(t, self.account) for t in self._entries("cv1-attach")]
        (attach,) = [body for body in begun if body["link"] == name]
        said = next(item for item in self._of("link") if item["link"] == name)
        keys = self._keys(said["source"])
        answer = opened(attach["receipt"], "cv1-link", keys)
        known = (said["link"], said["source"], said["from"])
        demand((answer["link"], answer["source"], answer["from"]) == known, "another link's answer")
        found = Link(name, said["source"])
        for number, item in enumerate(i for i in self._of("batch") if i["link"] == name):
            batch = opened(item["batch"], "cv1-batch", keys)
            demand((batch["link"], batch["seq"]) == (name, number), "a batch is missing")
            self._receipted(item["batch"], item["receipt"])
            found.batches.append((item["batch"], item["receipt"]))
        for item in (i for i in self._of("close") if i["link"] == name):
            self._close(found, item, keys)
        return found

    def _close(self, own: Link, item: Members, keys: dict[str, bytes]) -> None:
        close = opened(item["close"], "cv1-close", keys)
        demand(close["link"] == own.link, "a close of another link")
        demand(item["close"] in self.entries, "a close that is not logged")
        self._receipted(item["close"], item["receipt"])
        before = [json.loads(unb64u(text.split(".")[1])) for text in own.closes]
        demand(all(one["month"] < close["month"] for one in before), "months do not rise")
        after = before[-1]["upto"] if before else -1
        pairs = [
            h for pair in own.batches[after + 1 : close["upto"] + 1] for h in map(name_of, pair)
        ]
        digest = sha256(bytes.fromhex("".join(pairs))).hexdigest()
        demand(digest == close["batches"], "a close is over other batches")
        own.closes.append(item["close"])

    def _receipted(self, text: str, receipt: str) -> None:
        said = opened(receipt, "cv1-receipt", self._vault)
        demand(said["of"] == name_of(text), "a receipt of something else")

    def _entries(self, typ: str) -> list[str]:
        return [text for text in self.entries if kid_typ(text)[1] == typ]

    def _check_consents(self) -> None:
        grants = {}
        for item in self._of("grant"):
            demand(item["grant"] in self.entries, "a grant that is not logged")
            body = introduced(item["grant"])
            grants[body["grant"]] = unb64u(body["pk"])
        for item in self._of("token"):
            demand(item["token"] in self.entries, "a token that is not logged")
            named = json.loads(unb64u(item["token"].split(".")[1]))["grant"]
            verified(item["token"], grants[named])

    # With the root

    def _open(self, links: Any, root: bytes) -> None:
        seed = kdf(root, b"cv1/acct", 32)
        own = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        demand(own == self.account, "the root of another account")
        for link in links:
            self._add_up(link, root)

    def _add_up(self, own: Link, root: bytes) -> None:
        name, sums, void = bytes.fromhex(own.link), Counter[int](), set[str]()
        secret, stream = (kdf(root, b"cv1/link/" + x + name, 32) for x in (b"rec", b"k"))
        kept: list[tuple[int, Members]] = []
        for seq, (batch, receipt) in enumerate(own.batches):
            records, taken = _records(secret, name, seq, batch, receipt)
            own.records += records
            void |= {r["act"] for r in records if r["tag"] in taken}
            kept += [(seq, r) for r in records if r["tag"] not in taken]
        balances, after = [0] * 7, -1
        rejected = {verified(t, self.account)["close"] for t in self._entries("cv1-reject")}
        for text in own.closes:
            close = json.loads(unb64u(text.split(".")[1]))
            sums = Counter()
            for seq, record in kept:
                if after < seq <= close["upto"] and record.get("corrects") not in void:
                    sums[NAMES.index(record["behaviour"].split(".")[0])] += record["mg"]
            after, balances = close["upto"], [b + sums[n] for n, b in enumerate(balances)]
            if sha256(text.encode()).hexdigest() in rejected:
                continue  # in no total; what it booked is not known here
            grams = _grams(stream, close)
            for n in range(7):
                most = max(0, balances[n] // 1000)  # less where the release has a cap
                demand(grams[n] <= most, "a close says more than its records")
                balances[n] -= 1000 * grams[n]
            own.grams[close["month"]] = grams


def _records(
    secret: bytes, link: bytes, seq: int, batch: str, receipt: str
) -> tuple[list[Members], set[str]]:
    """Return the records of a batch, and the tags that its receipt says were there before."""
    body, said = (json.loads(unb64u(text.split(".")[1])) for text in (batch, receipt))
    info = b"cv1/batch" + link + seq.to_bytes(4, "big")
    padded = hpke_open(secret, unb64u(body["sealed"]), info)
    size = int.from_bytes(padded[:4], "big")
    demand(not padded[4 + size :].strip(b"\0"), "another padding")
    records: list[Members] = json.loads(padded[4 : 4 + size])
    demand({r["tag"] for r in records} <= set(body["tags"]), "a record without its tag")
    return records, {body["tags"][n] for n in said.get("taken", [])}


def _grams(stream: bytes, close: Members) -> list[int]:
    """Return the seven totals under a close's masks."""
    found = []
    for number, (masked, _) in enumerate(close["cells"], 1):
        okm = kdf(stream, b"cv1/cell" + bytes([number]) + close["month"].encode("ascii"), 128)
        mask = int.from_bytes(okm[:64], "little") % ORDER
        grams = (int.from_bytes(unb64u(masked), "little") - mask) % ORDER
        demand(grams < 2**40, "a cell does not open")
        found.append(grams)
    return found


def main(say: Callable[[str], None] = print) -> None:
    """Read the file that is named, and say what is in it."""
    path, auditor, *root = sys.argv[1:]
    found = read(Path(path).read_bytes(), unb64u(auditor), bytes.fromhex(root[0]) if root else None)
    say(f"archive of {found.account} at {found.vault}: {dict(found.lines)}")
    for link in found.links.values():
        say(
            f"{link.source}: {len(link.batches)} batches, {len(link.records)} records, {link.grams}"
        )


if __name__ == "__main__":
    main()
