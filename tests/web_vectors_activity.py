"""What one look at the log finds, for the web app: lists, what a device knows, the alarms.

    ./run python -m tests.web_vectors_activity        writes tests/vectors/web_activity.json

One list of entries, good and forged; each case is a change of it, what the device knew, and what
the Python implementation finds. The same seeds give the same file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import cast
from unittest.mock import patch

from consent.activity import NOBODY_ASKED, Compared, Watched, ask_auditor, watch
from consent.demo.cast import AUDITOR, BANK, CITY, compose
from consent.holder import Holder
from consent.lists import fetch_whole
from consent.log import merkle
from consent.log.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from consent.log.cosignature import cosign, witness_key
from consent.log.note import read_note
from consent.log.proof import leaf_data, read_proof
from consent.messages import Pause, Release, Token
from consent.monitor import Look, Own
from consent.state import HolderState
from tests.jws_texts import SeededSuite
from tests.world import EAST, FEB, JAN, MAR, WEST, World, terms
from vault import journal
from vault.crypto import seal
from vault.crypto.keys import SigningKey, consent_key
from vault.directory import read_directory
from vault.encoding import Json, b64u, read_envelope, text_hash, thumbprint
from vault.errors import NotFound, Paused, Unreachable, VaultError
from vault.messages import AbsentMonth, Listing
from vault.storage.database import Transaction
from vault.wire import Answer, Wire

PATH = Path(__file__).parent / "vectors" / "web_activity.json"
SEED = b"web activity"
WITNESS, WITNESS_KEY = "w1.example", SigningKey(sha256(b"w1.example").digest())
COSIGNED_AT = 1_767_300_000
Entry = dict[str, Json]


class Shelf(Wire):
    """A vault or an auditor that answers from memory."""

    def __init__(self, answers: Mapping[str, Json], raw: Callable[[str], bytes]) -> None:
        self._answers, self._raw = answers, raw

    def send(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        found = self._answers.get(path)
        if found is None:
            raise NotFound("nothing is there")
        if found == "unreachable":
            raise Unreachable("no answer")
        return Answer(cast("dict[str, Json]", found), "")

    def raw(self, path: str) -> bytes:
        return self._raw(path)


class Scene:
    """Ann's honest entries, then what a thief and a hostile vault put into the log."""

    def __init__(self, world: World) -> None:
        self.world, self.ann = world, world.person("ann", EAST, WEST)
        self.honest(world, self.ann.holder)
        self.state = self.ann.holder._device.state
        self.made = dict(self.ann.holder.memory.made)
        self.forged: dict[str, int] = {}
        self.hostile(world, self.ann.holder)
        whole = fetch_whole(world.wire(self.ann.holder._key))
        self.entries = cast("list[Entry]", whole["entries"])
        bob = world.person("bob", EAST)
        world.allow(bob, CITY)
        theirs = fetch_whole(world.wire(bob.holder._key))
        self.others = cast("list[Entry]", theirs["entries"])
        self.leaves = read_leaves(world)
        self.tiles: dict[str, str] = {}

    def honest(self, world: World, holder: Holder) -> None:
        self.city = world.allow(self.ann, CITY)
        world.ride(self.ann, EAST, 10_000)
        world.close_month(JAN)
        world.platform(CITY).total(self.city.grant, (JAN,))
        holder.pause(self.city)
        with suppress(Paused):
            world.platform(CITY).total(self.city.grant, (JAN,))
        holder.resume(self.city)
        holder.unlink(self.ann.links[WEST])
        world.move(MAR)
        world.sources[EAST].close(FEB)
        close = self.texts("cv1-close")[-1]
        with patch("consent.holder.check_unreadable", lambda key, close: None):
            holder.reject(self.ann.links[EAST], close)
        self.replaced = holder.allow(terms(BANK), "en")
        holder.allow(terms(BANK, data_life_days=30), "en", replaces=self.replaced)
        holder.stop(self.city)
        world.sources[EAST].unlink("ann")

    def texts(self, typ: str) -> list[str]:
        return [one.text for one in self.ann.holder.watch().entries if one.typ == typ]

    def hostile(self, world: World, holder: Holder) -> None:
        thief = world.holder(self.ann.root)
        thief.load()
        thief._device.save = lambda change: None  # type: ignore[method-assign]
        before = {one.index for one in holder.watch().entries}
        thief.allow(terms(CITY, last=FEB), "en")
        self.note_forged("foreign-grant", before)
        token = Token.opened(read_envelope(self.texts(Token.typ)[0], Token.typ))
        later = token.model_copy(update={"iat": token.iat + 1})
        self.log("late-token", later.signed(consent_key(self.ann.root, CITY)))
        release = Release.opened(read_envelope(self.texts(Release.typ)[0], Release.typ))
        again = release.model_copy(update={"iat": release.iat + 1})
        self.log("late-release", again.signed(world.place.vault_key))
        pause = Pause(iat=world.time, grant=self.replaced.grant, n=1)
        self.log("pause-of-a-replaced-grant", pause.signed(consent_key(self.ann.root, BANK)))
        absent = AbsentMonth(iat=world.time, link=self.ann.links[EAST], month=JAN)
        self.log("false-absent", absent.signed(world.place.vault_key))
        other = AbsentMonth(iat=world.time, link=self.ann.links[EAST], month=MAR)
        self.log("absent-of-a-source", other.signed(world.cast.actors[WEST].key))

    def note_forged(self, name: str, before: set[int]) -> None:
        found = {one.index for one in self.ann.holder.watch().entries} - before
        self.forged |= {f"{name}-{n}" if n else name: i for n, i in enumerate(sorted(found))}

    def log(self, name: str, text: str) -> None:
        def work(tx: Transaction) -> None:
            operator = self.world.app.state.service.operator
            journal.append(tx, operator, text, self.ann.holder.account)

        self.world.database.write(work)
        self.world.app.state.log.sequence()
        proof = self.world.app.state.log.prove(text_hash(text))
        self.forged[name] = read_proof(proof).index

    # What a case is made of

    def index(self, typ: str) -> int:
        """Return the index of the first entry of a type."""
        text = self.texts(typ)[0]
        return next(cast("int", one["index"]) for one in self.entries if one["text"] == text)

    def entry(self, index: int) -> Entry:
        return next(one for one in self.entries if one["index"] == index)

    def names(self) -> dict[int, str]:
        return {cast("int", e["index"]): text_hash(str(e["text"])).hex() for e in self.entries}

    def forgotten(self) -> list[int]:
        return sorted(self.forged.values())

    def checkpoint(self, size: int, other: bytes = b"") -> str:
        """Return a note of the first entries, as the log signs it; `other` makes another root."""
        root = other or merkle.root(self.leaves[:size])
        origin = self.world.place.settings.origin
        return sign_checkpoint(Checkpoint(origin, size, root), self.world.place.log_key)

    def reproved(self, index: int) -> Entry:
        """Return an entry proved in another tree of the same size, signed by the same log."""
        entry = self.entry(index)
        proof = read_proof(str(entry["proof"]))
        size = read_checkpoint(read_note(proof.checkpoint).text).size
        leaves = [merkle.leaf_hash(b"other"), *self.leaves[1:size]]
        leaves[index] = merkle.leaf_hash(leaf_data(proof.salt, proof.at, str(entry["text"])))

        def subtree(level: int, n: int) -> bytes:
            return merkle.root(leaves[n << level : (n + 1) << level])

        path = tuple(merkle.prove_inclusion(index, size, subtree))
        note = self.checkpoint(size, merkle.root(leaves))
        return entry | {"proof": str(replace(proof, hashes=path, checkpoint=note))}


