"""MDS trips of both versions; what they do not say is not made up."""

import json
from collections.abc import Mapping
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import BadFile
from vault.importers.entry import Entry, Setting
from vault.importers.mds import read_entries
from vault.importers.report import Lines, Report
from vault.methodology.quantify import Act

SETTING = Setting("CN-ZJ-HZ", ZoneInfo("Asia/Shanghai"))
EBIKES = Setting("CN-ZJ-HZ", ZoneInfo("Asia/Shanghai"), behaviour="travel.ebike")
PROVIDER = "c20e08cf-8488-46a6-a66c-5d8fb827f7e0"
TRIP = "a6a5d1a0-5b8e-4f0e-9c6e-0d1f2a3b4c5d"
START = 1767571200
Values = Mapping[str, object]
SHARED: Values = {
    "provider_id": PROVIDER,
    "device_id": "e19d1b6a-7f0a-4e1d-8a49-0f8f30f31f5e",
    "trip_id": TRIP,
    "start_time": START * 1000 + 999,
    "end_time": START * 1000 + 600_000,
}
V1: Values = {
    **SHARED,
    "vehicle_type": "bicycle",
    "propulsion_types": ["human"],
    "trip_duration": 601,
    "trip_distance": 1500,
    "route": {"type": "FeatureCollection", "features": [{"coordinates": [120.16, 30.25]}]},
}
V2: Values = {
    **SHARED,
    "duration": 601,
    "distance": 1500,
    "start_location": {"lat": 30.25, "lng": 120.16},
}


def answer(*trips: object, version: int = 1) -> bytes:
    held: Values = {"trips": trips}
    body = {"data": held} if version == 1 else held
    return json.dumps({"version": f"{version}.2.0", **body}).encode()


def read(raw: bytes, setting: Setting = SETTING) -> tuple[list[Entry], Report]:
    report = Report()
    return list(read_entries(BytesIO(raw), setting, report)), report


def expected(behaviour: str) -> Entry:
    act = Act(behaviour, {"m": 1500, "s": 601}, START, START + 600, "CN-ZJ-HZ")
    return Entry(1, None, act, f"{PROVIDER}:{TRIP}", False)


def test_a_trip_of_version_1_says_what_was_ridden() -> None:
    assert read(answer(V1)) == ([expected("travel.bike")], Report(read=1, accepted=1))


