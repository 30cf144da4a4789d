"""A vault whose log turns: the folder has the keys of two later logs, and the auditor ends a log.

with Turning() as world:
    world.account("ann")       # an entry of the first log
    world.turn()               # its last entry: the directory that names the next log
    world.close_log()          # the first entry of the next log
    world.restart()            # a fresh application over the same database

Requests and proofs are made and checked here apart from the SDKs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import httpx2

from consent.app import make_app, wall_clock
from consent.demo.cast import Edition, compose
from consent.known import Known
from consent.log.note import ED25519, VerifierKey
from consent.log.proof import Logged, verify_proof
from consent.log.rounds import Rounds
from consent.log.sequencer import Sequencer
from consent.log.submission import Answer
from consent.messages import Grant
from tests.inside import Inside
from tests.witnesses import Net, Witness, request
from tests.world import URL, Seeded, World
from vault import dpop, journal
from vault.crypto.keys import SigningKey
from vault.encoding import Json, compact_json, text_hash
from vault.messages import Account, ClosedLog, Erase, Listing, LogEntry

NAMES = ("2027", "2028")


class ManyLogs(Net):
    """Witnesses that know several logs: one tree for each origin."""

    def __init__(self, wall: Callable[[], int]) -> None:
        super().__init__(wall)
        self.wall = wall
        self.asked: list[tuple[str, str]] = []
        self.trees: dict[tuple[str, str], Witness] = {}

    def of(self, name: str, origin: str) -> Witness:
        """Return what a witness knows of a log."""
        return self.trees.setdefault((name, origin), Witness(name, self.wall))

    def __call__(self, url: str, body: bytes | None) -> Answer:
        if body is None:
            return super().__call__(url, body)
        name, origin = url.split("/")[2], request(body)[2].origin
        self.asked.append((name, origin))
        if name in self.down or name in self.lies:
            return super().__call__(url, body)
        return self.of(name, origin).answer(body)


class Turning(World):
    """A world whose vault has keys for later logs; with a quorum it asks three witnesses."""

    def __init__(self, folder: Path | None = None, quorum: int = 0, logs: int = 2) -> None:
        super().__init__(folder, seed=b"turning")
        keys = [(name, SigningKey(sha256(name.encode()).digest())) for name in NAMES]
        self.net, self.quorum = ManyLogs(wall_clock), quorum
        self.place = replace(
            self.place,
            later=tuple(keys[:logs]),
            witnesses=self.net.policy(quorum) if quorum else self.place.witnesses,
        )
        self.known = Known()
        origin = self.place.settings.origin
        self.vkeys = (
            VerifierKey(origin, ED25519, self.place.log_key.public),
            *(VerifierKey(f"{origin}/{name}", ED25519, key.public) for name, key in keys),
        )
        self.entry, self.earlier = self.entry_of(0), tuple[ClosedLog, ...]()
        self.ended: ClosedLog | None = None
        self.restart()

    def __enter__(self) -> Self:
        self.publish()
        self.sources = {name: self.source(name) for name in ("east-bikes.demo",)}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.rounds.close()
        self.database.close()
        self.close()

    def restart(self) -> None:
        """Start a fresh application over the database, as a new process would."""
        self.app = make_app(
            self.place,
            self.database,
            lambda: self.time,
            wall_clock,
            self.known,
            Seeded(b"turning vault" + str(self.time).encode()),
            self.net,
        )
        self._http = self.client = Inside(self.app, base_url=URL)
        self.log: Sequencer = self.app.state.log
        self.rounds: Rounds = self.app.state.rounds

    # The directory

    def entry_of(self, number: int) -> LogEntry:
        """Return how the directory lists a log while it goes on."""
        vkey = self.vkeys[number]
        witnesses = tuple(str(each.vkey) for each in self.net.witnesses.values())
        return LogEntry(
            origin=vkey.name,
            vkey=str(vkey),
            witnesses=witnesses if self.quorum else (),
            quorum=self.quorum,
        )

    def edition(self) -> Edition:
        return replace(super().edition(), log=self.entry)

    def listing(self, **changed: object) -> Listing:
        """Return the next directory, with members changed."""
        made = compose(self.cast, self.edition())
        return made.model_copy(update={"earlier": self.earlier or None, **changed})

    def post(self, listing: Listing) -> httpx2.Response:
        """Return the vault's answer to a directory that the auditor signed."""
        text = listing.signed(self.cast.auditor)
        return self.knock("POST", "/v1/directory", text.encode(), self.cast.auditor)

    def take(self, listing: Listing) -> Logged:
        """Post a directory that the vault must take; return its place, proved."""
        reply = self.post(listing)
        assert reply.status_code == 200, reply.text
        text = listing.signed(self.cast.auditor)
        self._version, self._prev = listing.version, text_hash(text)
        return self.proved(text, reply.json()["proof"])

    def publish(self) -> str:
        listing = self.listing()
        self.take(listing)
        if self.quorum:
            self.rounds.refresh()
        return listing.signed(self.cast.auditor)

    def turn(self) -> Logged:
        """Let the auditor end the log that goes on; return the turn's place."""
        number = len(self.earlier)
        logged = self.take(self.listing(log=self.entry_of(number + 1)))
        self.ended = self.closed(number, logged.size, logged.root)
        return logged

    def closed(self, number: int, size: int, root: bytes) -> ClosedLog:
        """Return how the directory lists a log that ended."""
        return ClosedLog(**dict(self.entry_of(number)), size=size, root=root)

    def closing(self, **changed: object) -> Listing:
        """Return the directory that closes the log that ended; `changed` of its ended log."""
        assert self.ended is not None
        ended = self.ended.model_copy(update=changed)
        entry = self.entry_of(len(self.earlier) + 1)
        return self.listing(log=entry, earlier=(*self.earlier, ended))

    def close_log(self) -> Logged:
        """Let the auditor close the log that ended; return the closing's place."""
        listing = self.closing()
        logged = self.take(listing)
        self.entry, self.earlier = listing.log, listing.earlier or ()
        return logged

    # Others

    def knock(self, method: str, path: str, body: bytes, key: SigningKey) -> httpx2.Response:
        """Return the bare answer to a signed request."""
        proof = dpop.prove(
            key,
            dpop.Request(method, URL + path.partition("?")[0], body),
            wall_clock(),
            self.random(16),
        )
        return self.client.request(method, path, content=body, headers={"DPoP": proof})

    def holder_key(self, name: str) -> SigningKey:
        return SigningKey(sha256(b"holder " + name.encode()).digest())

    def account_text(self, name: str) -> str:
        key = self.holder_key(name)
        vault = self.place.settings.vault
        return Account(iat=0, pk=key.public, vault=vault, over14=True).signed(key)

    def try_account(self, name: str) -> httpx2.Response:
        """Return the vault's answer to somebody's `cv1-account`."""
        text = self.account_text(name)
        return self.knock("POST", "/v1/holder", text.encode(), self.holder_key(name))

    def account(self, name: str) -> Logged:
        """Make somebody's account; return the place of its entry, proved."""
        reply = self.try_account(name)
        assert reply.status_code == 200, reply.text
        return self.proved(self.account_text(name), reply.json()["proof"])

    def erase(self, name: str) -> dict[str, Json]:
        """Delete somebody's account; return the vault's answer."""
        key = self.holder_key(name)
        text = Erase(iat=0, pk=key.public).signed(key)
        reply = self.knock("DELETE", "/v1/holder", text.encode(), key)
        assert reply.status_code == 200, reply.text
        return cast("dict[str, Json]", reply.json())

    def ask(self, grant: Grant, month: str) -> httpx2.Response:
        """Return the vault's answer to the city's ask for a month."""
        found: dict[str, Json] = {
            "grant": grant.grant.hex(),
            "window": [month],
            "purpose": grant.purposes[0],
        }
        key = self.cast.actors["city.demo"].key
        return self.knock("POST", "/v1/releases", compact_json(found), key)

    # The logs

    def proved(self, text: str, proof: str) -> Logged:
        """Return the place of a text in the log that its proof names."""
        origin = proof.partition("\n\n")[2].split("\n")[0]
        vkey = next(vkey for vkey in self.vkeys if vkey.name == origin)
        keys = [each.vkey for each in self.net.witnesses.values()]
        return verify_proof(proof, text, vkey, keys)

    def get(self, path: str) -> dict[str, Json]:
        reply = self.client.get(path)
        assert reply.status_code == 200, reply.text
        return cast("dict[str, Json]", reply.json())

    def rows(self) -> list[journal.Entry]:
        """Return every logged text, in order of its place."""
        return self.database.read(lambda tx: journal.entries_from(tx, 0, 1000))
