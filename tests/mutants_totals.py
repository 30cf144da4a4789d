"""Mutants of tokens and releases."""

from __future__ import annotations

from collections.abc import Iterator

from consent.demo.cast import BANK, CITY
from consent.messages import Grant, Pause, Revoke
from tests.forger import (
    Forger,
    Mutant,
    Rule,
    body_of,
    edited,
)
from tests.mutants_grants import AUTUMN, LATE, food
from tests.switched import RELEASES, TOKENS, WINDOWS, Change, no, skip
from tests.tale import JUN, MAY, QUARTER, Line
from tests.world import APR, EAST, FEB, JAN, MAR, WEST
from vault.encoding import text_hash

Mutants = Iterator[Mutant]
SPRING = (FEB, MAR, APR)


def not_live(f: Forger) -> Mutants:
    first = f.grants("ann", CITY)[0]
    yield f.move(f.of_grant("release", first, (JAN,))[0], f.find("revoke")[0], "release")
    bob = f.grants("bob", CITY)[0]
    yield f.move(f.of_grant("release", bob)[0], f.find("pause")[0], "release")
    window, name = (MAR,), f.links("eve", EAST)[0]
    grant, key = food(f), f.eve_for[CITY]
    other, token = food(f), f.token(grant, window, (name, window))
    other = other.model_copy(update={"replaces": grant.grant})
    texts = [f.by_eve(grant), token, f.by_eve(other), f.release(grant, window)]
    yield f.insert_all(f.end, texts, "release", "replaced", hold=False)
    for kind in (Pause, Revoke):
        status = kind(iat=1, grant=grant.grant, n=1).signed(key)
        texts = [f.by_eve(grant), status, token]
        yield f.insert_all(f.end, texts, "token", kind.typ)
    texts = [f.by_eve(grant), f.by_eve(other), token]
    yield f.insert_all(f.end, texts, "token", "replaced")


def after_until(f: Forger) -> Mutants:
    now = f.lines[-1].at
    link = f.links("eve", EAST)[0]
    grant = food(f, until=now + 10)
    token = f.token(grant, (MAR,), (link, (MAR,)))
    lines = [*f.lines, Line(now, f.by_eve(grant)), Line(now + 10, token)]
    yield Mutant("token", f.restate(lines), len(lines) - 1, "token")
    lines[-1] = Line(now + 9, token)
    lines.append(Line(now + 10, f.release(grant, (MAR,))))
    yield Mutant("release", f.restate(lines), len(lines) - 1, "release")


def _tokens(f: Forger, grant: Grant, *texts: str) -> Mutants:
    for text in texts:
        yield f.insert_all(f.end, [f.by_eve(grant), text], "token")


def other_windows(f: Forger) -> Mutants:
    link, grant = f.links("eve", EAST)[0], food(f, first=FEB, last=MAY)
    windows = ((JAN,), (JUN,), (FEB, MAR))
    yield from _tokens(f, grant, *(f.token(grant, w, (link, w[-1:])) for w in windows))


def too_many_cells(f: Forger) -> Mutants:
    grant = f.grant(BANK, AUTUMN)
    made = [f.south(MAY) for _ in range(196)]
    token = f.token(grant, LATE, *((link, LATE) for link, _ in made))
    texts = [f.by_eve(grant), *(attach for _, attach in made), token]
    yield f.insert_all(f.end, texts, "token", f"{196 * 21} cells")


def others_cells(f: Forger) -> Mutants:
    grant = food(f)
    own = f.links("eve", EAST)[0]
    for name, source in (("ann", EAST), ("bob", WEST), ("ann", WEST)):
        link = f.links(name, source)[0]
        yield from _tokens(
            f,
            grant,
            f.token(grant, (MAR,), (link, (MAR,))),
            f.token(grant, (MAR,), (own, (MAR,)), (link, (MAR,))),
        )


def own_sources_cells(f: Forger) -> Mutants:
    grant = food(f)
    link, attach = f.south(MAY)
    texts = [f.by_eve(grant), attach, f.token(grant, (MAY,), (link, (MAY,)))]
    yield f.insert_all(f.end, texts, "token")


def cells_before_the_link(f: Forger) -> Mutants:
    grant, late = food(f), f.links("eve", WEST)[-1]
    yield from _tokens(f, grant, f.token(grant, (JAN,), (late, (JAN,))))


def cells_outside_the_window(f: Forger) -> Mutants:
    grant, link = food(f), f.links("eve", EAST)[0]
    yield from _tokens(
        f,
        grant,
        f.token(grant, (JAN,), (link, (MAR,))),
        f.token(grant, (MAR,), (link, (FEB, MAR))),
    )


def absent_cells(f: Forger) -> Mutants:
    grant, (ended, late) = food(f), f.links("eve", WEST)
    east = f.links("eve", EAST)[0]
    yield from _tokens(
        f,
        grant,
        f.token(grant, (FEB,), (late, (FEB,))),
        f.token(grant, (MAR,), (ended, (MAR,))),
        f.token(grant, (FEB,), (east, (FEB,)), (ended, (FEB,))),
    )
    reject = f.reject(f.close(east, MAR))
    token = f.token(grant, (MAR,), (east, (MAR,)))
    yield f.insert_all(f.end, [f.by_eve(grant), reject, token], "token", "rejected")


