"""What the web app's holder SDK is compared with: states, marks, notices, cells, proofs, terms.

./run python -m tests.web_vectors_sdk        writes tests/vectors/web_sdk.json anew
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from itertools import product
from pathlib import Path

from consent.decisions import read_name
from consent.demo.cast import AUDITOR, BANK, CITY, SOURCES, VAULT, Edition, compose, make_cast
from consent.endings import Endings, fetch_endings
from consent.log.checkpoint import sign_checkpoint
from consent.log.cosignature import cosign, witness_key
from consent.log.proof import Proof, leaf_data
from consent.messages import (
    URN,
    Bind,
    Grant,
    LinkMonths,
    NoticeRef,
    Pause,
    Resume,
    Revoke,
    Terms,
    Token,
)
from consent.notices import notice_hash, render_notice, sentences_of
from consent.state import EMPTY, HolderState, KnownLink, Minted, mark, mark_reject, merge
from consent.templates import check_grant, check_terms, latest_until, load_templates
from consent.tokens import (
    Granted,
    LinkFact,
    cells_of,
    check_count,
    less_absent,
    sum_masks,
    token_info,
)
from tests.log import naive
from tests.small_log import WITNESS, WITNESS_KEY, SmallLog
from tests.world import Seeded
from vault import dpop
from vault.crypto.commit import Scalar, check_point, write_scalar
from vault.crypto.keys import Root, SigningKey, stream_key, write_symbols
from vault.crypto.meter import Cell
from vault.directory import FIRST_PREV, Directory, read_directory
from vault.encoding import Json, JsonIn, compact_json, text_hash
from vault.errors import AtomUsed, BadShape, Locale, VaultError
from vault.messages import (
    AbsentMonth,
    Attach,
    Close,
    KeyTime,
    LogEntry,
    Message,
    Party,
    Reject,
    ReleaseEntry,
    Unlink,
)
from vault.months import DEFAULT_ZONE, Category, Month, month_begins, months_from
from vault.wire import Answer, Wire

FILE = Path(__file__).parent / "vectors" / "web_sdk.json"
ROOT = Root(bytes(range(7, 27)))
IDS = [bytes([n]) * 16 for n in (1, 2, 3, 0xAB)]
JAN, FEB, MAR, APR, DEC = (Month(f"2026-{n:02d}") for n in (1, 2, 3, 4, 12))
AT = month_begins(MAR, DEFAULT_ZONE) + 9 * 3600
EMPLOYER = "works.demo"
RELEASES = (ReleaseEntry(id="demo-1", sha256=bytes(32), begins=JAN),)
LOCALES: tuple[Locale, ...] = ("en", "zh-CN")


def vectors() -> dict[str, Json]:
    """Return all of them by kind."""
    directory = the_directory()
    found: dict[str, JsonIn] = {
        "root": ROOT.value.hex(),
        "proofs": list(proofs()),
        "marks": list(marks()),
        "rejects": [[i.hex(), m, mark_reject(i, m)] for i, m in product(IDS[:2], (JAN, DEC))],
        "states": {name: text(state) for name, state in states().items()},
        "bad_states": list(bad_states()),
        "since": {name: state.recorded_since for name, state in states().items()},
        "merges": list(merges()),
        "changes": list(changes()),
        "cells": list(cells()),
        "less": list(lesses()),
        "counts": list(counts()),
        "sums": list(sums()),
        "directory": {"text": directory.text, "auditor": directory.signer_key.hex()},
        "templates": {name: found.plain() for name, found in load_templates().items()},
        "notices": list(notices(directory)),
        "terms": list(terms_checked(directory)),
        "latest": [
            [m, z, latest_until(m, z)] for m, z in product((JAN, DEC), ("UTC", "Asia/Tokyo"))
        ],
        "names": list(names()),
        "endings": endings(),
    }
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def text(state: HolderState) -> str:
    return state.write().decode()


def slug_of(act: Callable[[], object]) -> str | None:
    """Return the slug that an act is refused with; None when it is taken."""
    try:
        act()
    except VaultError as refused:
        return refused.slug
    return None


# Proofs of the caller's key


def proofs() -> Iterator[JsonIn]:
    key, wall = SigningKey(b"\x05" * 32), AT
    for method, path, body in (
        ("GET", "/v1/holder/grants", b""),
        ("POST", "/v1/holder", b"eyJ.x.y"),
        ("PUT", "/v1/holder/state", bytes(range(256))),
    ):
        url = "https://vault.example" + path
        proof = dpop.prove(key, dpop.Request(method, url, body), wall, bytes(range(16)))
        yield {"method": method, "url": url, "body": body.hex(), "wall": wall, "proof": proof}


# Marks


def acts() -> Iterator[Message]:
    pk = SigningKey(b"\x07" * 32).public
    yield Bind(iat=1, org=BANK, pk=pk)
    yield Attach(iat=2, link=IDS[0], receipt="eyJ.eyJ.c2ln")
    yield Unlink(iat=3, link=IDS[1])
    yield Reject(iat=4, close=b"\x08" * 32)
    for request, replaces in ((None, None), (b"\x0a" * 32, IDS[2])):
        yield Grant(
            **dict(asked(BANK, "GREEN-LOAN-RATE", tuple(range(1, 8)), 3)),
            iat=5,
            type="carbon_reduction_total",
            grant=IDS[3],
            pk=pk,
            org=BANK,
            notice=NoticeRef(sha256=b"\x09" * 32, locale="zh-CN"),
            request=request,
            replaces=replaces,
        )
    yield Token(iat=6, grant=IDS[3], window=(JAN, FEB), cells=months_of(JAN, FEB), sealed=bytes(32))
    for kind in (Revoke, Pause, Resume):
        yield kind(iat=7, grant=IDS[3], n=2)


def marks() -> Iterator[JsonIn]:
    for act in acts():
        yield {"typ": act.typ, "body": act.plain(), "mark": mark(act)}


# States


def months_of(
    *months: Month, links: tuple[bytes, ...] = (IDS[0], IDS[1])
) -> tuple[LinkMonths, ...]:
    return tuple(LinkMonths(link, months) for link in links)


def minted(
    first: Month,
    last: Month,
    grant: bytes = IDS[3],
    org: str = BANK,
    categories: tuple[int, ...] = (4,),
    links: tuple[bytes, ...] = (IDS[0], IDS[1]),
) -> Minted:
    window = months_from(first, last)
    return Minted(
        grant=grant,
        org=org,
        categories=categories,
        window=window,
        cells=months_of(*window, links=links),
    )


def states() -> dict[str, HolderState]:
    link = KnownLink(source=SOURCES[0], begins=JAN)
    one = EMPTY.with_link(IDS[1], link).with_link(IDS[0], link).with_org(CITY).with_org(BANK)
    first = one.with_made(AT, "5c" * 16).with_minted(minted(JAN, FEB))
    second = first.with_minted(minted(MAR, MAR)).with_status(IDS[3], "paused")
    other = (
        one.with_link(IDS[2], KnownLink(source=SOURCES[1], begins=FEB))
        .with_made(AT + 5, "5c" * 16, "0a" * 16)
        .with_proved("0a" * 16, 41)
        .with_minted(minted(FEB, MAR, grant=IDS[2]))
        .with_minted(minted(JAN, JAN, org=CITY, categories=(2, 4)))
        .with_status(IDS[3], "revoked")
    )
    return {
        "empty": EMPTY,
        "moved": EMPTY.with_link(IDS[2], KnownLink(source=SOURCES[0], begins=APR)),
        "begun": EMPTY.with_made(AT, "01" * 16),
        "old": one,
        "first": first,
        "second": second,
        "other": other,
        "proved": second.with_made(AT, "0b" * 16).with_proved("5c" * 16, 7),
        "ended": second.with_status(IDS[3], "replaced").with_status(IDS[3], "live"),
        "less": second.with_minted(
            minted(JAN, FEB, links=(IDS[1],)), lambda link, _: link == IDS[0]
        ),
    }


def bad_states() -> Iterator[JsonIn]:
    good: dict[str, JsonIn] = json.loads(text(states()["other"]))
    window: dict[str, JsonIn] = dict(json.loads(text(states()["other"]))["minted"][0])
    changed: list[dict[str, JsonIn]] = [
        {**good, "more": 1},
        {name: one for name, one in good.items() if name != "orgs"},
        {**good, "made": {}},
        {**good, "made": {"5C" * 16: 1}},
        {**good, "made": {"5c" * 16: -2}},
        {**good, "since": None},
        {**good, "since": -1},
        {**good, "orgs": ["Bank"]},
        {**good, "statuses": {IDS[0].hex(): "over"}},
        {**good, "links": {IDS[0].hex(): {"source": "bike.example"}}},
        {**good, "links": {IDS[0].hex(): {"source": "bike.example", "from": "2026-13"}}},
        {**good, "links": []},
        {**good, "minted": [{**window, "window": ["2026-01", "2026-03"]}]},
        {**good, "minted": [{**window, "window": []}]},
        {**good, "minted": [{**window, "cells": []}]},
        {**good, "minted": [{**window, "cells": [["01" * 16, []]]}]},
        {**good, "minted": [{**window, "cells": [["02" * 16, [JAN]], ["01" * 16, [JAN]]]}]},
        {**good, "minted": [{**window, "cells": [["01" * 16, [FEB, JAN]]]}]},
        {**good, "minted": [{**window, "categories": [True]}]},
        {**good, "minted": [{**window, "grant": "01"}]},
    ]
    for one in changed:
        raw = compact_json(one)
        assert slug_of(partial(HolderState.parse, raw)) == BadShape.slug, one
        yield raw.decode()


def merges() -> Iterator[JsonIn]:
    known = states()
    for mine, stored in product(known, known):
        yield [mine, stored, text(merge(known[mine], known[stored]))]


def changes() -> Iterator[JsonIn]:
    """A window more, with what is absent meanwhile: the state after it, or the refusal."""
    known = states()
    for name, entry, gone in (
        ("first", minted(JAN, FEB), []),
        ("first", minted(MAR, APR), []),
        ("first", minted(FEB, MAR), []),
        ("first", minted(FEB, FEB, categories=(1, 4)), []),
        ("first", minted(FEB, FEB, categories=(1, 2)), []),
        ("first", minted(FEB, FEB, org=CITY), []),
        ("first", minted(JAN, FEB, grant=IDS[2]), []),
        ("first", minted(JAN, FEB, grant=IDS[2], links=(IDS[0],)), []),
        ("first", minted(JAN, FEB, links=(IDS[0],)), [[IDS[1].hex(), JAN], [IDS[1].hex(), FEB]]),
        ("first", minted(JAN, FEB, links=(IDS[0],)), [[IDS[1].hex(), JAN]]),
        ("first", minted(JAN, FEB, links=(IDS[0], IDS[1], IDS[2])), []),
    ):
        taken = frozenset((bytes.fromhex(link), month) for link, month in gone)
        change = partial(known[name].with_minted, entry, lambda *cell, taken=taken: cell in taken)
        refused = slug_of(change)
        assert refused in (None, AtomUsed.slug)
        after = None if refused else text(change())
        yield {
            "state": text(known[name]),
            "entry": entry.plain(),
            "absent": gone,
            "after": after,
            "slug": refused,
        }


# Cells and tokens


def plain_cells(found: tuple[LinkMonths, ...]) -> JsonIn:
    return [[cell.link.hex(), list(cell.months)] for cell in found]


def facts() -> dict[str, LinkFact]:
    return {
        "whole": LinkFact(IDS[1], SOURCES[0], JAN),
        "later": LinkFact(IDS[0], SOURCES[1], FEB),
        "gaps": LinkFact(IDS[2], SOURCES[1], JAN, frozenset({FEB})),
        "ended": LinkFact(IDS[3], SOURCES[1], JAN, frozenset({JAN}), MAR),
        "own": LinkFact(bytes([9]) * 16, BANK, JAN),
    }


def cells() -> Iterator[JsonIn]:
    known = facts()
    for names, window in product(
        (tuple(known), ("own",), ("ended",), ("later", "whole"), ()),
        (months_from(JAN, MAR), (JAN,), (FEB,), (MAR,)),
    ):
        links = [known[name] for name in names]
        found = partial(cells_of, links, BANK, window)
        refused = slug_of(found)
        yield {
            "links": [
                {
                    "link": fact.link.hex(),
                    "org": fact.org,
                    "begins": fact.begins,
                    "absent": sorted(fact.absent),
                    "ends": fact.ends,
                }
                for fact in links
            ],
            "window": list(window),
            "cells": None if refused else plain_cells(found()),
            "slug": refused,
        }


def lesses() -> Iterator[JsonIn]:
    whole = months_of(JAN, FEB, links=(IDS[0], IDS[1]))
    for gone in ([], [[IDS[0].hex(), JAN]], [[IDS[0].hex(), JAN], [IDS[0].hex(), FEB]]):
        taken = frozenset((bytes.fromhex(link), month) for link, month in gone)
        left = less_absent(whole, lambda *cell, taken=taken: cell in taken)
        yield {"cells": plain_cells(whole), "absent": gone, "left": plain_cells(left)}


def counts() -> Iterator[JsonIn]:
    for links, scope in ((48, 7), (49, 7), (341, 1), (342, 1)):
        names = tuple(n.to_bytes(16, "big") for n in range(links))
        many = months_of(*months_from(JAN, DEC), links=names)
        categories = tuple(Category(n) for n in range(1, scope + 1))
        yield [links, scope, slug_of(partial(check_count, many, categories))]


def sums() -> Iterator[JsonIn]:
    for scope, links in (((4,), IDS[:1]), ((1, 4, 7), IDS)):
        covered = months_of(JAN, FEB, links=tuple(links))
        categories = tuple(map(Category, scope))
        masks = sum_masks(partial(stream_key, ROOT), covered, categories)
        yield {
            "cells": plain_cells(covered),
            "scope": list(scope),
            "tau": write_scalar(masks.tau).hex(),
            "rho": write_scalar(masks.rho).hex(),
            "info": token_info(Granted(IDS[3], (JAN, FEB))).hex(),
        }


# Notices and terms


def the_directory() -> Directory:
    """A directory with an employer who lists no contact."""
    random, auditor = Seeded(b"web"), SigningKey(b"\x06" * 32)
    cast = make_cast(SigningKey(random(32)).public, auditor, random)
    log = LogEntry(origin=f"{VAULT}/log", vkey="none", witnesses=(), quorum=0)
    listing = compose(cast, Edition(1, FIRST_PREV, AT, 0, log, RELEASES, ()))
    employer = Party(
        id=EMPLOYER,
        org="holding.demo",
        name="Works · 演示工厂",
        roles=("platform", "employer"),
        sig=(),
        hpke=(),
    )
    entries = (*listing.entries, employer)
    signed = listing.model_copy(update={"entries": entries}).signed(auditor)
    return read_directory(signed, auditor.public)


def asked(
    platform: str, template: str, categories: tuple[int, ...], step: int = 1, **changed: object
) -> Terms:
    known = load_templates()[template]
    members: dict[str, object] = {
        "platform": platform,
        "template": template,
        "purposes": tuple(sorted(known.purposes)),
        "categories": categories,
        "step": step,
        "first": JAN,
        "last": MAR if step < 12 else DEC,
        "until": latest_until(MAR if step < 12 else DEC, DEFAULT_ZONE),
        "mode": "total",
        "show_sources": False,
        "exclusive": False,
        "data_life_days": known.data_life_days,
    }
    return Terms.model_validate({**members, **changed})


def notices(directory: Directory) -> Iterator[JsonIn]:
    for (n, template), locale, shown, (platform, categories, step) in product(
        enumerate(load_templates()),
        LOCALES,
        (False, True),
        ((BANK, (4,), 1), (CITY, tuple(range(1, 8)), 3), (EMPLOYER, (1, 7), 12)),
    ):
        month = f"2026-{(2 * n + shown) % 12 + 1:02}"  # each has a name in English
        when = {"first": month, "last": month} if step == 1 else {}
        terms = asked(platform, template, categories, step, show_sources=shown, **when)
        said = render_notice(terms, directory, locale)
        yield {
            "terms": terms.model_dump(mode="json"),
            "locale": locale,
            "names": list(sentences_of(terms, directory, locale)),
            "text": said,
            "sha256": notice_hash(said).hex(),
        }


def city(**changed: object) -> Terms:
    return Terms.model_validate({**dict(asked(CITY, "CITY-REWARD", (4,))), **changed})


def terms_checked(directory: Directory) -> Iterator[JsonIn]:
    wanted = [
        city(),
        asked(BANK, "GREEN-LOAN-RATE", tuple(range(1, 8)), 3, show_sources=True),
        asked(BANK, "GREEN-LOAN-RATE", (4,), 3),
        asked(BANK, "CITY-REWARD", (4,)),
        asked(AUDITOR, "CITY-REWARD", (4,)),
        asked("nobody.demo", "CITY-REWARD", (4,)),
        asked(EMPLOYER, "EMPLOYER-CHALLENGE", (4,)),
        asked(EMPLOYER, "OFFSET-RETIRE", (4,)),
        asked(CITY, "CITY-STATS", (4,), mode="cohort"),
        asked(CITY, "CITY-STATS", (4,)),
        city(template="CITY-NONE"),
        city(purposes=("PersonalisedBenefits",)),
        city(purposes=("PersonalisedBenefits", "PublicBenefit")),
        city(categories=(1, 2, 3, 4)),
        city(categories=(1, 2, 3, 4, 5)),
        city(step=3),
        city(first=Month("2025-03")),
        city(first=Month("2025-02")),
        city(last=Month("2027-03"), until=0),
        city(last=Month("2027-04"), until=0),
        city(until=latest_until(MAR, DEFAULT_ZONE) + 1),
        city(show_sources=True),
        city(data_life_days=181),
        city(exclusive=True),
        city(mode="cohort"),
    ]
    for terms in wanted:
        yield {
            "terms": terms.model_dump(mode="json"),
            "at": AT,
            "slug": slug_of(partial(check_terms, terms, directory, AT)),
            "grant": slug_of(partial(check_grant, grant_of(terms), directory, AT)),
        }


def grant_of(terms: Terms) -> Grant:
    """A grant of these terms towards an organisation of the platform's own name."""
    return Grant(
        **dict(terms),
        iat=AT,
        type="carbon_reduction_total",
        grant=IDS[0],
        pk=SigningKey(b"\x07" * 32).public,
        org=terms.platform,
        notice=NoticeRef(sha256=bytes(32), locale="en"),
    )