@pytest.mark.parametrize(
    ("powers", "behaviour"),
    [
        (["human"], "travel.bike"),
        (["human", "electric_assist"], "travel.ebike"),
        (["electric_assist"], "travel.ebike"),
        (["electric"], "travel.ebike"),
        (["electric", "combustion"], None),
        (["human", 5], None),
        ([["human"]], None),
        ([], None),
        ("human", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("member", ["propulsion_types", "propulsion_type"])
def test_a_motor_makes_it_an_electric_bicycle(
    powers: object, behaviour: str | None, member: str
) -> None:
    trip = {name: found for name, found in V1.items() if name != "propulsion_types"}
    entries, report = read(answer({**trip, member: powers}))
    assert entries == ([expected(behaviour)] if behaviour else [])
    assert report.refused == ({} if behaviour else {"no-behaviour": [1]})


@pytest.mark.parametrize("vehicle", ["scooter", "moped", "car", "cargo_bicycle", "", None, 1, [[]]])
def test_what_is_no_bicycle_has_no_behaviour(vehicle: object) -> None:
    _, report = read(answer({**V1, "vehicle_type": vehicle}), EBIKES)
    assert report == Report(read=1, refused={"no-behaviour": Lines([1])})


def test_version_2_leaves_the_behaviour_to_the_setting() -> None:
    assert read(answer(V2, version=2), EBIKES)[0] == [expected("travel.ebike")]
    # What a trip of version 2 says of a vehicle is no part of that version.
    _, report = read(answer({**V1, **V2}, version=2))
    assert report == Report(read=1, refused={"no-behaviour": Lines([1])})


@pytest.mark.parametrize(
    ("trip", "guessable"),
    [
        (TRIP, False),
        (TRIP.upper(), False),
        (TRIP.replace("-4f0e", "-1f0e"), True),  # of time and machine
        (TRIP.replace("-4f0e", "-7f0e"), True),
        (TRIP.replace("-9c6e", "-cc6e"), True),
        ("00000000-0000-0000-0000-000000000000", True),
    ],
)
def test_only_a_random_uuid_may_make_a_tag(trip: str, guessable: bool) -> None:
    (entry,), _ = read(answer({**V1, "trip_id": trip}))
    assert (entry.receipt, entry.guessable) == (f"{PROVIDER}:{trip.lower()}", guessable)


@pytest.mark.parametrize(
    ("member", "found", "reason"),
    [
        ("trip_distance", -1, "redacted"),
        ("trip_distance", "-1", "redacted"),
        ("trip_distance", -1.0, "redacted"),
        ("trip_duration", -1, "redacted"),
        ("start_time", -1, "redacted"),
        ("trip_id", -1, "redacted"),
        ("provider_id", -1, "redacted"),
        ("trip_distance", -2, "negative"),
        ("trip_distance", 1e308, "bad-number"),
        ("trip_distance", 2**53, "bad-number"),
        ("trip_distance", 10**400, "bad-number"),
        ("trip_distance", "NaN", "bad-number"),
        ("trip_distance", None, "bad-number"),
        ("trip_distance", True, "bad-number"),
        ("trip_distance", [1500], "bad-number"),
        ("trip_duration", {}, "bad-number"),
        ("trip_id", "=1+1", "bad-number"),
        ("trip_id", f"{TRIP}\n", "bad-number"),
        ("trip_id", None, "bad-number"),
        ("provider_id", "bike.example", "bad-number"),
        ("start_time", START, "bad-time"),  # seconds, as before version 0.3
        ("start_time", START * 10**6, "bad-time"),
        ("start_time", "2026-01-05T00:00:00Z", "bad-number"),
        ("end_time", START * 1000 - 1, "ends-before-start"),
    ],
)
def test_a_broken_trip_is_named_by_its_place_and_the_good_ones_go_on(
    member: str, found: object, reason: str
) -> None:
    entries, report = read(answer(V1, {**V1, member: found}, V1))
    assert [entry.line for entry in entries] == [1, 3]
    assert report == Report(read=3, accepted=2, refused={reason: Lines([2])})
    missing = {name: kept for name, kept in V1.items() if name != member}
    assert read(answer(missing))[1] == Report(read=1, refused={"bad-number": Lines([1])})


@pytest.mark.parametrize("version", [1, 2])
def test_a_byte_order_mark_and_the_place_of_the_version_do_not_matter(version: int) -> None:
    raw = answer(V1, V2, V1, version=version)
    body = json.loads(raw)
    last = json.dumps({**{n: body[n] for n in body if n != "version"}, **body}, indent=1).encode()
    other = json.dumps(dict(reversed(body.items()))).encode()
    assert read(b"\xef\xbb\xbf" + raw) == read(last) == read(other) == read(raw)
    assert read(raw)[1].read == 3


@pytest.mark.parametrize("trip", [None, 5, "trip", [], [V1]])
def test_what_is_no_object_is_no_trip(trip: object) -> None:
    assert read(answer(trip, V1))[1] == Report(
        read=2, accepted=1, refused={"not-a-trip": Lines([1])}
    )


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "wanted UTF-8 JSON"),
        (b"[]", "found no such version"),
        (b"{}", "found no such version"),
        (b'{"version":1,"data":{"trips":[]}}', "found no such version"),
        (b'{"version":"0.4.1","data":{"trips":[]}}', "found no such version"),
        (b'{"version":"10.0.0","data":{"trips":[]}}', "found no such version"),
        (b'{"version":"1.2.0","trips":[]}', 'version 1, "data": {"trips": […]}; found none'),
        (b'{"version":"1.2.0","data":[]}', "found none"),
        (b'{"version":"2.0.0","data":{"trips":[]}}', 'version 2, "trips": […]; found none'),
        (b'{"version":"2.0.0","trips":{}}', "found none"),
        (answer(V1).replace(b"1500", b"NaN"), "NaN"),
        (answer(V1).replace(b"1500", b"-Infinity"), "Infinity"),
        (answer(V1).replace(b'"device_id"', b'"trip_id"'), "twice in one object"),
        (answer(V1).decode().encode("utf-16"), "wanted UTF-8 JSON"),
        (b" " * (64 << 20) + b"{}", "over 64 MiB"),
    ],
)
def test_another_kind_of_file_says_what_was_wanted(raw: bytes, says: str) -> None:
    with pytest.raises(BadFile) as refused:
        read(raw)
    assert says in str(refused.value)
    assert PROVIDER not in str(refused.value)


def test_no_place_and_no_device_comes_out() -> None:
    entries, report = read(answer(V1, V2))
    said = repr((entries, report, read(answer(V2, version=2), EBIKES)))
    assert not any(secret in said for secret in ("30.25", "120.16", "e19d1b6a"))


finite = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no other numbers
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@given(st.sampled_from(sorted(V1)), json_values)
def test_any_value_makes_an_entry_or_a_named_refusal(member: str, found: object) -> None:
    entries, report = read(answer({**V1, member: found}))
    assert (len(entries), report.read) == (report.accepted, 1)


@given(st.permutations(range(6)), st.integers(0, 6))
def test_order_and_cuts_do_not_change_the_entries(order: list[int], cut: int) -> None:
    trips = [{**V1, "trip_distance": distance} for distance in (0, 1, -1, 2.5, "x", 7)]
    whole, _ = read(answer(*trips))
    mixed = [trips[at] for at in order]
    parts = read(answer(*mixed[:cut]))[0] + read(answer(*mixed[cut:]))[0]
    assert sorted(e.act.activity["m"] for e in parts) == sorted(e.act.activity["m"] for e in whole)