def overlapping_windows(f: Forger) -> Mutants:
    link = f.links("eve", EAST)[0]
    for scope in ((3, 4), (4, 5)):
        grant = food(f, categories=scope)
        yield from _tokens(f, grant, f.token(grant, (MAR,), (link, (MAR,))))
    grant = f.grant(BANK, {"first": FEB, "last": APR})
    yield from _tokens(f, grant, f.token(grant, SPRING, (link, SPRING)))
    wide, narrow = food(f, categories=(1, 2)), food(f)
    texts = [
        f.by_eve(wide),
        f.token(wide, (MAR,), (link, (MAR,))),
        f.by_eve(narrow),
        f.token(narrow, (MAR,), (link, (MAR,))),
    ]
    yield f.insert_all(f.end, texts, "token", "a part of a window")


def made_again_otherwise(f: Forger) -> Mutants:
    city = f.grants("eve", CITY)[0]
    east, west = f.links("eve", EAST)[0], f.links("eve", WEST)[-1]
    fewer = [f.token(city, (MAY,), (link, (MAY,))) for link in (east, west)]
    for text in fewer:
        yield f.insert(f.end, text, "token", "fewer cells")
    again = f.grant(CITY, {"last": MAY})
    yield from _tokens(f, again, f.token(again, (MAY,), (east, (MAY,))))
    bank = f.grants("eve", BANK)[-1]
    window = (APR, MAY, JUN)
    link, attach = f.south(MAY)
    cells = [(east, window), (west, window), (link, (MAY, JUN))]
    yield f.insert_all(f.end, [attach, f.token(bank, window, *cells)], "token", "more cells")


def released_made_smaller(f: Forger) -> Mutants:
    east, west = f.links("eve", EAST)[0], f.links("eve", WEST)[-1]
    for rejected, kept in ((west, east), (east, west)):
        for month in (MAR, APR):
            grant, again, window = food(f), food(f), (month,)
            begun = [
                f.by_eve(grant),
                f.token(grant, window, (east, window), (west, window)),
                f.release(grant, window),
                f.reject(f.close(rejected, month)),
            ]
            smaller = f.token(grant, window, (kept, window))
            yield f.insert_all(f.end, [*begun, smaller], "token")
            smaller = f.token(again, window, (kept, window))
            yield f.insert_all(f.end, [*begun, f.by_eve(again), smaller], "token")


def _released(f: Forger, **changed: str) -> Mutants:
    for index in f.find("release"):
        yield f.replace(index, edited(f.text(index), f.vault, **changed), "release")


def other_uses(f: Forger) -> Mutants:
    yield from _released(f, purpose="TargetedAdvertising")


def other_tokens(f: Forger) -> Mutants:
    yield from _released(f, token="44" * 32)
    for name, platform, window in (("ann", BANK, QUARTER), ("bob", CITY, (JAN,))):
        grant = f.grants(name, platform)[0]
        first, last = f.of_grant("token", grant, window)
        index = f.of_grant("release", grant, window)[0]
        assert first < last < index
        old = text_hash(f.text(first)).hex()
        yield f.replace(index, edited(f.text(index), f.vault, token=old), "release", "older")
    city = f.grants("eve", CITY)[0]
    for window in ((JUN,), (MAR, APR)):
        yield f.insert(f.end, f.release(city, window), "release", "no token")


def released_twice(f: Forger) -> Mutants:
    for index in f.find("release")[::2]:
        yield f.insert(index + 1, f.text(index), "release", "the same bytes")
    for index in f.find("release")[1::2]:
        yield f.insert(f.end, edited(f.text(index), f.vault, iat=1), "release", "other bytes")


def missing_closes(f: Forger) -> Mutants:
    city = f.grants("eve", CITY)[0]
    may = text_hash(f.text(f.of_grant("token", city, (MAY,))[-1])).hex()
    yield f.insert(f.end, edited(f.release(city, (MAY,)), f.vault, token=may), "release")
    for name, platform, window in (("ann", CITY, (JAN,)), ("ann", BANK, QUARTER)):
        grant = f.grants(name, platform)[0]
        index = f.of_grant("release", grant, window)[0]
        close = f.close(f.links(name, EAST)[0], window[-1])
        token = f.of_grant("token", grant, window)[-1]
        if token < close:
            yield f.move(index, close, "release")
        yield Mutant("a close dropped", f.without(close), index - 1, "release")


def absent_sums(f: Forger) -> Mutants:
    city, bank = f.grants("eve", CITY)[0], f.grants("eve", BANK)[-1]
    for grant, window in ((city, (MAR,)), (city, (APR,)), (bank, QUARTER)):
        index = f.of_grant("release", grant, window)[0]
        reject = f.reject(f.close(f.links("eve", EAST)[0], window[-1]))
        lines = [*f.lines[:index], Line(f.lines[index - 1].at, reject), *f.lines[index:]]
        yield Mutant(f"{window} rejected", f.restate(lines), index + 1, "release")


