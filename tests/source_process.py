"""One run of a source over its books: book, send what is due, close. It may be killed anywhere.

    python -m tests.source_process BOOKS URL SECONDS

Run again with the same time it does the same once more: what it booked it does not book again, what
it froze it sends again.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from tests.listing import DAY, NOW, OPENING, SIGNING, listing, signed
from vault.books import LinkBook
from vault.compose import Booking
from vault.crypto.keys import OpeningKey, Secret
from vault.directory import Directory
from vault.messages import ReleaseEntry
from vault.methodology.quantify import Act
from vault.methodology.release import load_release
from vault.months import DEFAULT_ZONE, Month, add_months, month_at
from vault.outbox import Outbox
from vault.source import Identity, Source
from vault.wire import Wire

NAME = "bike.example"
BOOK_KEY = Secret(b"\x31" * 32)
FIRST = Month("2026-01")
CUSTOMERS = 5
METRES = (5_000, 7_777)
RELEASE = load_release("demo-1")


def directory(now: int) -> Directory:
    entry = ReleaseEntry(id=RELEASE.id, sha256=RELEASE.sha256, begins=FIRST)
    return signed(listing().model_copy(update={"releases": (entry,), "expires": now + DAY}))


def link_of(customer: int) -> LinkBook:
    """Return the link of a customer as the books hold it once it is attached."""
    secret = sha256(b"customer" + bytes([customer])).digest()
    record = OpeningKey(secret).public
    return LinkBook(
        secret[:16], f"customer {customer}", secret, record, FIRST, NOW, "…", "attached"
    )


def open_books(path: Path) -> Outbox:
    """Open the books; at the first time write the customers' links into them."""
    outbox = Outbox(path, BOOK_KEY)
    for book in map(link_of, range(CUSTOMERS)):
        if outbox.link(book.link) is None:
            outbox.open_nonce(book.link, book.customer, NOW + 1)
            outbox.add_link(book.link, NOW, book)
    return outbox


def ride(customer: int, month: Month, number: int, start: int) -> Booking:
    act = Act("travel.bike", {"m": METRES[number], "s": 1_600}, start, start + 1_600, "CN")
    return Booking(act, f"R-{customer}-{month}-{number}", NAME, guessable=False)


def run(books: Path, url: str, now: int) -> None:
    """Book the month's rides, send a batch for each link, close the month before."""
    month = month_at(now, DEFAULT_ZONE)
    identity = Identity(NAME, SIGNING[NAME], (OPENING[NAME],))
    with closing(open_books(books)) as outbox:
        wire = Wire(url, identity.key)
        source = Source(identity, outbox, wire, directory(now), RELEASE, lambda: now, os.urandom)
        for customer in range(CUSTOMERS):
            rides = [ride(customer, month, n, now - 3_600) for n in range(len(METRES))]
            source.book(f"customer {customer}", rides)
        source.send_batches()
        if month > FIRST:
            source.close(add_months(month, -1))


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
