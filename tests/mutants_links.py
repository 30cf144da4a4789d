"""Mutants of accounts, links, closes, absents and rejects."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from consent.demo.cast import CITY
from consent.messages import Bind
from tests.forger import (
    STRANGER,
    Forger,
    Mutant,
    Rule,
    body_of,
    edited,
)
from tests.switched import LINKS, Change, no, skip
from tests.tale import (
    EAST_2,
    MAY,
    VAULT_2,
)
from tests.world import APR, EAST, FEB, JAN, MAR, WEST
from vault.encoding import Json, text_hash
from vault.messages import AbsentMonth, Attach, Reject, Unlink
from vault.months import Month

Mutants = Iterator[Mutant]


def second_accounts(f: Forger) -> Mutants:
    for index in f.find("account"):
        for place in (index + 1, f.end):
            yield f.insert(place, f.text(index), "account")
    yield f.insert(f.end, f.account(f.eve), "account")


def other_vaults_accounts(f: Forger) -> Mutants:
    text = edited(f.account(STRANGER), STRANGER, vault=VAULT_2)
    for place in (1, f.end):
        yield f.insert(place, text, "account")


def no_accounts(f: Forger) -> Mutants:
    bind = Bind(iat=1, org=CITY, pk=f.eve.public).signed(STRANGER)
    yield f.insert(f.end, bind, "bind")
    _, attach = f.south(APR)
    yield f.insert(f.end, edited(attach, STRANGER), "attach")
    for typ in ("bind", "attach"):
        index = f.find(typ)[0]
        account = next(i for i in f.find("account") if f.owners[i] == f.owners[index])
        yield f.move(index, account, typ)


def second_links(f: Forger) -> Mutants:
    for name in ("ann", "bob", "eve"):
        link = f.links(name, WEST)[0]
        (index,) = f.find("attach", _is_about(link))
        stolen = str(body_of(f.text(index))["receipt"])
        attach = Attach(iat=1, link=link, receipt=stolen).signed(f.eve)
        if f.find("account")[-1] < index + 1:
            yield f.insert(index + 1, attach, "attach", f"{name}'s link again")
        yield f.insert(index + 1, f.text(index), "attach", "the same bytes")


def links_attached_too_late(f: Forger) -> Mutants:
    for begins in (JAN, FEB, MAR, Month("2026-12")):
        _, attach = f.south(begins)
        yield f.insert(f.end, attach, "attach", f"from {begins}")


def links_of_other_receipts(f: Forger) -> Mutants:
    _, attach = f.south(APR)
    yield f.insert(f.end, edited(attach, f.eve, link=f.id().hex()), "attach")
    link = f.links("ann", EAST)[0]
    yield f.insert(f.end, edited(attach, f.eve, link=link.hex()), "attach")


def strange_unlinks(f: Forger) -> Mutants:
    link = f.links("ann", EAST)[0]
    unlink = Unlink(iat=1, link=link)
    for key in (f.west, f.vault, f.bank, STRANGER, f.eve):
        yield f.insert(f.end, unlink.signed(key), "unlink")


def second_unlinks(f: Forger) -> Mutants:
    for index in f.find("unlink"):
        yield f.insert(f.end, f.text(index), "unlink")
        link = bytes.fromhex(str(body_of(f.text(index))["link"]))
        key = EAST_2 if link in f.links("bob", EAST) else f.west
        yield f.insert(f.end, Unlink(iat=1, link=link).signed(key), "unlink")


def unknown_links(f: Forger) -> Mutants:
    link = f.id()
    yield f.insert(f.end, Unlink(iat=1, link=link).signed(EAST_2), "unlink")
    yield f.insert(f.end, AbsentMonth(iat=1, link=link, month=JAN).signed(f.vault), "absent")
    close = f.close(f.links("ann", EAST)[0], APR)
    text = edited(f.text(close), EAST_2, link=link.hex())
    yield f.insert(f.end, text, "close")


def others_closes(f: Forger) -> Mutants:
    for name in ("ann", "eve", "bob"):
        for source, key in ((EAST, f.west), (WEST, EAST_2)):
            link = f.links(name, source)[-1]
            for month in (MAR, APR):
                if f.find("close", _is_close(link, month)):
                    index = f.close(link, month)
                    yield f.replace(index, edited(f.text(index), key), "close")


def _is_close(link: bytes, month: Month) -> Callable[[dict[str, Json]], bool]:
    return lambda body: (body["link"], body["month"]) == (link.hex(), month)


def _is_about(link: bytes) -> Callable[[dict[str, Json]], bool]:
    return lambda body: body["link"] == link.hex()


def closes_out_of_slot(f: Forger) -> Mutants:
    for index in f.find("close"):
        month = body_of(f.text(index))["month"]
        early = {
            JAN: f.find("directory")[1],
            FEB: f.find("directory")[2] + 1,
            MAR: next(i for i in f.find("directory") if i > f.find("erased")[0]),
        }
        if month in early:
            yield f.move(index, early[Month(str(month))], "close")
    late = f.close(f.links("bob", WEST)[0], MAR)
    yield f.move(late, f.find("directory")[-3], "close")


def closes_before_the_link(f: Forger) -> Mutants:
    link = f.links("eve", WEST)[-1]
    (attach,) = f.find("attach", _is_about(link))
    model = f.text(f.close(f.links("ann", WEST)[0], JAN))
    for place in (attach + 1, f.find("directory")[2]):
        yield f.insert(place, edited(model, f.west, link=link.hex()), "close")


def other_methods(f: Forger) -> Mutants:
    rejected = body_of(f.text(f.find("reject")[0]))["close"]
    for index in f.find("close")[::2]:
        if text_hash(f.text(index)).hex() == rejected:
            continue  # its holder's word names these bytes
        yield f.replace(
            index, edited(f.text(index), f.key_of(index), methodology="demo-2"), "close"
        )


def second_closes(f: Forger) -> Mutants:
    for index in f.find("close")[::2]:
        yield f.insert(index + 1, f.text(index), "close", f"the same bytes as {index}")
    for index in f.find("close")[1::2]:
        other = edited(f.text(index), f.key_of(index), iat=1)
        yield f.insert(index + 1, other, "close", f"other bytes than {index}")


def closes_of_ended_links(f: Forger) -> Mutants:
    march = next(i for i in f.find("close", lambda b: b["month"] == FEB))
    for link, key in ((f.links("bob", EAST)[0], EAST_2), (f.links("eve", WEST)[0], f.west)):
        text = edited(f.text(march), key, link=link.hex())
        yield f.insert(march + 1, text, "close")


def early_absents(f: Forger) -> Mutants:
    for name in ("ann", "eve", "bob"):
        for source in (EAST, WEST):
            link = f.links(name, source)[-1]
            if not f.find("unlink", _is_about(link)):
                text = AbsentMonth(iat=1, link=link, month=MAY).signed(f.vault)
                yield f.insert(f.end, text, "absent", f"{name}'s May")
    link, attach = f.south(APR)
    absent = AbsentMonth(iat=1, link=link, month=APR).signed(f.vault)
    yield f.insert_all(f.end, [attach, absent], "absent", "inside its slot")


def absents_before_the_link(f: Forger) -> Mutants:
    link = f.links("eve", WEST)[-1]
    text = AbsentMonth(iat=1, link=link, month=JAN).signed(f.vault)
    for place in (f.find("erase")[0], f.end):
        yield f.insert(place, text, "absent")


def false_absents(f: Forger) -> Mutants:
    for name, source, month in (
        ("ann", EAST, JAN),
        ("ann", WEST, MAR),
        ("bob", WEST, MAR),
        ("eve", EAST, FEB),
    ):
        text = AbsentMonth(iat=1, link=f.links(name, source)[0], month=month).signed(f.vault)
        yield f.insert(f.end, text, "absent", f"{name} {source} {month}")


def second_absents(f: Forger) -> Mutants:
    for index in f.find("absent"):
        for place in (index + 1, f.end):
            yield f.insert(place, f.text(index), "absent")
    for link in (f.links("bob", EAST)[0], f.links("eve", WEST)[0]):
        text = AbsentMonth(iat=1, link=link, month=FEB).signed(f.vault)
        yield f.insert(f.end, text, "absent", "after the unlink")


def others_rejects(f: Forger) -> Mutants:
    for name, source in (("ann", EAST), ("ann", WEST), ("bob", WEST)):
        index = f.close(f.links(name, source)[0], MAR)
        yield f.insert(f.end, f.reject(index), "reject")


def empty_rejects(f: Forger) -> Mutants:
    yield f.insert(f.end, Reject(iat=1, close=b"\x11" * 32).signed(f.eve), "reject")
    close = f.close(f.links("eve", EAST)[0], APR)
    yield f.insert(close, f.reject(close), "reject")


LINK_RULES = [
    Rule(
        "account once",
        "a key makes an account once",
        "twice",
        (no(LINKS, "entry.envelope.kid in self._accounts"),),
        second_accounts,
    ),
    Rule(
        "account of this vault",
        "an account is for this vault",
        "an account of",
        (no(LINKS, "message.vault != self.directory.listing.vault"),),
        other_vaults_accounts,
    ),
    Rule(
        "account before",
        "binds and attaches are signed by the key of an account that stands before",
        "no account of this key",
        (
            Change(
                LINKS,
                'raise BadShape("no account of this key stands before")',
                "return entry.envelope.kid",
            ),
        ),
        no_accounts,
    ),
    Rule(
        "link once",
        "a link is attached once over the whole vault",
        "attached already",
        (no(LINKS, "link.link in self._links"),),
        second_links,
    ),
    Rule(
        "attached in time",
        "a link is attached in its first month or the next",
        "is attached in",
        (no(LINKS, "link.begins not in (add_months(running, -1), running)"),),
        links_attached_too_late,
    ),
    Rule(
        "link's own receipt",
        "an attach carries the source's message about that link",
        "the link is another's",
        (no(LINKS, "link.link != message.link"),),
        links_of_other_receipts,
    ),
    Rule(
        "unlink by either side",
        "a link is ended by its account or by its source",
        "",
        (skip(LINKS, "self.directory.verify_party(entry.envelope, linked.source, entry.at)"),),
        strange_unlinks,
    ),
    Rule(
        "unlink once",
        "a link ends once",
        "ended before",
        (no(LINKS, "linked.ends is not None"),),
        second_unlinks,
    ),
    Rule(
        "link before",
        "unlinks, absents and closes are about a link that was attached before",
        "link",
        (
            Change(
                LINKS,
                'raise BadShape("no such link stands before")',
                f'return Linked("", "{EAST}", Month("{JAN}"))',
            ),
            Change(
                LINKS,
                "linked = self._links.get(close.link)",
                f'linked = self._links.get(close.link, Linked("", "{EAST}", Month("{JAN}")))',
            ),
        ),
        unknown_links,
    ),
    Rule(
        "close by the link's source",
        "a close is signed by the source of its link",
        "not this source's",
        (no(LINKS, "linked.source != party.id"),),
        others_closes,
    ),
    Rule(
        "close in its slot",
        "a month is closed in the month after it",
        "outside its slot",
        (no(LINKS, "not begin <= entry.at < end"),),
        closes_out_of_slot,
    ),
    Rule(
        "close from the link's month on",
        "no close of a month before the link began",
        "or its link",
        (no(LINKS, "close.month < linked.begins"),),
        closes_before_the_link,
    ),
    Rule(
        "close by the release in force",
        "a close names the methodology release in force for its month",
        "not in force",
        (no(LINKS, "close.methodology != self.directory.release_for(close.month).id"),),
        other_methods,
    ),
    Rule(
        "close once",
        "one close per link and month",
        "closed twice",
        (no(LINKS, "(close.link, close.month) in self._closes"),),
        second_closes,
    ),
    Rule(
        "no close of an absent month",
        "no close of a month that is absent: the link ended",
        "is absent",
        (no(LINKS, "linked.lacks(close.month)"),),
        closes_of_ended_links,
    ),
    Rule(
        "absent after the slot",
        "a month is called absent only after its slot",
        "before its slot is over",
        (Change(LINKS, "entry.at < end or message", "message"),),
        early_absents,
    ),
    Rule(
        "absent from the link's month on",
        "no absent of a month before the link began",
        "is called absent",
        (no(LINKS, "message.month < linked.begins"),),
        absents_before_the_link,
    ),
    Rule(
        "no absent of a closed month",
        "a month that was closed is not called absent",
        "its close stands before",
        (no(LINKS, "(message.link, message.month) in self._closes"),),
        false_absents,
    ),
    Rule(
        "absent once",
        "a month is called absent once, and not when the link had ended",
        "absent already",
        (no(LINKS, "linked.lacks(message.month)"),),
        second_absents,
    ),
    Rule(
        "reject by the link's account",
        "a close is rejected by the account of its link",
        "no close of this account",
        (no(LINKS, "self._linked(closed[0]).account != account"),),
        others_rejects,
    ),
    Rule(
        "reject of a close",
        "what is rejected is a close that stands before",
        "no close of this account",
        (
            Change(
                LINKS,
                'raise BadShape("no close of this account\'s links has the hash rejected")',
                "return account",
            ),
        ),
        empty_rejects,
    ),
]