def read_leaves(world: World) -> list[bytes]:
    """Return the leaf hashes of the whole log, from its one tile."""
    size = read_checkpoint(read_note(world.client.get("/log/checkpoint").text).text).size
    raw = world.client.get(f"/log/tile/0/000.p/{size}").content
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]


@dataclass
class Case:
    """One look: what the vault lists, what is known, what the auditor answers (None: not asked)."""

    name: str
    entries: list[Entry]
    own: dict[str, Json]
    auditor: dict[str, Json] | None = None
    quorum: bool = False


def cases(scene: Scene) -> Iterator[Case]:
    """Yield every case."""
    good = [e for e in scene.entries if e["index"] not in scene.forgotten()]
    state, made = json.loads(scene.state.write()), cast("dict[str, Json]", scene.made)
    names = scene.names()
    seen = cast("dict[str, Json]", {str(e["index"]): names[int(str(e["index"]))] for e in good})
    known: dict[str, Json] = {"state": state, "made": made, "checkpoint": "", "seen": {}}

    def knowing(**changed: Json) -> dict[str, Json]:
        return known | changed

    def with_forged(*marks: str) -> list[Entry]:
        return [*good, *(scene.entry(scene.forged[mark]) for mark in marks)]

    def changed(index: int, /, **members: Json) -> list[Entry]:
        return [e | members if e["index"] == index else e for e in good]

    grant, release = scene.index("cv1-grant"), scene.index("cv1-release")
    last = max(int(str(e["index"])) for e in good)
    yield Case("honest", good, known)
    yield Case("a second look", good, knowing(seen=seen, checkpoint=scene.checkpoint(last + 1)))
    yield Case("another device of the same person", good, knowing(made={}))
    old = {name: part for name, part in state.items() if name not in ("made", "since")}
    yield Case("acts from before they were recorded", good, knowing(state=old, made={}))
    old = {**old, "since": scene.world.time + 1}
    yield Case("acts from before a time", good, knowing(state=old, made={}))
    for name in scene.forged:
        yield Case(f"forged: {name}", with_forged(name), known)
    yield Case("forged: all", scene.entries, known)
    for other in scene.others:
        yield Case(f"another person's entry {other['index']}", [*good, other], known)
    linkless: dict[str, Json] = {**state, "links": {}}
    yield Case("a state that knows no link", good, knowing(state=linkless))
    pause = scene.index("cv1-pause")
    withheld = [e for e in good if e["index"] != pause]
    yield Case("a pause is withheld", withheld, known)
    withheld = [e for e in good if e["index"] != grant]
    yield Case("a proved act is withheld", withheld, known)
    withheld = [e for e in good if e["index"] != release]
    yield Case("a release is withheld that was never seen", withheld, known)
    yield Case("a release is withheld that was seen", withheld, knowing(seen=seen))
    proof = str(scene.entry(release)["proof"]).split("\n")
    proof[3], proof[4] = proof[4], proof[3]
    yield Case("a tampered proof", changed(release, proof="\n".join(proof)), known)
    yield Case("a proof that cannot be read", changed(release, proof="no proof"), known)
    yield Case("a proof of another entry", changed(release, proof=good[0]["proof"]), known)
    yield Case("another time", changed(release, at=int(str(scene.entry(release)["at"])) + 1), known)
    yield Case("another salt", changed(release, salt="00" * 16), known)
    yield Case("another index", changed(release, index=last + 1_000), knowing(seen=seen))
    yield Case("a text that is not ASCII", changed(release, text="\u00e9"), known)
    yield Case("a text that is no message", changed(release, text="eyJ.eyJ.eyJ"), known)
    differing: dict[str, Json] = {**seen, str(release): "00" * 32}
    yield Case("another text stood at one index", good, knowing(seen=differing))
    yield Case("an entry listed twice", [*good, scene.entry(release)], known)
    forked = [scene.reproved(release) if e["index"] == release else e for e in good]
    yield Case("two roots of one size", forked, known)
    fork = scene.checkpoint(last, bytes(32))
    yield Case("a kept checkpoint of another history", good, knowing(checkpoint=fork))
    moved = {**made, next(name for name, at in made.items() if at == grant): last + 7}
    yield Case("an act at another place than was proved", good, knowing(made=moved))
    yield from compared(scene, good, known)
    yield Case("no witness cosigned", good, known, quorum=True)
    cosigned = [cosign_entry(e) if int(str(e["index"])) % 2 else e for e in good]
    yield Case("half is cosigned", cosigned, known, quorum=True)
    bad = [e | {"proof": str(e["proof"]) + bad_line(e)} for e in good[:3]]
    yield Case("a cosignature that does not verify", [*bad, *good[3:]], known, quorum=True)