def other_sums(f: Forger) -> Mutants:
    releases = f.find("release")
    for index, other in zip(releases, releases[1:] + releases[:1], strict=True):
        member = "cC"[index % 2]
        changed = {member: body_of(f.text(other))[member]}
        yield f.replace(index, edited(f.text(index), f.vault, **changed), "release", member)


def other_closes(f: Forger) -> Mutants:
    yield from _released(f, closes="55" * 32)


def other_methods_named(f: Forger) -> Mutants:
    for index in f.find("release")[::2]:
        for named in (["demo-2"], ["demo-1", "demo-2"]):
            text = edited(f.text(index), f.vault, methodology=[*named])
            yield f.replace(index, text, "release")


TOTAL_RULES = [
    Rule(
        "live",
        "no token and no release of a grant that is paused, revoked or replaced",
        "the grant is",
        (no(TOKENS, 'granted.state != "live"'),),
        not_live,
    ),
    Rule(
        "until",
        "no token and no release from until on",
        "until had passed",
        (no(TOKENS, "at >= granted.grant.until"),),
        after_until,
    ),
    Rule(
        "window of the grant",
        "a token is of one of its grant's windows",
        "no window of this grant",
        (skip(TOKENS, "granted.grant.check_window(token.window)"),),
        other_windows,
    ),
    Rule(
        "4,096 cells",
        "a token covers at most 4,096 cells",
        "at most 4096",
        (skip(TOKENS, "check_count(token.cells, granted.grant.scope)"),),
        too_many_cells,
    ),
    Rule(
        "cells of the account",
        "a token's cells are of links of the one account of its bind",
        "not attached to the account",
        (no(TOKENS, "linked.account != granted.account"),),
        others_cells,
    ),
    Rule(
        "no cells of the platform's own",
        "a token has no cell of a source of the platform's organisation",
        "the platform's own source",
        (no(TOKENS, "self.directory.org_of(linked.source) == granted.grant.org"),),
        own_sources_cells,
    ),
    Rule(
        "cells from the link's month on",
        "a token has no cell of a month before its link began",
        "before its link began",
        (no(TOKENS, "months[0] < linked.begins"),),
        cells_before_the_link,
    ),
    Rule(
        "cells inside the window",
        "a token's cells are of months of its window",
        "outside the window",
        (no(TOKENS, "not set(months) <= set(token.window)"),),
        cells_outside_the_window,
    ),
    Rule(
        "no absent cells",
        "a token has no absent cell",
        "a cell of an absent month",
        (no(TOKENS, "any(linked.lacks(month) for month in months)"),),
        absent_cells,
    ),
    Rule(
        "guard: disjoint windows",
        "an organisation's windows of one person share no category and month",
        "overlaps",
        (no(WINDOWS, "atoms & self._atoms"),),
        overlapping_windows,
    ),
    Rule(
        "guard: made again the same",
        "a window is made again with exactly its last cells, less absent ones",
        "made again with other cells",
        (no(TOKENS, "token.cells != wanted"),),
        made_again_otherwise,
    ),
    Rule(
        "guard: released windows stay",
        "a released window is never made smaller",
        "made smaller",
        (no(TOKENS, "last.released and token.cells != last.cells"),),
        released_made_smaller,
    ),
    Rule(
        "purpose",
        "a release is for a purpose of the grant",
        "is no purpose",
        (no(RELEASES, "release.purpose not in granted.grant.purposes"),),
        other_uses,
    ),
    Rule(
        "newest token",
        "a release names the newest token of its window, and there is one",
        "newest token",
        (
            Change(
                RELEASES,
                'raise BadShape("it does not name the newest token of this window")',
                "return granted.account",
            ),
        ),
        other_tokens,
        "a window outside the grant never has a token, so it shows here",
    ),
    Rule(
        "release once",
        "one release per grant, window and purpose",
        "was released for this purpose",
        (no(RELEASES, "key in self._releases"),),
        released_twice,
    ),
    Rule(
        "every close",
        "every close of the cells stands before the release",
        "does not stand before",
        (
            Change(
                RELEASES,
                'raise BadShape(f"the close of {missing[0][1]} does not stand before")',
                "return",
            ),
        ),
        missing_closes,
    ),
    Rule(
        "no absent cell in a sum",
        "no cell of a release is absent",
        "a cell of an absent month",
        (no(RELEASES, "any(self._linked(link).lacks(month) for link, month in cells)"),),
        absent_sums,
    ),
    Rule(
        "combine",
        "(c, C) is the sum of the closes over cells and categories",
        "is not the sum",
        (no(RELEASES, "total != Cell(release.c, release.C)"),),
        other_sums,
    ),
    Rule(
        "closes hash",
        "a release names the closes that it adds up",
        "not the hash of the closes",
        (no(RELEASES, "_hash_names(closes) != release.closes"),),
        other_closes,
    ),
    Rule(
        "methodology named",
        "a release names the methodology releases of its closes",
        "not the releases that the closes name",
        (
            no(
                RELEASES,
                "sorted({close.methodology for close in closes}) != list(release.methodology)",
            ),
        ),
        other_methods_named,
    ),
]
