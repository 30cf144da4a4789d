"""Mutants of the log's form, of directories and of who may sign what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from consent.demo.cast import AUDITOR, BANK, VAULT
from tests.forger import (
    STRANGER,
    Forger,
    Mutant,
    Rule,
    body_of,
    edited,
    kid_of,
    unsigned,
    with_parties,
    with_party,
    without_party,
)
from tests.switched import DIRECTORY, ENCODING, LINKS, REPLAY, Change, no, skip
from tests.tale import (
    AUDITOR_2,
    EAST_2,
    FIRST_AUDITOR,
    OLD_VAULT,
    SECOND_VAULT,
    SOUTH,
    VAULT_2,
    Line,
    party_of,
)
from tests.world import APR, EAST, MAR, WEST
from vault.crypto.keys import SigningKey
from vault.encoding import b64u, sign_jws, text_hash
from vault.messages import Erase, Listing, Unlink

Mutants = Iterator[Mutant]
HOLDER_KINDS = ("account", "bind", "attach", "unlink", "reject", "grant", "token")
STATUS_KINDS = ("pause", "resume", "revoke")
VAULT_KINDS = ("absent", "release", "refusal", "erased", "web")
SERVED_KINDS = (*HOLDER_KINDS, *STATUS_KINDS, *VAULT_KINDS, "close")


def other_texts(f: Forger) -> Mutants:
    batch = sign_jws("cv1-batch", {"iat": 1}, f.east)
    figure = sign_jws("cv1-figure", {"iat": 1}, f.vault)
    doubled = f.text(f.end - 1).replace(".", "..", 1)
    for text in ("not a jws", batch, figure, doubled, f.text(f.end - 1) + "="):
        for place in (1, f.end):
            yield f.insert(place, text, "text", text[:20])


def spoiled_members(f: Forger) -> Mutants:
    for typ in SERVED_KINDS:
        for index in {f.find(typ)[0], f.find(typ)[-1]}:
            text = unsigned(f.text(index), iat=int(str(body_of(f.text(index))["iat"])) + 1)
            yield f.replace(index, text, typ, f"{typ} with another iat")
    last = f.find("directory")[-1]
    yield f.replace(last, unsigned(f.text(last), expires=2**40), "directory")
    (erase,) = f.find("erase")
    text = unsigned(f.text(erase), iat=1)
    old, new = text_hash(f.text(erase)), text_hash(text)
    lines = [replace(one, gone=new if one.gone == old else one.gone) for one in f.lines]
    (erased,) = f.find("erased")
    lines[erase] = replace(lines[erase], text=text)
    lines[erased] = Line(lines[erased].at, edited(f.text(erased), f.vault, erase=new.hex()))
    yield Mutant("erase with another iat", tuple(lines), erase, "erase")


def others_signatures(f: Forger) -> Mutants:
    for typ in ("close", "token", "release", "grant"):
        index = f.find(typ)[-1]
        forged = edited(f.text(index), STRANGER)
        head, signed = f.text(index).split(".")[0], forged.split(".")
        yield f.replace(index, ".".join([head, *signed[1:]]), typ, f"{typ} by a stranger")
    _, attach = f.attach(SOUTH, APR, STRANGER)
    receipt = str(body_of(attach)["receipt"]).split(".")
    south = kid_of(str(body_of(f.south(APR)[1])["receipt"]))
    head = sign_jws("cv1-link", {}, STRANGER).split(".")[0]
    assert kid_of(head + "..") != south
    named = f'{{"alg":"Ed25519","kid":"{south}","typ":"cv1-link"}}'
    forged = ".".join([b64u(named.encode()), *receipt[1:]])
    yield f.insert(f.end, edited(attach, f.eve, receipt=forged), "attach", "forged cv1-link")


def others_keys(f: Forger) -> Mutants:
    text = edited(f.account(STRANGER), f.bank)
    yield f.insert(f.end, text, "account", "an account that introduces another key")
    erase = Erase(iat=1, pk=STRANGER.public).signed(f.eve)
    yield f.insert(f.end, erase, "erase", "an erase that introduces another key")


def fallen_times(f: Forger) -> Mutants:
    for typ in ("account", "attach", "close", "token", "release", "directory", "refusal"):
        for index in f.find(typ):
            before = f.lines[index - 1].at - 1 if index else -1
            if before >= 0:
                lines = list(f.lines)
                lines[index] = replace(lines[index], at=before)
                yield Mutant(f"{typ} {index} falls", tuple(lines), index, "at")
                break


def unchained_directories(f: Forger) -> Mutants:
    for place in f.find("directory"):
        updates: list[dict[str, object]] = [{"version": 9}, {"prev": b"\xee" * 32}]
        if place:
            updates.append({"version": 1})
        for update in updates:
            yield _changed(f, place, partial(_updated, update))


def _updated(update: dict[str, object], found: Listing) -> Listing:
    return found.model_copy(update=update)


def _changed(
    f: Forger,
    place: int,
    change: Callable[[Listing], Listing],
    lines: tuple[Line, ...] | None = None,
) -> Mutant:
    """Return the log whose auditor signs a changed directory at a place, the others as before."""

    def listing(index: int, found: Listing) -> tuple[Listing, SigningKey]:
        key = f.signer(min(index, f.end - 1))
        return (change(found) if index == place else found), key

    said = f.listed(lines or f.lines, listing)
    return Mutant(f"directory changed at {place}", said, place, "directory")


def _appended(f: Forger, change: Callable[[Listing], Listing]) -> Mutant:
    last = f.find("directory")[-1]
    lines = (*f.lines, Line(f.lines[-1].at, f.text(last)))
    return _changed(f, f.end, change, lines)


def strange_signers(f: Forger) -> Mutants:
    places = f.find("directory")

    def taken_over(begin: int, key: SigningKey) -> Mutant:
        said = f.listed(f.lines, lambda i, found: (found, key if i >= begin else f.signer(i)))
        return Mutant(f"another signer from {begin}", said, begin, "directory")

    for place in places:
        yield taken_over(place, STRANGER)
    for place in places[:-1]:
        yield taken_over(place, AUDITOR_2)  # before it is named, or in the text that names it
    last = f.find("directory")[-1]
    lines = (*f.lines, Line(f.lines[-1].at, f.text(last)))
    first = FIRST_AUDITOR
    said = f.listed(lines, lambda i, found: (found, first if i == f.end else f.signer(i)))
    yield Mutant("the old auditor's key again", said, f.end, "directory")


def _moved(name: str, found: Listing) -> Listing:
    return with_party(found, name, org="new.demo")


def moved_organisations(f: Forger) -> Mutants:
    places = f.find("directory")
    for name in (BANK, VAULT_2, AUDITOR):
        yield _appended(f, partial(_moved, name))

    def back(index: int, found: Listing) -> tuple[Listing, SigningKey]:
        if index == places[2]:
            found = without_party(found, VAULT_2)
        if index >= places[3]:
            found = with_party(found, VAULT_2, org="new.demo")
        return found, f.signer(index)

    yield Mutant("away and back", f.listed(f.lines, back), places[2], "directory")


def forgotten_keys(f: Forger) -> Mutants:
    for name, key in ((EAST, f.east), (VAULT, OLD_VAULT), (AUDITOR, FIRST_AUDITOR)):
        yield _appended(f, partial(_without_key, name, key.public))


def _without_key(name: str, pk: bytes, found: Listing) -> Listing:
    (party,) = [p for p in found.entries if p.id == name]
    return with_party(found, name, sig=tuple(key for key in party.sig if key.pk != pk))


def moved_vaults(f: Forger) -> Mutants:
    yield _appended(f, lambda found: found.model_copy(update={"zone": "Asia/Tokyo"}))
    yield _appended(f, lambda found: found.model_copy(update={"vault": VAULT_2}))


def bad_listings(f: Forger) -> Mutants:
    def twice(found: Listing) -> Listing:
        return with_parties(found, found.entries[-1])

    def one_key(found: Listing) -> Listing:
        return with_parties(found, party_of("new.demo", "new.demo", ("bank",), f.bank.public))

    def own_source(found: Listing) -> Listing:
        return with_parties(found, party_of("own.demo", VAULT, ("source",), STRANGER.public))

    def no_role(found: Listing) -> Listing:
        return with_party(found, VAULT, roles=("shop",))

    for change in (twice, one_key, own_source, no_role):
        yield _appended(f, change)


def keys_out_of_time(f: Forger) -> Mutants:
    for link, month in ((f.links("ann", EAST)[0], MAR), (f.links("bob", WEST)[0], MAR)):
        index = f.close(link, month)
        if f.key_of(index) is EAST_2:
            yield f.replace(index, edited(f.text(index), f.east), "close")
    for source, key in ((EAST, f.east),):
        _, attach = f.attach(source, APR, key)
        yield f.insert(f.end, attach, "attach")
    unlink = Unlink(iat=1, link=f.links("eve", EAST)[0]).signed(f.east)
    yield f.insert(f.end, unlink, "unlink")
    for typ in VAULT_KINDS:
        index = f.find(typ)[-1]
        yield f.replace(index, edited(f.text(index), OLD_VAULT), typ)


def others_than_the_vault(f: Forger) -> Mutants:
    for typ in VAULT_KINDS:
        for key in (f.city, FIRST_AUDITOR, SECOND_VAULT):
            index = f.find(typ)[-1]
            yield f.replace(index, edited(f.text(index), key), typ)


def others_than_sources(f: Forger) -> Mutants:
    _, attach = f.attach(BANK, APR, f.bank)
    yield f.insert(f.end, attach, "attach")
    place = f.find("directory")[-3]
    close = next(i for i in f.find("close") if i > place and f.key_of(i) is f.west)

    def demoted(index: int, found: Listing) -> tuple[Listing, SigningKey]:
        if index >= place:
            found = with_party(found, WEST, roles=("shop",))
        return found, f.signer(index)

    yield Mutant("no longer a source", f.listed(f.lines, demoted), close, "close")


INTRUDERS = [key.public.hex() for key in (STRANGER, AUDITOR_2, FIRST_AUDITOR)]


DIRECTORY_RULES = [
    Rule(
        "text",
        "an entry is one compact JWS of a kind that is logged",
        "",
        (
            Change(REPLAY, 'rule = "text"\n', 'rule = ""\n'),
            Change(
                REPLAY,
                "self.findings.append(Finding(index, rule, str(broken)))",
                "self.findings += [Finding(index, rule, str(broken))] if rule else []",
            ),
        ),
        other_texts,
    ),
    Rule(
        "signature",
        "every entry verifies under the key that it names",
        "signature",
        (skip(ENCODING, "verify_signature(public, self.signature, signed)"),),
        lambda f: iter([*spoiled_members(f), *others_signatures(f)]),
    ),
    Rule(
        "introduced key",
        "a message that introduces its key is signed by that key",
        "does not hash to",
        (
            no(ENCODING, "thumbprint(public) != self.kid"),
            skip(ENCODING, "verify_signature(public, self.signature, signed)"),
        ),
        others_keys,
        "signature",
    ),
    Rule("at", "at never falls", "at falls", (no(REPLAY, "at < self._at"),), fallen_times),
    Rule(
        "directory chain",
        "directories are versions 1, 2, 3 …, each naming the one before",
        "wanted version",
        (
            no(LINKS, "(fresh.listing.version, fresh.listing.prev) != wanted"),
            no(DIRECTORY, "new.version <= old.version"),
            no(DIRECTORY, "new.version == old.version + 1 and new.prev != held.hash"),
        ),
        unchained_directories,
        "what clients check of a successor",
    ),
    Rule(
        "directory signer",
        "a directory is signed by the auditor in force or the next one it named",
        "not signed by the auditor",
        (
            Change(
                LINKS,
                "allowed = (self._signer, held.listing.next if held else None)",
                "allowed = (self._signer, held.listing.next if held else None,"
                f" *map(bytes.fromhex, {INTRUDERS}))",
            ),
        ),
        strange_signers,
    ),
    Rule(
        "organisation",
        "a party stays listed, and under its organisation",
        "left the directory or changed its organisation",
        (
            Change(
                DIRECTORY,
                "if follows is None or follows.org != party.org:\n            raise"
                ' BadDirectory(f"{party.id} left the directory or changed its organisation")',
                "if follows is None:\n            continue",
            ),
        ),
        moved_organisations,
    ),
    Rule(
        "keys stay",
        "a signing key stays listed; it ends by its until",
        "keys end by their until",
        (
            no(
                DIRECTORY,
                "not {key.pk for key in party.sig} <= {key.pk for key in follows.sig}",
            ),
        ),
        forgotten_keys,
    ),
    Rule(
        "zone and vault",
        "zone and vault never change",
        "zone or the vault changed",
        (no(DIRECTORY, "(old.zone, old.vault) != (new.zone, new.vault)"),),
        moved_vaults,
    ),
    Rule(
        "directory form",
        "no party or key twice; the vault is listed as one, and its organisation is no source",
        "listed",
        (
            skip(DIRECTORY, "check_parties(listing.entries)"),
            no(DIRECTORY, 'vault is None or "vault" not in vault.roles'),
        ),
        bad_listings,
    ),
    Rule(
        "key in its time",
        "a key listed in the directory counts only from its `from` to its `until`",
        "not valid then",
        (no(DIRECTORY, "key.begins >= end or key.until <= begin"),),
        keys_out_of_time,
    ),
    Rule(
        "vault key",
        "absents, releases, refusals and erased are signed by this directory's vault",
        "vault",
        (
            Change(
                DIRECTORY,
                'party, public = self.signer(kid, "vault", at)\n'
                "        if party.id != self.listing.vault:",
                "public = self._keys[kid][1].pk\n        if False:",
            ),
        ),
        others_than_the_vault,
    ),
    Rule(
        "source role",
        "links and closes are signed by who is a source in the directory in force",
        "lists no source key",
        (no(DIRECTORY, "role not in party.roles"),),
        others_than_sources,
    ),
]