def cosign_entry(entry: Entry) -> Entry:
    """Return the entry, its tree cosigned by the witness."""
    note = read_note(read_proof(str(entry["proof"])).checkpoint)
    line = cosign(read_checkpoint(note.text), WITNESS, WITNESS_KEY, COSIGNED_AT)
    return entry | {"proof": f"{entry['proof']}{line}"}


def bad_line(entry: Entry) -> str:
    """Return a witness's line over another tree."""
    head = read_checkpoint(read_note(read_proof(str(entry["proof"])).checkpoint).text)
    return f"{cosign(replace(head, root=bytes(32)), WITNESS, WITNESS_KEY, COSIGNED_AT)}"


def compared(scene: Scene, good: list[Entry], known: dict[str, Json]) -> Iterator[Case]:
    """Yield the cases with an auditor's lists."""
    kids = kids_of(scene)
    found = run(scene, Case("", good, known))
    entries = lines(found)
    size = max(int(str(e["index"])) for e in good) + 1
    names = scene.names()

    def lists(size: int, change: Callable[[dict[int, str]], object] = lambda own: None) -> Json:
        answers: dict[str, Json] = {"/checkpoint": scene.checkpoint(size)}
        for n, kid in enumerate(kids):
            own = {
                int(str(one[0])): names[int(str(one[0]))]
                for one in entries
                if (n == 0 or one[2] == kid) and int(str(one[0])) < size
            }
            if n == 0:
                change(own)
            if own:
                answers[kid] = listed(scene, size, own)
        return answers

    def case(name: str, answers: Json, quorum: bool = False) -> Case:
        return Case(f"auditor: {name}", good, known, cast("dict[str, Json]", answers), quorum)

    release = scene.index("cv1-release")
    yield case("the same list", lists(size))
    yield case("a list that goes less far", lists(size - 4))
    yield case("a shorter list", lists(size, lambda own: own.pop(release)))
    yield case("a longer list", lists(size, lambda own: own.update({0: "11" * 32})))
    yield case("another text", lists(size, lambda own: own.update({release: "11" * 32})))
    yield case("no key is known", {"/checkpoint": scene.checkpoint(size)})
    yield case("not compared", {**cast("dict[str, Json]", lists(size)), kids[1]: "unreachable"})
    yield case("no checkpoint", {})
    forked = cast("dict[str, Json]", lists(size))
    forked[kids[0]] = listed(scene, size, {}, bytes(32))
    yield case("a tree of another history", forked)
    wrong = cast("dict[str, Json]", lists(size))
    wrong[kids[0]] = cast("dict[str, Json]", wrong[kids[0]]) | {"size": size - 1}
    yield case("another size than the checkpoint's", wrong)
    beyond = lists(size, lambda own: own.update({size: "11" * 32}))
    yield case("an index beyond its tree", beyond)
    told = cast("dict[str, Json]", lists(size))
    yield case("lists that nobody cosigned", told, quorum=True)
    cosigned = {kid: cosign_list(body) for kid, body in told.items()}
    yield case("cosigned lists", cosigned, quorum=True)