# What ends a link's months


class Answers(Wire):
    """A vault that answers one thing."""

    def __init__(self, body: dict[str, Json]) -> None:
        self._body = body

    def send(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return Answer(self._body, "")


class Ending:
    """A log with every text that may end months of one link, and what is shown of it."""

    LINK, OTHER = IDS[0], IDS[1]
    ACCOUNT, STRANGER = SigningKey(b"\x31" * 32), SigningKey(b"\x32" * 32)
    ENDED, END = SigningKey(b"\x33" * 32), AT + 5  # a key of the source, and when it ended

    def __init__(self) -> None:
        self.log = SmallLog("vault.demo/log")
        random = Seeded(b"endings")
        self.vault = SigningKey(random(32))
        self.cast = make_cast(self.vault.public, SigningKey(b"\x06" * 32), random)
        self.source = self.cast.actors[SOURCES[0]].key
        listed = compose(self.cast, Edition(1, FIRST_PREV, AT, 0, self._entry(), RELEASES, ()))
        listed = listed.model_copy(update={"entries": tuple(map(self._older, listed.entries))})
        auditor = self.cast.auditor
        self.directory = read_directory(listed.signed(auditor), auditor.public)
        self.closes = [self._close(JAN), self._close(FEB), self._close(MAR, self.OTHER)]
        self.texts = self._texts()
        self.salts = [sha256(text.encode()).digest()[:16] for text, _ in self.texts.values()]
        self.log.entries = [
            leaf_data(salt, at, text)
            for salt, (text, at) in zip(self.salts, self.texts.values(), strict=True)
        ]

    def _older(self, party: Party) -> Party:
        """Return a source with the key that it had before."""
        key = KeyTime(pk=self.ENDED.public, begins=0, until=self.END)
        first = party.id == SOURCES[0]
        return party.model_copy(update={"sig": (*party.sig, key)}) if first else party

    def _entry(self) -> LogEntry:
        witness = str(witness_key(WITNESS, WITNESS_KEY))
        return LogEntry(
            origin=self.log.origin, vkey=str(self.log.vkey), witnesses=(witness,), quorum=1
        )

    def _close(self, month: Month, link: bytes = LINK) -> str:
        cell = Cell(Scalar(1), check_point(self.vault.public))
        close = Close(
            iat=1,
            link=link,
            month=month,
            methodology="demo-1",
            cells=(cell,) * 7,
            upto=0,
            batches=bytes(32),
        )
        return close.signed(self.source)

    def _texts(self) -> dict[str, tuple[str, int]]:
        """Return texts and when the log took them, by what they are."""
        own, other, later = self.LINK, self.OTHER, AT + 5
        close = [text_hash(text) for text in self.closes]

        def absent(link: bytes, month: Month, key: SigningKey) -> str:
            return AbsentMonth(iat=AT, link=link, month=month).signed(key)

        def unlink(link: bytes, key: SigningKey, iat: int = AT) -> str:
            return Unlink(iat=iat, link=link).signed(key)

        return {
            "absent": (absent(own, JAN, self.vault), later),
            "absent of another link": (absent(other, JAN, self.vault), later),
            "absent too early": (absent(own, FEB, self.vault), later),
            "absent by a stranger": (absent(own, JAN, self.STRANGER), later),
            "absent by the source": (absent(own, JAN, self.source), later),
            "unlink": (unlink(own, self.ACCOUNT), AT),
            "unlink before": (unlink(own, self.ACCOUNT, AT - 40 * 86400), AT - 40 * 86400),
            "unlink by the source": (unlink(own, self.source), later),
            "unlink by a key that ended since": (unlink(own, self.ENDED), self.END - 1),
            "unlink by a key that had ended": (unlink(own, self.ENDED), self.END),
            "unlink by another source": (unlink(own, self.cast.actors[SOURCES[1]].key), later),
            "unlink of another link": (unlink(other, self.ACCOUNT), later),
            "unlink that is antedated": (unlink(own, self.ACCOUNT, AT + 3606), AT + 5),
            "unlink an hour ahead": (unlink(own, self.ACCOUNT, AT + 3605), AT + 5),
            "reject": (Reject(iat=AT, close=close[1]).signed(self.ACCOUNT), later),
            "reject by the source": (Reject(iat=AT, close=close[1]).signed(self.source), later),
            "reject of another link": (Reject(iat=AT, close=close[2]).signed(self.ACCOUNT), later),
            "reject of no close": (Reject(iat=AT, close=bytes(32)).signed(self.ACCOUNT), later),
            "bind": (Bind(iat=AT, org=BANK, pk=self.source.public).signed(self.ACCOUNT), later),
        }

    def shown(self, name: str, of: str = "", witnessed: bool = True) -> dict[str, Json]:
        """Return an item as the vault shows it, perhaps with another one's proof."""
        index = list(self.texts).index(of or name)
        checkpoint = self.log.checkpoint()
        note = sign_checkpoint(checkpoint, self.log.key)
        line = str(cosign(checkpoint, WITNESS, WITNESS_KEY, AT)) if witnessed else ""
        proof = Proof(
            salt=self.salts[index],
            at=list(self.texts.values())[index][1],
            index=index,
            hashes=tuple(naive.path(index, self.log.entries)),
            checkpoint=note + line,
        )
        return {"text": self.texts[name][0], "proof": str(proof)}


def endings() -> JsonIn:
    scene = Ending()
    shown: list[tuple[str, list[dict[str, Json]]]] = [
        (name, [scene.shown(name)]) for name in scene.texts
    ]
    shown += [
        ("nothing", []),
        ("all together", [scene.shown(n) for n in ("absent", "unlink", "unlink before", "reject")]),
        ("the proof of another", [scene.shown("absent", of="unlink")]),
        ("without a witness", [scene.shown("absent", witnessed=False)]),
        ("no proof", [{"text": scene.texts["absent"][0], "proof": "none"}]),
    ]
    return {
        "directory": scene.directory.text,
        "auditor": scene.directory.signer_key.hex(),
        "account": scene.ACCOUNT.public.hex(),
        "link": scene.LINK.hex(),
        "source": SOURCES[0],
        "now": AT + 10,
        "closes": [{"close": text} for text in scene.closes],
        "cases": [ended(scene, name, absents) for name, absents in shown],
    }


def ended(scene: Ending, name: str, absents: list[dict[str, Json]]) -> JsonIn:
    closes: list[Json] = [{"close": text} for text in scene.closes]
    wire = Answers({"closes": closes, "absents": list(absents)})

    def fetch() -> Endings:
        return fetch_endings(
            wire,
            lambda _: scene.directory,
            scene.ACCOUNT.public,
            scene.LINK,
            SOURCES[0],
            AT + 10,
        )

    refused = slug_of(fetch)
    found = Endings() if refused else fetch()
    return {
        "name": name,
        "absents": absents,
        "slug": refused,
        "absent": sorted(found.absent),
        "ends": found.ends,
    }


def names() -> Iterator[JsonIn]:
    handle = bytes(range(10))
    code = write_symbols(handle)
    for name in (
        code,
        f" {code.lower().replace('-', ' ')} ",
        handle.hex(),
        URN + handle.hex(),
        URN + code,
        handle.hex().upper(),
        handle.hex()[:-1],
        code[:-1],
        "",
        write_symbols(bytes(20)),
    ):
        refused = slug_of(partial(read_name, name))
        yield [name, None if refused else read_name(name)]


def text_of(found: dict[str, Json]) -> str:
    """Return the file's text."""
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text_of(vectors()), encoding="utf-8")
