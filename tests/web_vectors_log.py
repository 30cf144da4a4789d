"""Directories, logs that turn, proofs and histories as the web app meets them, good and bad.

    ./run python -m tests.web_vectors_log        writes tests/vectors/web_log.json

Each case holds what a client is given and the slug that the Python implementation gives ("" for
none). Keys, salts and clocks are fixed, so the same code makes the same file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import cast

from consent.history import Head, check_histories, open_listed
from consent.log import merkle
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.cosignature import cosign, witness_key
from consent.log.note import ED25519, ML_DSA_44, VerifierKey, b64, read_note
from consent.log.proof import Proof, leaf_data, read_proof
from consent.log.tiles import WIDTH, read_path
from consent.logged import check_fresh, check_logged, logs_of
from consent.policy import Policy, fetch_directory
from tests import listing as small
from tests.listing import AUDITOR, DAY, NOW
from vault.crypto.keys import SigningKey
from vault.directory import Directory, accept_directory, check_link, read_directory
from vault.encoding import Json, b64u, sign_jws
from vault.errors import NotFound, VaultError
from vault.messages import ClosedLog, KeyTime, Link, Listing, LogEntry, Party
from vault.months import Month
from vault.wire import Answer, Wire

PATH = Path(__file__).parent / "vectors" / "web_log.json"
ORIGIN, LATER = "vault.example/log", "vault.example/log/2027"
SECOND = SigningKey(b"\x25" * 32)  # the auditor whom version 2 names as the next
FOREIGN = SigningKey(b"\x77" * 32)
NAMES = ("w1.example", "w2.example", "w3.example")
KEYS = {name: SigningKey(sha256(name.encode()).digest()) for name in NAMES}
VKEYS = {name: witness_key(name, key) for name, key in KEYS.items()}
LATTICE = VerifierKey("w3.example", ML_DSA_44, bytes(1312))
WALL = NOW + 3600
Case = dict[str, Json]


@dataclass
class Book:
    """A log in memory: its entries, and whatever its owner wants to say of them."""

    origin: str
    key: SigningKey
    texts: list[str] = field(default_factory=list)

    @property
    def vkey(self) -> VerifierKey:
        return VerifierKey(self.origin, ED25519, self.key.public)

    def add(self, *texts: str) -> int:
        self.texts += texts
        return len(self.texts) - 1

    def salt(self, index: int) -> bytes:
        return sha256(f"{self.origin} {index}".encode()).digest()[:16]

    def leaves(self, size: int | None = None) -> list[bytes]:
        rows = enumerate(self.texts[:size])
        return [merkle.leaf_hash(leaf_data(self.salt(n), NOW + n, text)) for n, text in rows]

    def note(self, size: int | None = None, by: Sequence[str] = NAMES, time: int = WALL) -> str:
        leaves = self.leaves(size)
        head = Checkpoint(self.origin, len(leaves), merkle.root(leaves))
        lines = [str(cosign(head, name, KEYS[name], time)) for name in by]
        return sign_checkpoint(head, self.key) + "".join(lines)

    def proof(
        self, index: int, size: int | None = None, by: Sequence[str] = NAMES, time: int = WALL
    ) -> str:
        leaves = self.leaves(size)

        def subtree(level: int, n: int) -> bytes:
            return merkle.root(leaves[n << level : (n + 1) << level])

        path = tuple(merkle.prove_inclusion(index, len(leaves), subtree))
        return str(Proof(self.salt(index), NOW + index, index, path, self.note(size, by, time)))

    def entry(self, quorum: int = 2, witnesses: Iterable[VerifierKey] | None = None) -> LogEntry:
        keys = VKEYS.values() if witnesses is None else witnesses
        return LogEntry(
            origin=self.origin,
            vkey=str(self.vkey),
            witnesses=tuple(map(str, keys)),
            quorum=quorum,
        )

    def closed(self, size: int | None = None) -> ClosedLog:
        leaves, listed = self.leaves(), self.entry()
        return ClosedLog(
            origin=listed.origin,
            vkey=listed.vkey,
            witnesses=listed.witnesses,
            quorum=listed.quorum,
            size=size or len(leaves),
            root=merkle.root(leaves),
        )


class Shelf(Wire):
    """A vault that answers from memory."""

    def __init__(self, body: Mapping[str, Json], tiles: Mapping[str, bytes]) -> None:
        self._body, self._tiles = body, tiles

    def get(self, path: str) -> Answer:
        return Answer(dict(self._body), "")

    def raw(self, path: str) -> bytes:
        if path not in self._tiles:
            raise NotFound("there is no such tile")
        return self._tiles[path]


def tiles_of(path: str, leaves: Sequence[bytes]) -> dict[str, bytes]:
    """Return every hash tile of a tree, full and partial, of each size up to this one's."""
    found, level, row = dict[str, bytes](), 0, list(leaves)
    while row:
        for n in range(-(-len(row) // WIDTH)):
            chunk = row[n * WIDTH : (n + 1) * WIDTH]
            name = f"{path}/{tile_name(level, n)}"
            found |= {f"{name}.p/{w}": b"".join(chunk[:w]) for w in range(1, len(chunk) + 1)}
            if len(chunk) == WIDTH:
                found[name] = found.pop(f"{name}.p/{WIDTH}")
        level += 1
        full = range(0, len(row) - WIDTH + 1, WIDTH)
        row = [merkle.root(row[i : i + WIDTH]) for i in full]
    return found


def tile_name(level: int, n: int) -> str:
    return str(read_path(f"tile/{level}/{n:03d}"))


class Town:
    """A log that turned once, with six directories; the second names the auditor that follows."""

    def __init__(self) -> None:
        self.old = Book(ORIGIN, SigningKey(b"\x31" * 32))
        self.new = Book(LATER, SigningKey(b"\x32" * 32))
        first = small.listing().model_copy(update={"knet": (), "log": self.old.entry()})
        self.d1 = self.sign(first)
        self.old.add(self.d1.text, "text.one", "text.two", "text.three")
        self.d2 = self.follow(self.d1, next=SECOND.public)
        self.old.add(self.d2.text)
        self.d3 = self.follow(self.d2, SECOND, next=None)
        self.old.add(self.d3.text, "text.four")
        self.d4 = self.follow(self.d3, SECOND, log=self.new.entry())  # the turn
        self.old.add(self.d4.text)
        self.d5 = self.follow(self.d4, SECOND, earlier=(self.old.closed(),))
        self.new.add(self.d5.text, "text.five", "text.six")
        self.d6 = self.follow(self.d5, SECOND)
        self.new.add(self.d6.text)

    def sign(self, listing: Listing, key: SigningKey = AUDITOR) -> Directory:
        return read_directory(listing.signed(key), key.public)

    def follow(self, held: Directory, key: SigningKey = AUDITOR, **changed: object) -> Directory:
        """Return the next version, with these members changed."""
        return self.sign(self.next(held, **changed), key)

    def next(self, held: Directory, **changed: object) -> Listing:
        members = {"version": held.listing.version + 1, "prev": held.hash, **changed}
        return held.listing.model_copy(update=members)

    def turn(self, **changed: Json) -> Case:
        return {"directory": self.d4.text, "proof": self.old.proof(7), **changed}


def slug_of(work: Callable[[], object]) -> str:
    try:
        work()
    except VaultError as bad:
        return bad.slug
    return ""


def party_of(held: Directory, party: str, /, **changed: object) -> tuple[Party, ...]:
    """Return the entries with this one changed."""
    changes = {party: changed}
    return tuple(p.model_copy(update=changes.get(p.id, {})) for p in held.listing.entries)


def read_cases(town: Town) -> list[Case]:
    """What read_directory says of listings that break a rule."""
    first, vault = town.d1.listing, town.d1.party("vault.example")
    bike = town.d1.party("bike.example")
    small_order = KeyTime(pk=bytes(32), begins=NOW, until=NOW + 1)
    listings: dict[str, dict[str, object]] = {
        "as it is": {},
        "a party twice": {"entries": (*first.entries, bike.model_copy(update={"sig": ()}))},
        "a signing key twice": {"entries": party_of(town.d1, "bike.example", sig=vault.sig)},
        "a signing key of small order": {
            "entries": party_of(town.d1, "bike.example", sig=(small_order,))
        },
        "the vault's organisation as a source": {
            "entries": party_of(town.d1, "bike.example", org=vault.org)
        },
        "a vault that is not listed": {"vault": "other.example"},
        "a vault without the role": {"vault": "bike.example"},
        "a zone that there is not": {"zone": "Asia/Atlantis"},
        "an offset in place of a zone": {"zone": "+08:00"},
        "no zone": {"zone": ""},
        "a next of small order": {"next": bytes(32)},
        "an expiry that is no time": {"expires": -1},
        "a name of two lines": {
            "entries": party_of(town.d1, "bike.example", name="Bike\u2028Bike")
        },
        "no earlier log, but the member": {"earlier": ()},
    }
    cases: list[Case] = []
    for why, changed in listings.items():
        text = first.model_copy(update=changed).signed(AUDITOR)
        slug = slug_of(lambda text=text: read_directory(text, AUDITOR.public))  # type: ignore[misc]
        cases.append({"why": why, "text": text, "slug": slug})
    return cases


def accept_cases(town: Town) -> list[Case]:
    """What accept_directory says, with and without one held."""
    d1, d2, d3, d4, d5, d6 = town.d1, town.d2, town.d3, town.d4, town.d5, town.d6
    demo = town.follow(d1, demo=True)
    entries = d1.listing.entries
    old_key = d1.party("bike.example").sig
    new_key = (KeyTime(pk=FOREIGN.public, begins=NOW, until=NOW + DAY),)
    rotated = party_of(d1, "bike.example", sig=(*old_key, *new_key))
    ended = town.old.closed()
    link = Link(
        iat=NOW, link=bytes(16), source="bike.example", msg=bytes(32), begins=Month("2026-01")
    )
    cases = [
        accept("the first one", d1, None),
        accept("the one held", d1, d1),
        accept("the next one", d2, d1),
        accept("one signed by who was named next", d3, d2),
        accept("one held by who was named next", d3, d3),
        accept("one signed by who was named next, but that one was not seen", d3, d1),
        accept("one signed by who was named next, with none held", d3, None),
        accept("the pinned auditor after another one", town.follow(d3), d3),
        accept("a later one", town.sign(town.next(d2)), d1),
        accept("an earlier one", d1, d2),
        accept("another of the same version", town.follow(d1, iat=NOW + 1), d2),
        accept("one whose prev is another", town.follow(d1, prev=bytes(32)), d1),
        accept("one that skips a version, whatever its prev", town.follow(d1, version=3), d1),
        accept("a stranger's", town.follow(d1, FOREIGN), d1),
        accept("a stranger's, with none held", town.sign(d1.listing, FOREIGN), None),
        accept("one that has expired", d1, None, now=d1.listing.expires),
        accept("one in its last second", d1, None, now=d1.listing.expires - 1),
        accept("one that lives too long", d1, None, now=d1.listing.expires - 45 * DAY - 1),
        accept("one that lives as long as may be", d1, None, now=d1.listing.expires - 45 * DAY),
        accept("a demonstration's", demo, d1),
        accept("a demonstration's that was asked for", demo, d1, demo=True),
        accept("a party left", town.follow(d1, entries=entries[:-1]), d1),
        accept("a party came", town.follow(d1, entries=rotated), d1),
        accept(
            "an organisation changed",
            town.follow(d1, entries=party_of(d1, "city.example", org="bank.example")),
            d1,
        ),
        accept(
            "a key left", town.follow(d1, entries=party_of(d1, "bike.example", sig=new_key)), d1
        ),
        accept("the zone changed", town.follow(d1, zone="Europe/Berlin"), d1),
        accept(
            "the vault changed",
            town.follow(
                d1, vault="city.example", entries=party_of(d1, "city.example", roles=("vault",))
            ),
            d1,
        ),
        accept("the turn", d4, d3),
        accept("the one after the turn", d5, d4),
        accept("one after the turn, which was not seen", d6, d3),
        accept("a turn that was skipped", town.follow(d2, SECOND, log=town.new.entry()), d1),
        accept(
            "another log two versions later",
            town.follow(d3, SECOND, version=6, log=town.new.entry()),
            d3,
        ),
        accept("the ended logs left", town.follow(d5, SECOND, earlier=None), d5),
        accept(
            "an ended log changed",
            town.follow(d5, SECOND, earlier=(town.old.closed(size=7),)),
            d5,
        ),
        accept("a log twice", town.follow(d5, SECOND, earlier=(ended, ended)), d5),
        accept("the log goes back", town.follow(d5, SECOND, log=town.old.entry()), d5),
    ]
    texts = {
        "another type": link.signed(AUDITOR),
        "not a JWS": "directory",
        "a member more": sign_jws("cv1-directory", {**d1.listing.plain(), "x": 1}, AUDITOR),
        "a signature cut off": d1.text[:-2],
        "a changed payload": d1.text.replace(d1.text.split(".")[1], d2.text.split(".")[1]),
    }
    return [*cases, *(accept(why, text, None) for why, text in texts.items())]


def accept(
    why: str, given: Directory | str, held: Directory | None, now: int = NOW, demo: bool = False
) -> Case:
    text = given if isinstance(given, str) else given.text
    slug = slug_of(lambda: accept_directory(text, AUDITOR.public, held, now, demo))
    case: Case = {"why": why, "text": text, "held": None, "now": now, "demo": demo, "slug": slug}
    if held:
        case |= {"held": held.text, "signer": b64u(held.signer_key)}
    return case


def logged_cases(town: Town) -> list[Case]:
    """What check_logged and check_fresh say under the directories before and after the turn."""
    old, new, d1, d6 = town.old, town.new, town.d1, town.d6
    good, text = old.proof(1), old.texts[1]
    other = Book(ORIGIN, FOREIGN, list(old.texts))
    strange = Book("vault.example/other", old.key, list(old.texts))
    cases = [
        *(logged(f"entry {n}", d1, t, old.proof(n)) for n, t in enumerate(old.texts)),
        *(logged(f"entry {n} later", d6, t, old.proof(n)) for n, t in enumerate(old.texts)),
        *(logged(f"entry {8 + n}", d6, t, new.proof(n)) for n, t in enumerate(new.texts)),
        logged("a smaller tree", d1, text, old.proof(1, 3)),
        logged("a smaller tree of a log that ended", d6, text, old.proof(1, 3)),
        logged("a log that is not listed yet", d1, new.texts[1], new.proof(1)),
        logged("another text", d1, "text.two", good),
        logged("a text that is not ASCII", d1, "文", good),
        logged("a log of another name", d1, text, strange.proof(1)),
        logged("a log of another key", d1, text, other.proof(1)),
        logged("nobody cosigned", d1, text, old.proof(1, by=())),
        logged("one cosigned", d1, text, old.proof(1, by=NAMES[:1])),
        logged("one cosigned twice", d1, text, old.proof(1, by=("w1.example",) * 2)),
        logged("two cosigned", d1, text, old.proof(1, by=NAMES[1:])),
        logged("no witness is asked for", d1, text, old.proof(1, by=()), witnessed=False),
        logged("as old as may be", d1, text, good, wall=WALL + DAY - 1),
        logged("too old", d1, text, good, wall=WALL + DAY),
        logged("too old, of a log that ended", d6, text, good, wall=WALL + 9 * DAY),
        logged("any age", d1, text, good, wall=WALL + 9 * DAY, fresh=0),
        logged("a little ahead", d1, text, good, wall=WALL - 300),
        logged("from the future", d1, text, good, wall=WALL - 301),
    ]
    bad = {why: changed(town) for why, changed in PROOFS.items()}
    cases += [logged(why, d1, text, proof) for why, proof in bad.items()]
    return [*cases, *witness_cases(town)]


def in_note(proof: str, change: Callable[[str], str]) -> str:
    head, _, note = proof.partition("\n\n")
    return f"{head}\n\n{change(note)}"


def _changed(town: Town, **members: object) -> str:
    parts = read_proof(town.old.proof(1))
    return str(Proof(**{**vars(parts), **members}))


def _false_line(town: Town) -> str:
    note = read_note(town.old.note())
    line = str(note.signatures[1]).replace("w1.example", "w2.example")
    return in_note(town.old.proof(1, by=("w1.example",)), lambda own: own + line)


def _false_cosignature(town: Town) -> str:
    lie = cosign(Checkpoint(ORIGIN, 8, bytes(32)), NAMES[2], KEYS[NAMES[2]], WALL)
    return in_note(town.old.proof(1, by=NAMES[:2]), lambda own: f"{own}{lie}")


PROOFS: dict[str, Callable[[Town], str]] = {
    "another index": lambda town: _changed(town, index=2),
    "an index beyond the tree": lambda town: _changed(town, index=8),
    "an index of 2^53": lambda town: _changed(town, index=2**53),
    "another time": lambda town: _changed(town, at=NOW + 2),
    "a time of 2^53": lambda town: _changed(town, at=2**53),
    "another salt": lambda town: _changed(town, salt=bytes(16)),
    "a hash too few": lambda town: _changed(town, hashes=read_proof(town.old.proof(1)).hashes[1:]),
    "a hash too many": lambda town: _changed(
        town, hashes=(*read_proof(town.old.proof(1)).hashes, bytes(32))
    ),
    "hashes in the other order": lambda town: _changed(
        town, hashes=read_proof(town.old.proof(1)).hashes[::-1]
    ),
    "no checkpoint": lambda town: town.old.proof(1).partition("\n\n")[0],
    "an empty checkpoint": lambda town: in_note(town.old.proof(1), lambda _: ""),
    "another root": lambda town: in_note(
        town.old.proof(1), lambda own: own.replace(own.split("\n")[2], b64(bytes(32)))
    ),
    "another size": lambda town: in_note(
        town.old.proof(1), lambda own: own.replace("\n8\n", "\n9\n")
    ),
    "a size of 2^53": lambda town: in_note(
        town.old.proof(1), lambda own: own.replace("\n8\n", f"\n{2**53}\n")
    ),
    "a false line under a known name": _false_line,
    "a false cosignature beside two good ones": _false_cosignature,
    "an unknown line": lambda town: town.old.proof(1) + f"— x {b64(bytes(20))}\n",
    "not a proof": lambda town: "proof",
    "nothing": lambda town: "",
}


def witness_cases(town: Town) -> list[Case]:
    """Directories whose witnesses are listed in odd ways; each asks for two."""
    w1, w2, _ = VKEYS.values()
    twin = VerifierKey("w9.example", w1.alg, w1.public)
    renamed = VerifierKey(w1.name, w2.alg, w2.public)
    mine = str(cosign_as(town, renamed, KEYS["w2.example"]))
    both = in_note(town.old.proof(1, by=("w1.example",)), lambda own: own + mine)
    text, odd = town.old.texts[1], dict[str, tuple[VerifierKey, ...]]()
    odd["one key under two names"] = (w1, twin)
    odd["two keys under one name"] = (w1, renamed)
    odd["a key of the log as a witness"] = (w1, town.old.vkey)
    odd["a witness with an ML-DSA-44 key too"] = (w1, w2, LATTICE)
    odd["an ML-DSA-44 key alone beside one"] = (w1, LATTICE)
    found = []
    for why, witnesses in odd.items():
        entry = town.old.entry(witnesses=witnesses)
        directory = town.sign(town.d1.listing.model_copy(update={"log": entry}))
        line = str(cosign_as(town, twin, KEYS["w1.example"]))
        twice = in_note(town.old.proof(1), lambda own, line=line: own + line)  # type: ignore[misc]
        found += [logged(why, directory, text, proof) for proof in (town.old.proof(1), twice, both)]
    for quorum in (0, 1, 3, 4):
        listed = town.d1.listing.model_copy(update={"log": town.old.entry(quorum)})
        directory = town.sign(listed)
        found.append(logged(f"a quorum of {quorum}", directory, text, town.old.proof(1)))
    return found


def cosign_as(town: Town, vkey: VerifierKey, key: SigningKey) -> object:
    leaves = town.old.leaves()
    return cosign(Checkpoint(ORIGIN, len(leaves), merkle.root(leaves)), vkey.name, key, WALL)


def logged(
    why: str,
    directory: Directory,
    text: str,
    proof: str,
    wall: int = WALL,
    fresh: int = DAY,
    witnessed: bool = True,
) -> Case:
    case: Case = {
        "why": why,
        "directory": directory.text,
        "signer": b64u(directory.signer_key),
        "text": text,
        "proof": proof,
        "wall": wall,
        "fresh": fresh,
        "witnessed": witnessed,
    }

    def work() -> None:
        place = check_logged(directory, text, proof, witnessed=witnessed)
        case["place"] = [place.index, place.at, place.size, place.root.hex(), place.origin]
        if witnessed:
            check_fresh(directory, place, wall, fresh)

    return {**case, "slug": slug_of(work), "place": case.get("place")}


def fetch_cases(town: Town) -> list[Case]:
    """What fetch_directory says of what a vault serves, as each client stands."""
    old, new = town.old, town.new
    first: Case = {"directory": town.d1.text, "proof": old.proof(0)}
    second: Case = {"directory": town.d2.text, "proof": old.proof(4)}
    last: Case = {"directory": town.d6.text, "proof": new.proof(3), "turns": [town.turn()]}
    alone = {**last, "turns": []}
    late = town.d1.listing.expires
    fork = town.follow(town.d4, SECOND, earlier=(old.closed(size=7),))
    forked = Book(LATER, new.key, [fork.text])
    split: Case = {**last, "directory": fork.text, "proof": forked.proof(0)}
    early: Case = {"directory": town.d4.text, "proof": old.proof(7)}
    cases = [
        fetch("the first directory", first, None),
        fetch("the next", second, town.d1),
        fetch("the second, with none held", second, None),
        fetch("a first one at another place", {**first, "proof": old.proof(4)}, None),
        fetch("one of another text's proof", {**second, "proof": old.proof(0)}, town.d1),
        fetch("one that expired", first, town.d1, now=late),
        fetch("one that expired will do", first, town.d1, now=late, expired=True),
        fetch("one that expired will do, with none held", first, None, now=late, expired=True),
        fetch("one not cosigned yet", {**second, "proof": old.proof(4, by=())}, town.d1),
        fetch("one not cosigned yet, none held", {**first, "proof": old.proof(0, by=())}, None),
        fetch(
            "one not cosigned, and the held one expired",
            {"directory": town.follow(town.d1, expires=late + DAY).text, "proof": old.proof(4)},
            town.d1,
            now=late,
        ),
        fetch("old cosignatures", second, town.d1, wall=WALL + DAY),
        fetch("old cosignatures, none held", first, None, wall=WALL + DAY),
        fetch("old cosignatures of any age", first, None, wall=WALL + DAY, fresh=0),
        fetch("another log than the pinned one", first, None, log=str(new.vkey)),
        fetch("no directory", {"proof": old.proof(0)}, None),
        fetch("no proof", {"directory": town.d1.text}, None),
        fetch("a text that is none", {**first, "directory": "x"}, None),
        fetch("a text that is none, expired or not", {**first, "directory": "x"}, None, 0, True),
        fetch("the turn itself", early, town.d3, log=str(old.vkey)),
        fetch("after the turn", last, town.d3),
        fetch("after the turn, when the second was seen", last, town.d2),
        fetch("after the turn, when only the first was seen", last, town.d1),
        fetch("after the turn, with none held", last, None),
        fetch("after the turn, with none held, by the auditor of now", last, None, key=SECOND),
        fetch("after the turn, pinned to the log of now", last, town.d3, log=str(new.vkey)),
        fetch("after the turn, that one held", last, town.d5),
        fetch("a turn left out", alone, town.d3),
        fetch("a turn twice", {**last, "turns": [town.turn()] * 2}, town.d3),
        fetch("turns that are none", {**last, "turns": "x"}, town.d3),
        fetch("a turn with a member more", {**last, "turns": [town.turn(x=1)]}, town.d3),
        fetch("a fork at the turn", split, town.d3),
    ]
    turns = {
        "a turn that is none": town.turn(directory=town.d3.text, proof=old.proof(5)),
        "a turn of another proof": town.turn(proof=old.proof(6)),
        "a turn in a smaller tree": town.turn(proof=old.proof(5, 7)),
        "a turn that too few cosigned": town.turn(proof=old.proof(7, by=NAMES[:1])),
        "a turn by a stranger": town.turn(directory=town.sign(town.d4.listing, FOREIGN).text),
        "a turn that is no JWS": town.turn(directory="x"),
        "a turn that is empty": town.turn(directory=""),
        "a turn without a proof": town.turn(proof=""),
        "a turn that is the directory itself": town.turn(directory=town.d6.text),
    }
    cases += [fetch(why, {**last, "turns": [t]}, town.d3) for why, t in turns.items()]
    return [*cases, not_last(town), *turned_cases(town)]


def turned_cases(town: Town) -> list[Case]:
    """One turn or two, each made as it should be or not."""
    other = Book("vault.example/log/x", FOREIGN).entry()
    astray = town.follow(town.d3, SECOND, log=other)
    demo = town.follow(town.d3, SECOND, log=town.new.entry(), demo=True)
    return [
        once(town, "a turn", town.d4),
        once(town, "a turn whose follower has another prev", town.d4, prev=bytes(32)),
        once(town, "a turn of a demonstration", demo),
        once(town, "a turn into another log", astray),
        twice(town, "two turns", town.d4),
        twice(town, "two turns, the first into another log", astray),
    ]


def once(town: Town, why: str, turn: Directory, **changed: object) -> Case:
    """The log turned by that directory; the one after it is served."""
    old = Book(ORIGIN, town.old.key, [*town.old.texts[:-1], turn.text])
    members: dict[str, object] = {"log": town.new.entry(), "demo": False, **changed}
    listing = town.next(turn, earlier=(old.closed(),), **members)
    after = town.sign(listing, SECOND)
    body: Case = {
        "directory": after.text,
        "proof": Book(LATER, town.new.key, [after.text]).proof(0),
        "turns": [{"directory": turn.text, "proof": old.proof(7)}],
    }
    return fetch(why, body, town.d3)


def twice(town: Town, why: str, turn: Directory) -> Case:
    """The log turned by that directory, and the one after it turned again."""
    old = Book(ORIGIN, town.old.key, [*town.old.texts[:-1], turn.text])
    third = Book("vault.example/log/2028", SigningKey(b"\x33" * 32))
    listing = town.next(turn, earlier=(old.closed(),), log=third.entry())
    again = town.sign(listing, SECOND)
    new = Book(LATER, town.new.key, ["text.five", again.text])
    after = town.follow(again, SECOND, earlier=(old.closed(), new.closed()))
    third.add(after.text)
    body: Case = {
        "directory": after.text,
        "proof": third.proof(0),
        "turns": [
            {"directory": turn.text, "proof": old.proof(7)},
            {"directory": again.text, "proof": new.proof(1)},
        ],
    }
    return fetch(why, body, town.d3)


def not_last(town: Town) -> Case:
    """A log that went on after the directory that named the next one."""
    old = Book(ORIGIN, town.old.key, [*town.old.texts, "text.more"])
    after = town.follow(town.d4, SECOND, earlier=(old.closed(),))
    body: Case = {
        "directory": after.text,
        "proof": Book(LATER, town.new.key, [after.text]).proof(0),
        "turns": [{"directory": town.d4.text, "proof": old.proof(7)}],
    }
    return fetch("a turn that is not the last entry", body, town.d3)


def fetch(
    why: str,
    body: Case,
    held: Directory | None,
    now: int = NOW,
    expired: bool = False,
    *,
    wall: int = WALL,
    fresh: int = DAY,
    log: str = "",
    key: SigningKey = AUDITOR,
) -> Case:
    policy = Policy(key.public, log or str(VerifierKey(ORIGIN, ED25519, OLD.public)), fresh=fresh)
    case: Case = {
        "why": why,
        "body": body,
        "held": held.text if held else None,
        "signer": b64u(held.signer_key) if held else None,
        "now": now,
        "wall": wall,
        "fresh": fresh,
        "log": policy.log,
        "auditor": b64u(policy.auditor),
        "expired": expired,
        "version": None,
    }

    def work() -> None:
        found = fetch_directory(Shelf(body, {}), policy, held, now, lambda: wall, expired)
        case["version"] = found.listing.version

    return {**case, "slug": slug_of(work), "version": case["version"]}


OLD = SigningKey(b"\x31" * 32)


def logs_cases(town: Town) -> list[Case]:
    """What logs_of says of a directory whose log turned, by the next one's name."""
    names = {
        "one under the first": LATER,
        "one of the same name": ORIGIN,
        "one of another vault": "other.example/log",
        "one that only begins alike": ORIGIN + "s",
        "one two folders below": LATER + "/2",
        "one in capitals": ORIGIN + "/A",
        "one of 17 signs": ORIGIN + "/" + "1" * 17,
        "one of 16 signs": ORIGIN + "/" + "1" * 16,
    }
    cases: list[Case] = []
    for why, name in names.items():
        entry = Book(name, town.new.key).entry()
        directory = town.sign(town.d5.listing.model_copy(update={"log": entry}))
        found = slug_of(lambda held=directory: logs_of(held))  # type: ignore[misc]
        cases.append({"why": why, **given(directory), "slug": found})
    other = town.old.entry().model_copy(update={"vkey": str(town.old.vkey) + "="})
    directory = town.sign(town.d1.listing.model_copy(update={"log": other}))
    why = "a vkey in another form"
    return [*cases, {"why": why, **given(directory), "slug": slug_of(lambda: logs_of(directory))}]


def given(directory: Directory) -> Case:
    return {"directory": directory.text, "signer": b64u(directory.signer_key)}


def link_cases(town: Town) -> list[Case]:
    """What check_link says."""
    link = Link(
        iat=NOW, link=bytes(16), source="bike.example", msg=bytes(32), begins=Month("2026-01")
    )
    elsewhere = link.model_copy(update={"source": "x.example"})
    bike, city = (small.SIGNING[name] for name in ("bike.example", "city.example"))
    later = town.d1.party("bike.example").sig[0].until
    given = {
        "a source's": (link.signed(bike), NOW),
        "one after its key": (link.signed(bike), later),
        "one in its key's last second": (link.signed(bike), later - 1),
        "one of a party that is no source": (link.signed(city), NOW),
        "a stranger's": (link.signed(FOREIGN), NOW),
        "one for another source": (elsewhere.signed(bike), NOW),
        "a directory": (town.d1.text, NOW),
        "a changed one": (link.signed(bike)[:-3] + "AAA", NOW),
    }
    return [
        {
            "why": why,
            "text": text,
            "at": at,
            "slug": slug_of(lambda text=text, at=at: check_link(text, town.d1, at)),  # type: ignore[misc]
        }
        for why, (text, at) in given.items()
    ]


def history_cases(town: Town) -> list[Case]:
    """What check_histories says of trees that somebody was shown."""
    old, new = town.old, town.new
    fork = Book(ORIGIN, old.key, [*old.texts[:3], "another.text", *old.texts[4:]])
    big = Book(ORIGIN, old.key, [f"text.{n}" for n in range(601)])
    huge = Book(ORIGIN, old.key, [f"other.{n}" for n in range(601)])
    every = [old.note(n) for n in range(1, 9)]
    sizes = (1, 2, 200, 255, 256, 257, 300, 511, 512, 513, 600, 601)
    beyond = Book(ORIGIN, old.key, [*old.texts, "text.more"])
    return [
        history("no tree", town.d1, [], old),
        history("one tree", town.d1, every[:1], old),
        history("every size", town.d1, every, old),
        history("every size of a log that ended", town.d6, every, old, new),
        history("both logs", town.d6, [*every[3:5], new.note(2), new.note()], old, new),
        history("the same tree twice", town.d1, [old.note(), old.note(by=())], old),
        history("a fork", town.d1, [fork.note(6), old.note()], old),
        history("a fork of one size", town.d1, [fork.note(), old.note()], old),
        history("a fork, served", town.d1, [old.note(6), fork.note()], fork),
        history("before the fork", town.d1, [old.note(3), fork.note()], fork),
        history("a fork of a log that ended", town.d6, [fork.note(6)], old, new),
        history("beyond the end", town.d6, [beyond.note()], beyond, new),
        history("an unlisted log", town.d1, [new.note()], new),
        history("an unlisted log beside one", town.d1, [old.note(), new.note()], old, new),
        history("tiles that are missing", town.d1, every[3:], new),
        history("a big log", town.d1, [big.note(n, ()) for n in sizes], big),
        history("a fork of a big log", town.d1, [huge.note(300, ()), big.note(601, ())], big),
    ]


def history(why: str, directory: Directory, notes: list[str], *served: Book) -> Case:
    paths = ["/log" if book.origin == ORIGIN else "/log/2027" for book in served]
    tiles = dict[str, bytes]()
    for path, book in zip(paths, served, strict=True):
        tiles |= tiles_of(path, book.leaves())
    asked = dict[str, Json]()

    class Listening(Shelf):
        def raw(self, path: str) -> bytes:
            found = super().raw(path)
            asked[path] = b64u(found)
            return found

    if all(len(book.texts) < WIDTH for book in served):
        asked |= {path: b64u(found) for path, found in tiles.items()}
    found: Case = {"newest": None}

    def work() -> None:
        heads: list[Head] = [open_listed(note, directory) for note in notes]
        newest = check_histories(heads, directory, Listening({}, tiles))
        found["newest"] = newest and [newest.head.size, newest.head.root.hex(), newest.size]

    slug = slug_of(work)
    return {
        "why": why,
        "directory": directory.text,
        "signer": b64u(directory.signer_key),
        "notes": cast("list[Json]", notes),
        "tiles": asked,
        "slug": slug,
        **found,
    }


def make() -> str:
    """Return the file's text."""
    town = Town()
    cases = {
        "auditor": b64u(AUDITOR.public),
        "read": read_cases(town),
        "accept": accept_cases(town),
        "logged": logged_cases(town),
        "fetch": fetch_cases(town),
        "links": link_cases(town),
        "logs": logs_cases(town),
        "histories": history_cases(town),
    }
    return json.dumps(shorten(cases), indent=1, ensure_ascii=False) + "\n"


def shorten(cases: Mapping[str, object]) -> dict[str, object]:
    """Return the cases with every long text once, under "texts", and its number in its place."""
    texts = dict[str, int]()

    def short(found: object) -> object:
        if isinstance(found, str) and len(found) > 200:
            return {"text": texts.setdefault(found, len(texts))}
        if isinstance(found, Mapping):
            return {name: short(part) for name, part in found.items()}
        return [short(part) for part in found] if isinstance(found, list) else found

    return {**{name: short(part) for name, part in cases.items()}, "texts": list(texts)}


if __name__ == "__main__":
    PATH.write_text(make(), encoding="utf-8")