def cosign_list(body: Json) -> Json:
    """Return an auditor's list, its checkpoint cosigned by the witness."""
    if not isinstance(body, dict):
        return body
    head = read_checkpoint(read_note(str(body["checkpoint"])).text)
    line = cosign(head, WITNESS, WITNESS_KEY, COSIGNED_AT)
    return body | {"checkpoint": f"{body['checkpoint']}{line}"}


def listed(scene: Scene, size: int, own: dict[int, str], root: bytes = b"") -> dict[str, Json]:
    """Return what an auditor answers of a key."""
    note = scene.checkpoint(size, root)
    head = read_checkpoint(read_note(note).text)
    return {
        "origin": head.origin,
        "size": size,
        "root": head.root.hex(),
        "checkpoint": note,
        "entries": [[index, own[index]] for index in sorted(own)],
    }


def kids_of(scene: Scene) -> list[str]:
    """Return the kids that the auditor is asked for: the account's, then each consent key's."""
    return [thumbprint(key.public) for key in keys_of(scene)]


def keys_of(scene: Scene) -> list[SigningKey]:
    consents = (consent_key(scene.ann.root, org) for org in scene.state.orgs)
    return [scene.ann.holder._key, *consents]


def directories(scene: Scene) -> dict[str, str]:
    """Return the directory in force, and one that asks for one witness."""
    world = scene.world
    listing: Listing = compose(world.cast, world.edition())
    log = listing.log.model_copy(
        update={"witnesses": (str(witness_key(WITNESS, WITNESS_KEY)),), "quorum": 1}
    )
    asked = listing.model_copy(update={"log": log})
    return {"plain": world.directory().text, "quorum": asked.signed(world.cast.auditor)}


def run(scene: Scene, case: Case) -> dict[str, Json]:
    """Return what the Python implementation finds, or the error's slug."""
    own, directory = case.own, directories(scene)["quorum" if case.quorum else "plain"]
    pinned = read_directory(directory, scene.world.policy.auditor)

    def raw(path: str) -> bytes:
        answer = scene.world.client.get(path)
        if answer.status_code != 200:
            raise NotFound("no such tile")
        scene.tiles[path] = b64u(answer.content)
        return answer.content

    pages: dict[str, Json] = {
        "/v1/holder/entries?first=0": {"entries": cast("Json", case.entries), "next": None}
    }
    look = Look(
        str(own["checkpoint"]),
        {int(n): str(name) for n, name in cast("dict[str, Json]", own["seen"]).items()},
    )
    known = Own(
        account=scene.ann.holder._key.public,
        consent=lambda org: consent_key(scene.ann.root, org).public,
        directory=pinned,
        trust=None,
        state=HolderState.parse(json.dumps(own["state"], separators=(",", ":")).encode()),
        made=cast("dict[str, int]", own["made"]),
        look=look,
    )
    asked = auditors_word(scene, case, known)
    found, kept = watch(Shelf(pages, raw), lambda: known, scene.ann.holder.account, asked)
    return told(found, kept)


