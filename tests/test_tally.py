"""The tally: what an audit counts, by month, template and platform, and how stops were kept."""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from consent.demo.cast import CITY
from consent.messages import Grant, Release
from consent.report.tally import (
    BUCKETS,
    ENDS,
    MOST_REASONS,
    NEVER,
    OTHER,
    Tally,
    compare_listings,
    short_kid,
)
from tests.attacks import Operator
from tests.report_sample import AUDITOR, FIRST, directories, grant, listing, party
from tests.world import EAST, World
from vault.directory import FIRST_PREV, Directory, read_directory
from vault.encoding import Json, read_envelope
from vault.messages import KeyTime, Listing
from vault.months import DEFAULT_ZONE, Month, add_months, month_begins

JAN = month_begins(FIRST, DEFAULT_ZONE)
FEB = month_begins(add_months(FIRST, 1), DEFAULT_ZONE)
Rows = list[dict[str, Json]]


def rows(tally: Tally, name: str) -> Rows:
    return cast("Rows", tally.plain()[name])


def gaps(tally: Tally) -> dict[str, Json]:
    return cast("dict[str, Json]", tally.plain()["gaps"])


def bank(number: int = 1, until: int = 2**40) -> Grant:
    return grant(number, "bank.example", "GREEN-LOAN-RATE", until)


def place(month: str) -> dict[str, Json]:
    return {"month": month, "template": "GREEN-LOAN-RATE", "platform": "bank.example"}


def test_releases_are_counted_by_the_month_of_the_vaults_zone() -> None:
    tally = Tally()
    for at in (JAN, FEB - 1, FEB):
        tally.take_release(at, bank())
    assert rows(tally, "releases") == [
        {**place("2026-01"), "count": 2},
        {**place("2026-02"), "count": 1},
    ]


def test_month_follows_the_zone_that_the_directory_names() -> None:
    tally = Tally()
    tally.take_release(JAN, bank())
    west = listing(1, JAN, FIRST_PREV, platforms=1, self_audited=False, demo=False)
    tally.take_directory(0, JAN, None, read(west.model_copy(update={"zone": "America/New_York"})))
    tally.take_release(JAN, bank())
    assert [row["month"] for row in rows(tally, "releases")] == ["2025-12", "2026-01"]


def read(made: Listing) -> Directory:
    return read_directory(made.signed(AUDITOR), AUDITOR.public)


def test_time_past_the_calendar_has_no_month() -> None:
    tally = Tally()
    tally.take_release(2**52, bank())
    assert [row["month"] for row in rows(tally, "releases")] == [None]


def test_refusals_without_a_grant_are_requests() -> None:
    tally = Tally()
    tally.take_refusal(JAN, bank(), "revoked")
    tally.take_refusal(JAN, None, "declined")
    assert rows(tally, "refusals") == [{**place("2026-01"), "reason": "revoked", "count": 1}]
    assert rows(tally, "requests") == [{"month": "2026-01", "reason": "declined", "count": 1}]


def test_reasons_that_a_vault_makes_up_do_not_fill_the_memory() -> None:
    tally = Tally()
    for number in range(3 * MOST_REASONS):
        tally.take_refusal(JAN, None, f"reason {number}")
    found = {row["reason"]: row["count"] for row in rows(tally, "requests")}
    assert len(found) == MOST_REASONS + 1
    assert found[OTHER] == 2 * MOST_REASONS


def test_gap_is_the_time_from_the_stop_to_the_last_release() -> None:
    tally = Tally()
    for number, before in enumerate((30, 7200, 40 * 86400)):
        tally.take_grant(JAN, bank(number))
        tally.take_release(JAN, bank(number))
        tally.take_end(JAN + before, bank(number), "revoked")
    assert (gaps(tally)["longest"], gaps(tally)["late"], gaps(tally)["count"]) == (-30, 0, 3)
    found = {row["bucket"]: row["count"] for row in cast("Rows", gaps(tally)["buckets"])}
    assert {name for name, count in found.items() if count} == {"hour", "day", "quarter"}


def test_release_after_its_stop_is_measured() -> None:
    tally = Tally()
    tally.take_grant(JAN, bank())
    tally.take_release(JAN, bank())
    tally.take_end(JAN + 10, bank(), "revoked")
    tally.take_release(JAN + 17, bank())
    assert (gaps(tally)["longest"], gaps(tally)["late"]) == (7, 1)
    # Positive control: before the stop the same release is no gap.
    kept = Tally()
    kept.take_grant(JAN, bank())
    kept.take_release(JAN + 7, bank())
    kept.take_end(JAN + 10, bank(), "revoked")
    assert (gaps(kept)["longest"], gaps(kept)["late"]) == (-3, 0)


