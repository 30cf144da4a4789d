"""One real text of every kind and form of message, from a town that is the same in every run.

./run python -m tests.jws_texts        writes tests/vectors/jws.json anew
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypedDict
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from consent.demo.cast import BANK, CITY, VAULT
from consent.messages import (
    Bind,
    ConsentRequest,
    Erased,
    Grant,
    Pause,
    Refusal,
    Release,
    Resume,
    Revoke,
    Token,
    Web,
)
from tests.rfc9180 import sender
from tests.town import Text, Town, audit_texts, reject_letter, send
from tests.world import APR, JAN, WEST
from vault import batches
from vault.crypto import seal
from vault.crypto.keys import SigningKey, account_key, consent_key
from vault.encoding import b64u, read_envelope, text_hash, thumbprint
from vault.errors import Paused
from vault.messages import (
    AbsentMonth,
    Account,
    Attach,
    Batch,
    Close,
    Erase,
    Link,
    Listing,
    Message,
    Receipt,
    Reject,
    Unlink,
)

KINDS: dict[str, type[Message]] = {
    kind.typ: kind
    for kind in (
        Account,
        Bind,
        Attach,
        Unlink,
        Link,
        Batch,
        Close,
        Reject,
        ConsentRequest,
        Grant,
        Token,
        Revoke,
        Pause,
        Resume,
        Receipt,
        AbsentMonth,
        Refusal,
        Release,
        Erase,
        Erased,
        Web,
        Listing,
    )
}
FILE = Path(__file__).parent / "vectors" / "jws.json"
SEED = b"one JWS per type"


class Signed(NamedTuple):
    """A text and the key that signed it."""

    text: str
    key: SigningKey


class Vector(TypedDict):
    typ: str
    kid: str
    pk: str
    hash: str
    text: str


class SeededSuite:
    """The HPKE suite with ephemeral keys that are the same in every run."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._count = seed, 0

    def encrypt(self, plain: bytes, public: X25519PublicKey, info: bytes) -> bytes:
        self._count += 1
        ephemeral = sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        enc, context = sender(ephemeral, public.public_bytes_raw(), info)
        return enc + context.seal(0, plain)

    def decrypt(self, sealed: bytes, private: X25519PrivateKey, info: bytes) -> bytes:
        return _SUITE.decrypt(sealed, private, info=info)


_SUITE = seal.SUITE


@contextmanager
def town_of_all_kinds() -> Iterator[Town]:
    """Yield a town in whose log, books and store every kind of message stands."""
    with patch.object(seal, "SUITE", SeededSuite(SEED)), Town(seed=SEED) as town:
        city = town.platform(CITY)
        city.total(town.granted.grant, (JAN,))
        town.ann.holder.pause(town.granted)
        try:
            city.total(town.granted.grant, (JAN,))
        except Paused:
            town.ann.holder.resume(town.granted)
        asked = town.ann.holder.open_request(town.asked.code)
        town.ann.holder.accept_request(asked, (2,), "en")
        unwanted = town.ann.holder.open_request(town.unwanted.request_uri)
        town.ann.holder.decline_request(unwanted)
        town.ann.holder.stop(town.granted)
        assert send(town, reject_letter(town)).status_code == 200
        town.cid.holder.unlink(town.cid.links[WEST])
        town.move(APR)
        town.dan.holder.erase()
        yield town


def texts_of(town: Town) -> dict[str, Signed]:
    """Return the first text of every kind, in the order of KINDS."""
    (batch, *_) = town.database.read(lambda tx: batches.batches_of(tx, town.anns, 0, 1))
    asked = town.ann.holder.open_request(town.asked.code)
    (request,) = town.database.read(
        lambda tx: tx.all(Text, "SELECT text FROM requests WHERE hash = ?", asked.hash)
    )
    texts = [*audit_texts(town), batch.text, batch.receipt, request.found]
    found: dict[str, str] = {}
    for text in texts:
        envelope = read_envelope(text, *KINDS)
        found.setdefault(envelope.typ, text)
        if envelope.typ == Attach.typ:
            found.setdefault(Link.typ, Attach.opened(envelope).receipt)
    return {typ: signed(town, typ, found[typ]) for typ in KINDS}


def signed(town: Town, typ: str, text: str) -> Signed:
    """Return a text with the key that its header names."""
    keys = {thumbprint(key.public): key for key in all_keys(town)}
    return Signed(text, keys[read_envelope(text, typ).kid])


def second_forms(town: Town) -> list[tuple[str, Signed]]:
    """Return the texts of kinds that have two forms: the refusal of a request, a grant to one."""
    found = []
    for typ, kind in ((Refusal.typ, Refusal), (Grant.typ, Grant)):
        texts = [t for t in audit_texts(town) if read_envelope(t, *KINDS).typ == typ]
        text = next(t for t in texts if kind.opened(read_envelope(t, typ)).request)
        found.append((typ, signed(town, typ, text)))
    return found


def all_keys(town: Town) -> list[SigningKey]:
    people = (town.ann, town.bob, town.cid, town.dan)
    consents = [consent_key(person.root, org) for person in people for org in (BANK, CITY)]
    actors = [actor.key for actor in town.cast.actors.values()]
    return [town.key(VAULT), *actors, *consents, *(account_key(p.root) for p in people)]


def vectors() -> list[Vector]:
    with town_of_all_kinds() as town:
        return [
            Vector(
                typ=typ,
                kid=thumbprint(key.public),
                pk=b64u(key.public),
                hash=text_hash(text).hex(),
                text=text,
            )
            for typ, (text, key) in [*texts_of(town).items(), *second_forms(town)]
        ]


def stored() -> list[Vector]:
    found: list[Vector] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=2) + "\n", encoding="utf-8")