def auditors_word(scene: Scene, case: Case, known: Own) -> Compared:
    """Return the auditor's lists of a case."""
    if case.auditor is None:
        return NOBODY_ASKED
    answers = {f"/entries?kid={kid}": body for kid, body in case.auditor.items()}

    def note(path: str) -> bytes:
        if "/checkpoint" not in (case.auditor or {}):
            raise NotFound("nothing is there")
        return str((case.auditor or {})[path]).encode()

    shelf = Shelf(answers, note)
    return ask_auditor(AUDITOR, lambda key: shelf, keys_of(scene), known.directory)


def told(found: Watched, kept: Look) -> dict[str, Json]:
    """Return what was found as JSON."""
    return {
        "alarms": [[one.index, one.kind, one.detail] for one in found.alarms],
        "entries": [
            [one.index, one.typ, one.consent, one.witnessed, one.made, one.act]
            for one in found.entries
        ],
        "size": found.size,
        "fresh": [*sorted(found.fresh)],
        "compared": found.compared,
        "why": found.why,
        "compared_to": found.compared_to,
        "cosigned_at": found.cosigned_at,
        "notes": [sha256(note.encode()).hexdigest() for note in found.notes],
        "verified": found.verified,
        "foreign": [one.index for one in found.foreign],
        "withheld": [one.index for one in found.withheld],
        "differences": [one.index for one in found.differences],
        "uncompared": [*found.uncompared],
        "unwitnessed": [*found.unwitnessed],
        "before": [*found.before],
        "elsewhere": [*found.elsewhere],
        "kept": {
            "checkpoint": sha256(kept.checkpoint.encode()).hexdigest(),
            "seen": sha256(json.dumps(dict(sorted(kept.seen.items()))).encode()).hexdigest(),
        },
    }


@contextmanager
def scene_of_all() -> Iterator[Scene]:
    """Yield the scene, the same in every run."""
    with patch.object(seal, "SUITE", SeededSuite(SEED)), World(seed=SEED) as world:
        yield Scene(world)


def lines(found: dict[str, Json]) -> list[list[Json]]:
    """Return the entries of what was found."""
    return cast("list[list[Json]]", found["entries"])


def make() -> str:
    """Return the file."""
    with scene_of_all() as scene:
        base = [*scene.entries, *scene.others]
        places = {json.dumps(entry, sort_keys=True): n for n, entry in enumerate(base)}

        def patched(entry: Entry) -> Json:
            found = places.get(json.dumps(entry, sort_keys=True))
            if found is not None:
                return found
            near = next((e for e in base if e["text"] == entry["text"]), None)
            near = near or next(e for e in base if e["index"] == entry["index"])
            changes = {k: v for k, v in entry.items() if near[k] != v}
            return [places[json.dumps(near, sort_keys=True)], changes]

        own0: dict[str, Json] = {
            "state": json.loads(scene.state.write()),
            "made": cast("Json", scene.made),
            "checkpoint": "",
            "seen": {},
        }
        written: list[Json] = []
        honest: dict[int, Json] = {}
        for case in cases(scene):
            try:
                found = run(scene, case)
                honest = honest or {int(str(one[0])): one for one in lines(found)}
                found["entries"] = [
                    one[0] if honest.get(int(str(one[0]))) == one else one for one in lines(found)
                ]
            except VaultError as error:
                found = {"error": error.slug}
            written.append(
                {
                    "name": case.name,
                    "entries": [patched(entry) for entry in case.entries],
                    "own": {k: v for k, v in case.own.items() if own0[k] != v},
                    "auditor": case.auditor,
                    "quorum": case.quorum,
                    "found": found,
                }
            )
        keys = keys_of(scene)
        file: dict[str, Json] = {
            "auditor": b64u(scene.world.policy.auditor),
            "account": b64u(keys[0].public),
            "consents": {
                org: b64u(key.public) for org, key in zip(scene.state.orgs, keys[1:], strict=True)
            },
            "directories": cast("Json", directories(scene)),
            "own": own0,
            "tiles": dict(sorted(scene.tiles.items())),
            "entries": cast("Json", base),
            "honest": [*honest.values()],
            "cases": written,
        }
        return json.dumps(file, ensure_ascii=False, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    PATH.write_text(make(), encoding="utf-8")