def test_replay_tells_a_release_that_came_after_its_grants_end_as_well() -> None:
    tally = Tally()
    with World() as world:
        ann = world.person("ann", EAST)
        given = world.allow(ann, CITY)
        world.close_month(Month("2026-01"))
        world.platform(CITY).total(given.grant, (Month("2026-01"),))
        ann.holder.stop(given)
        world.time += 17
        operator = Operator(world)
        text = next(one.text for one in operator.entries() if one.kind == "release")
        late = Release.opened(read_envelope(text, Release.typ)).model_copy(update={"iat": 17})
        operator.log(late.signed(world.place.vault_key))
        found = world.auditor().audit(tally=tally).findings
    assert [one.rule for one in found] == ["release"]
    assert (gaps(tally)["longest"], gaps(tally)["late"]) == (17, 1)


def test_grant_that_was_never_used_has_no_gap() -> None:
    tally = Tally()
    tally.take_grant(JAN, bank())
    tally.take_end(JAN, bank(), "erased")
    assert gaps(tally)["longest"] is None
    assert cast("Rows", gaps(tally)["buckets"])[-1] == {"bucket": NEVER, "count": 1}


def test_pause_does_not_end_a_grant_and_until_does() -> None:
    tally = Tally()
    tally.take_grant(JAN, bank(1))
    tally.take_grant(JAN, bank(2, until=FEB))
    tally.take_grant(JAN, bank(3))
    tally.take_end(JAN, bank(1), "paused")
    tally.take_end(JAN, bank(3), "replaced")
    assert tally.plain()["grants"] == 2
    tally.take_release(FEB, bank(1))
    assert tally.plain()["grants"] == 1


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from(["release", "paused", *sorted(ENDS)]),
            st.integers(0, 10**6),
        )
    )
)
def test_counts_are_those_of_a_plain_recount(acts: list[tuple[int, str, int]]) -> None:
    tally, at = Tally(), JAN
    last: dict[int, int] = {}
    stopped: dict[int, int] = {}
    gap: list[int] = []
    for number in range(4):
        tally.take_grant(at, bank(number))
    for number, act, passed in acts:
        at += passed
        if act == "release":
            tally.take_release(at, bank(number))
            if number in stopped:
                gap.append(at - stopped[number])
            last[number] = at
        else:
            tally.take_end(at, bank(number), act)
            if act in ENDS and number not in stopped:
                stopped[number] = at
                gap += [last[number] - at] if number in last else []
    assert gaps(tally)["count"] == len(stopped)
    assert gaps(tally)["longest"] == max(gap, default=None)
    assert gaps(tally)["late"] == sum(one > 0 for one in gap) + late_at_once(acts)
    releases = sum(cast("int", row["count"]) for row in rows(tally, "releases"))
    assert releases == sum(act == "release" for _, act, _ in acts)


def late_at_once(acts: list[tuple[int, str, int]]) -> int:
    """Releases that follow their stop in the very same second."""
    at, count, stopped = 0, 0, dict[int, int]()
    for number, act, passed in acts:
        at += passed
        if act in ENDS:
            stopped.setdefault(number, at)
        elif act == "release" and stopped.get(number) == at:
            count += 1
    return count


def test_buckets_rise() -> None:
    begins = [begin for _, begin in BUCKETS]
    assert begins == sorted(begins)
    assert begins[0] == 0


def test_directories_tell_what_changed() -> None:
    tally = Tally()
    directories(tally, 12, self_audited=False, demo=False)
    found = rows(tally, "directories")
    kinds = [{c["kind"] for c in cast("Rows", row["changes"])} for row in found]
    assert kinds[0] == {"party-added", "key-added", "release", "log"}
    assert kinds[1] == set()
    assert {"release"} <= kinds[11]
    assert {"key-added", "key-ended"} <= kinds[6]


def test_ended_party_and_changed_entry_are_told() -> None:
    old = listing(1, JAN, FIRST_PREV, platforms=2, self_audited=False, demo=False)
    bike, bank_entry = old.entries[2], old.entries[-1]
    ended = KeyTime(pk=bike.sig[0].pk, begins=0, until=JAN)
    changed = (
        *old.entries[:2],
        bike.model_copy(update={"sig": (ended,)}),
        *old.entries[3:-1],
        bank_entry.model_copy(update={"name": "Another name"}),
        party("new.example", "New", "source"),
    )
    new = old.model_copy(update={"entries": changed, "next": AUDITOR.public, "demo": True})
    assert compare_listings(old, new, JAN) == [
        ("key-ended", bike.id, short_kid(bike.sig[0].pk)),
        ("party-ended", bike.id, ""),
        ("party-changed", bank_entry.id, ""),
        ("party-added", "new.example", ""),
        ("key-added", "new.example", short_kid(changed[-1].sig[0].pk)),
        ("next", "vault.example", short_kid(AUDITOR.public)),
        ("demo", "vault.example", ""),
    ]
    assert compare_listings(old, old, JAN) == []
