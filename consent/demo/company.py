"""Every party of a demonstration with its SDK, over whatever carries HTTP to one vault.

company = Company(place, auditor_key, first, http, now, random, books)
company.publish()                        # the auditor's next directory
company.source("east-bikes.demo"); company.holder(root); company.platform("bank.demo")
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx2

from consent.auditor import Auditor
from consent.demo.cast import Cast, Edition, compose, make_cast
from consent.holder import Holder
from consent.log.note import ED25519, VerifierKey
from consent.place import Place
from consent.platform import Identity as PlatformIdentity
from consent.platform import Platform
from consent.policy import Policy, fetch_directory
from vault.crypto.keys import Root, Secret, SigningKey, account_key
from vault.directory import FIRST_PREV, Directory
from vault.encoding import text_hash
from vault.messages import LogEntry, ReleaseEntry
from vault.methodology.release import Release, load_release
from vault.months import DEFAULT_ZONE, Month, month_begins
from vault.outbox import Outbox
from vault.source import Identity, Source
from vault.wire import Wire

RELEASE = "2026-1"


class Company:
    """All parties around one vault; one program plays them, each with its own keys."""

    def __init__(
        self,
        place: Place,
        auditor: SigningKey,
        first: Month,
        http: httpx2.Client,
        now: Callable[[], int],
        random: Callable[[int], bytes],
        books: Path | None,
        release: str = RELEASE,
    ) -> None:
        """Stand around the vault of `place`.

        Args:
            place: the vault's settings and keys.
            auditor: the key that the vault pins.
            first: the month the story begins in.
            http: what carries requests to the vault's URL.
            now: the clock that everybody shares, unix seconds.
            random: gives so many random bytes.
            books: folder for the sources' books; None: in memory.
            release: the methodology release in force.
        """
        self.place, self.url, self.now, self.random = place, place.settings.url, now, random
        self.release: Release = load_release(release)
        self.cast: Cast = make_cast(place.vault_key.public, auditor, random)
        self.log_vkey = str(VerifierKey(place.settings.origin, ED25519, place.log_key.public))
        self.policy = Policy(auditor.public, self.log_vkey, demo=True)
        self._first, self._http, self._books = first, http, books
        self._version, self._prev = 0, FIRST_PREV
        self._outboxes: list[Outbox] = []
        self.book_keys: dict[str, Secret] = {}
        self.books_for: dict[str, tuple[str, ...]] = {}
        self.redirects: dict[str, tuple[str, ...]] = {}

    def wire(self, key: SigningKey | None = None) -> Wire:
        """Return a way to the vault that speaks as this key."""
        return Wire(self.url, key, self._http, self.random)

    def edition(self) -> Edition:
        """Return what the next directory would be made from."""
        return Edition(
            version=self._version + 1,
            prev=self._prev,
            now=self.now(),
            start=month_begins(self._first, DEFAULT_ZONE),
            log=LogEntry(
                origin=self.place.settings.origin, vkey=self.log_vkey, witnesses=(), quorum=0
            ),
            releases=(
                ReleaseEntry(id=self.release.id, sha256=self.release.sha256, begins=self._first),
            ),
            years=(int(self._first[:4]) - 1, int(self._first[:4])),
            books_for=self.books_for,
            redirects=self.redirects,
        )

    def publish(self) -> str:
        """Let the auditor sign, post and log the next directory; return its text."""
        text = self.auditor().publish(compose(self.cast, self.edition()))
        self._version, self._prev = self._version + 1, text_hash(text)
        return text

    def directory(self) -> Directory:
        """Return the directory in force, accepted as any client would."""
        return fetch_directory(self.wire(), self.policy, None, self.now())

    def auditor(self) -> Auditor:
        """Return the auditor's SDK."""
        return Auditor(self.cast.auditor, self.wire(self.cast.auditor), self.policy)

    def source(self, name: str) -> Source:
        """Return a source's SDK over fresh books."""
        actor = self.cast.actors[name]
        path = self._books / f"{name}.db" if self._books else None
        self.book_keys[name] = Secret(self.random(32))
        outbox = Outbox(path, self.book_keys[name])
        self._outboxes.append(outbox)
        return Source(
            Identity(actor.id, actor.key, (actor.opening,)),
            outbox,
            self.wire(actor.key),
            self.directory(),
            self.release,
            self.now,
            self.random,
        )

    def holder(self, root: Root) -> Holder:
        """Return the SDK of the holder who has this root."""
        return Holder(root, self.wire(account_key(root)), self.policy, self.now, self.random)

    def platform(self, name: str) -> Platform:
        """Return a platform's SDK."""
        actor = self.cast.actors[name]
        identity = PlatformIdentity(actor.id, actor.key, (actor.opening,))
        return Platform(identity, self.wire(actor.key), self.policy, self.now)

    def close(self) -> None:
        """Close the sources' books."""
        for outbox in self._outboxes:
            outbox.close()
