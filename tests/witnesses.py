"""Witnesses in memory, for the log's side: real keys, real trees, and any answer that a test wants.

net = Net(wall); policy = net.policy(2)      three witnesses, two of which make the quorum
net.down.add("w1.example")                   no answer
net.lies["w2.example"] = lambda body: …      another answer than the honest one
net.shows["w3.example"] = note               another newest checkpoint than its own
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from consent.log import merkle
from consent.log.checkpoint import Checkpoint, read_checkpoint
from consent.log.cosignature import cosign, witness_key
from consent.log.note import VerifierKey, read_note, unb64
from consent.log.submission import SIZE_TYPE, Answer
from consent.log.tlog_policy import LogPolicy, read_policy
from vault.crypto.keys import SigningKey
from vault.errors import BadProof, Unreachable

NAMES = ("w1.example", "w2.example", "w3.example")


def conflict(size: int) -> Answer:
    """What a witness answers that saw another size."""
    return Answer(409, SIZE_TYPE, f"{size}\n".encode())


def request(body: bytes) -> tuple[int, list[bytes], Checkpoint]:
    """Return old size, proof and checkpoint of a request, read apart from the code under test."""
    head, _, signed = body.decode().partition("\n\n")
    first, *lines = head.split("\n")
    word, old = first.split(" ")
    assert word == "old"
    return int(old), [unb64(line, 32) for line in lines], read_checkpoint(read_note(signed).text)


@dataclass
class Witness:
    """One honest witness of one log: it cosigns what extends what it saw."""

    name: str
    wall: Callable[[], int]
    size: int = 0
    root: bytes = merkle.EMPTY_ROOT
    note: str = ""
    olds: list[int] = field(default_factory=list)

    @property
    def key(self) -> SigningKey:
        return SigningKey(sha256(self.name.encode()).digest())

    @property
    def vkey(self) -> VerifierKey:
        return witness_key(self.name, self.key)

    def line(self, checkpoint: Checkpoint, time: int | None = None) -> bytes:
        at = self.wall() if time is None else time
        return str(cosign(checkpoint, self.name, self.key, at)).encode()

    def answer(self, body: bytes) -> Answer:
        old, proof, checkpoint = request(body)
        self.olds.append(old)
        if old != self.size:
            return conflict(self.size)
        try:
            merkle.verify_consistency(old, checkpoint.size, self.root, checkpoint.root, proof)
        except BadProof:
            return Answer(422, "text/plain", b"")
        self.size, self.root = checkpoint.size, checkpoint.root
        line = self.line(checkpoint)
        self.note = body.decode().partition("\n\n")[2] + line.decode()
        return Answer(200, "text/plain", line)

    def show(self) -> Answer:
        """What it answers to monitors: the newest checkpoint that it cosigned."""
        return Answer(200 if self.note else 404, "text/plain", self.note.encode())


class Net:
    """Carries requests to these witnesses."""

    def __init__(self, wall: Callable[[], int], names: tuple[str, ...] = NAMES) -> None:
        self.witnesses = {name: Witness(name, wall) for name in names}
        self.down: set[str] = set()
        self.lies: dict[str, Callable[[bytes], Answer]] = {}
        self.shows: dict[str, str] = {}
        self.sent: list[str] = []

    def __call__(self, url: str, body: bytes | None) -> Answer:
        name = url.removeprefix("https://").partition("/")[0]
        if body is None:
            return self.show(name)
        self.sent.append(name)
        if name in self.down:
            raise Unreachable(f"no answer of {name}")
        return self.lies.get(name, self.witnesses[name].answer)(body)

    def show(self, name: str) -> Answer:
        """What a witness answers to monitors."""
        if name in self.down:
            raise Unreachable(f"no answer of {name}")
        if name in self.shows:
            return Answer(200, "text/plain", self.shows[name].encode())
        return self.witnesses[name].show()

    def text(self, quorum: int) -> str:
        """Return a policy file in which so many of the witnesses make the quorum."""
        members = list(enumerate(self.witnesses.values(), 1))
        lines = [f"witness W{n} {each.vkey} https://{each.name}" for n, each in members]
        names = " ".join(f"W{n}" for n, _ in members)
        ends = [f"group some {quorum} {names}", "quorum some"] if quorum else ["quorum none"]
        return "\n".join([*lines, *ends]) + "\n"

    def policy(self, quorum: int) -> LogPolicy:
        return read_policy(self.text(quorum).encode())
