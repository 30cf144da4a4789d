"""Charging by OCPI: one act for each CDR or Session, taken back by a credit CDR."""

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.public_data import FOLDER
from vault.errors import BadFile
from vault.importers.country import is_swapped
from vault.importers.entry import Entry, Reversal, Setting
from vault.importers.ocpi import read_entries
from vault.importers.opening import open_export
from vault.importers.report import Lines, Report
from vault.methodology.quantify import Act

SETTING = Setting("CN-ZJ-HZ", ZoneInfo("Asia/Shanghai"))
REAL = FOLDER / "ocpi_cdr_example.json"
REAL_SESSION = FOLDER / "ocpi_session_example_2_short_finished.json"
REAL_MIX = FOLDER / "ocpi_location_energymix_example_complete.json"
real_examples = pytest.mark.skipif(
    not (REAL.exists() and REAL_SESSION.exists() and REAL_MIX.exists()),
    reason="data: the OCPI examples are not in ../shared/data",
)

START = int(datetime(2026, 1, 5, 9, 0, 0, tzinfo=UTC).timestamp())
CDR = """{"country_code": "CN", "party_id": "ABC", "id": "C-1", "session_id": "S-1",
 "start_date_time": "2026-01-05T09:00:00Z", "end_date_time": "2026-01-05T10:00:01Z",
 "cdr_token": {"uid": "T7", "type": "RFID", "contract_id": "§contract§"},
 "cdr_location": {"id": "§7§", "name": "West Lake", "address": "§road§", "city": "§city§",
  "postal_code": "§zip§", "coordinates": {"latitude": "30.25", "longitude": "120.16"}},
 "total_cost": {"before_taxes": 4.00}, "remark": "§remark§", "total_energy": 15.3429}"""
SESSION = """{"country_code": "CN", "party_id": "ABC", "id": "S-1", "kwh": 15.3429,
 "start_date_time": "2026-01-05T09:00:00Z", "end_date_time": "2026-01-05T10:00:01Z",
 "cdr_token": {"uid": "T7", "contract_id": "§contract§"}, "location_id": "§LOC§",
 "status": "COMPLETED"}"""
CREDIT = CDR.replace('"C-1"', '"C-1-C", "credit": true, "credit_reference_id": "C-1"')


def read(file: str | bytes) -> tuple[list[Entry | Reversal], Report]:
    report = Report()
    raw = file.encode() if isinstance(file, str) else file
    return list(read_entries(BytesIO(raw), SETTING, report)), report


def act(wh: int = 15342, seconds: int = 3601) -> Act:
    activity = {"Wh": wh, "s": seconds}
    return Act("travel.ev_charge", activity, START, START + seconds, "CN-ZJ-HZ", "E4")


def test_a_cdr_becomes_an_act() -> None:
    entries, report = read(CDR)
    place = {"place": "West Lake"}
    assert entries == [Entry(1, "T7", act(), "CN*ABC*C-1", guessable=True, detail=place)]
    assert report == Report(read=1, accepted=1)


def test_a_completed_session_becomes_an_act() -> None:
    entries, report = read(SESSION)
    assert entries == [Entry(1, "T7", act(), "CN*ABC*S-1", guessable=True)]
    assert report == Report(read=1, accepted=1)


def test_a_credit_cdr_takes_its_cdr_back_wherever_it_stands() -> None:
    right = CDR.replace('"C-1"', '"C-2"')
    entries, report = read(f"[{CREDIT}, {CDR}, {right}]")
    assert [entry.receipt for entry in entries] == ["CN*ABC*C-1", "CN*ABC*C-2", "CN*ABC*C-1-C"]
    assert entries[2] == Reversal(1, "CN*ABC*C-1-C", "CN*ABC*C-1")
    assert (report.read, report.accepted, report.refused) == (3, 3, {})


def test_one_object_an_array_the_envelope_and_lines_say_the_same() -> None:
    flat, other = (json.dumps(json.loads(t)) for t in (CDR, CDR.replace('"C-1"', '"C-2"')))
    array = read(f"[{CDR},{other}]")
    assert [entry.receipt for entry in array[0]] == ["CN*ABC*C-1", "CN*ABC*C-2"]
    assert read(f'{{"data": [{CDR},{other}], "status_code": 1000}}') == array
    assert read(f'{{"status_code": 1000, "data": {CDR}}}') == read(CDR)
    for end in ("\n", "\r\n", "\n\n"):
        assert read(f"{flat}{end}{other}{end}") == array
    assert read(f"\ufeff{flat}\n{other}") == array
    assert read(f"\ufeff{CDR}") == read(f"{flat}\n") == read(CDR)
    assert read("[]") == read('{"data": []}') == ([], Report())


def test_a_broken_line_of_many_is_named_and_the_good_ones_go_on() -> None:
    flat = json.dumps(json.loads(CDR))
    other = flat.replace('"C-1"', '"C-2"')
    entries, report = read(f"{flat}\n{flat[:80]}\n[]\n{other}")
    assert [entry.line for entry in entries] == [1, 4]
    assert report.refused == {"not-json": [2], "not-cdr-or-session": [3]}


def test_a_session_beside_cdrs_is_not_booked_too() -> None:
    """A Session and its CDR are one act; the CDR, being final, is the one that counts."""
    for file in (f"[{SESSION}, {CDR}]", f"[{CDR}, {SESSION}]"):
        entries, report = read(file)
        assert [entry.receipt for entry in entries] == ["CN*ABC*C-1"]
        assert list(report.refused) == ["session-beside-cdr"]


@pytest.mark.parametrize(
    ("found", "put", "reason"),
    [
        ('"country_code": "CN"', '"country_code": "CHN"', "no-key"),
        ('"country_code": "CN", ', "", "no-key"),
        ('"party_id": "ABC"', '"party_id": "A*C"', "no-key"),
        ('"id": "C-1"', '"id": ""', "no-key"),
        ('"id": "C-1"', '"id": 1', "no-key"),
        ('"id": "C-1"', '"id": "C 1"', "no-key"),
        ('"uid": "T7", ', "", "no-customer"),
        ('"uid": "T7"', '"uid": null', "no-customer"),
        ("2026-01-05T09", "0014-01-05T09", "bad-time"),
        ("2026-01-05T09", "9999-01-05T09", "bad-time"),
        ("2026-01-05T09", "2026-02-30T09", "bad-time"),
        ("09:00:00Z", "09:00:00+08:00", "bad-time"),
        ("09:00:00Z", "09:00Z", "bad-time"),
        ('"2026-01-05T09:00:00Z"', "1767603600", "bad-time"),
        ("T10:00:01Z", "T08:59:59Z", "ends-before-start"),
        ("15.3429", "-0.001", "negative"),
        ("15.3429", "1e308", "bad-number"),
        ("15.3429", "9007199254740992", "bad-number"),
        ("15.3429", "true", "bad-number"),
        ("15.3429", "null", "bad-number"),
        ("15.3429", '"15.3429"', "bad-number"),
        ("15.3429", "[15.3429]", "bad-number"),
        ('"session_id": "S-1"', '"credit": "true"', "bad-credit"),
        ('"session_id": "S-1"', '"credit_reference_id": "C-0"', "bad-credit"),
        ('"session_id": "S-1"', '"credit": true', "no-reference"),
        (
            '"session_id": "S-1"',
            '"credit": true, "credit_reference_id": "C-1"',
            "takes-itself-back",
        ),
        ("total_energy", "total_time", "not-cdr-or-session"),
    ],
)
def test_a_broken_object_is_named_and_the_good_ones_go_on(
    found: str, put: str, reason: str
) -> None:
    assert found in CDR
    entries, report = read(f"[{CDR},{CDR.replace(found, put)},{CDR.replace('C-1', 'C-2')}]")
    assert [entry.line for entry in entries] == [1, 3]
    assert (report.read, report.accepted, report.refused) == (3, 2, {reason: Lines([2])})


@pytest.mark.parametrize("status", ["ACTIVE", "INVALID", "PENDING", "RESERVATION", "completed"])
def test_a_session_that_is_not_completed_is_refused(status: str) -> None:
    entries, report = read(f"[{SESSION.replace('COMPLETED', status)}]")
    assert entries == []
    assert report.refused == {"not-completed": [1]}


@pytest.mark.parametrize("written", ["09:00:00", "09:00:00.000Z", "09:00:00.999", "09:00:00.9Z"])
def test_times_are_utc_with_or_without_z_and_fractions(written: str) -> None:
    assert read(CDR.replace("09:00:00Z", written)) == read(CDR)


def test_only_a_random_number_is_not_guessable() -> None:
    for number, guessable in (
        ("0f8fad5b-d9cb-469f-a165-70867728950e", False),
        ("0F8FAD5B-D9CB-469F-A165-70867728950E", False),
        ("0f8fad5b-d9cb-169f-a165-70867728950e", True),
        ("0f8fad5bd9cb469fa16570867728950e", True),
    ):
        (entry,), _ = read(CDR.replace('"C-1"', f'"{number}"'))
        assert isinstance(entry, Entry)
        assert (entry.guessable, entry.receipt) == (guessable, f"CN*ABC*{number.upper()}")


def test_country_party_and_number_are_the_same_in_capitals_and_small_letters() -> None:
    """OCPI compares them so: written otherwise in another file it is still one act."""
    small = CDR.replace('"CN"', '"cn"').replace('"ABC"', '"abc"').replace('"C-1"', '"c-1"')
    assert read(small)[0] == read(CDR)[0]
    credit = CREDIT.replace('"credit_reference_id": "C-1"', '"credit_reference_id": "c-1"')
    assert read(f"[{small},{credit}]")[0][1] == Reversal(2, "CN*ABC*C-1-C", "CN*ABC*C-1")
    itself = CDR.replace('"session_id": "S-1"', '"credit": true, "credit_reference_id": "c-1"')
    assert read(f"[{itself}]")[1].refused == {"takes-itself-back": [1]}


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("", "wanted UTF-8 JSON"),
        (CDR[:-9], "wanted UTF-8 JSON"),
        (CDR.encode("utf-16"), "wanted UTF-8 JSON"),
        (CDR.replace("West Lake", "西湖").encode("gb18030"), "wanted UTF-8 JSON"),
        (CDR.replace("15.3429", "NaN"), "NaN"),
        (CDR.replace("15.3429", "-Infinity"), "Infinity"),
        (CDR.replace('"total_energy"', '"total_energy": 9, "total_energy"'), "twice"),
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        ("7", "found no object"),
        ('{"data": null, "status_code": 2001}', "found no object"),
        ('{"status_code": 2001}', "found an object of another kind"),
        ('[{"evses": [], "id": "§LOC§"}]', "found a Location"),
    ],
)
def test_another_file_is_refused_whole(file: str | bytes, says: str) -> None:
    """T46: nothing of it is booked, and nothing of it repeated."""
    with pytest.raises(BadFile, match=says) as refused:
        read(file)
    assert "§" not in str(refused.value)


def test_a_file_over_64_mib_is_refused_with_what_to_do(tmp_path: Path) -> None:
    packed = tmp_path / "endless.json.gz"
    packed.write_bytes(gzip.compress(b" " * (64 << 20) + b" {}", 1))
    with open_export(packed) as file, pytest.raises(BadFile, match="split it"):
        list(read_entries(file, SETTING, Report()))


def test_a_text_of_a_megabyte_is_no_station_name() -> None:
    (entry,), _ = read(CDR.replace("West Lake", "x" * 1_000_000))
    assert isinstance(entry, Entry)
    assert entry.detail == {}


def test_a_list_in_one_long_line_is_read() -> None:
    flat = json.dumps(json.loads(CDR))
    entries, report = read(f"[{','.join([flat] * 4_000)}]\n")
    assert (len(entries), report.read) == (4_000, 4_000)


@pytest.mark.parametrize("around", ["§", "[§]", '{"data":[§]}', '{"data":§}', "{}\n§"])
def test_an_object_of_ten_megabytes_is_refused_with_its_file(around: str) -> None:
    long = json.dumps(json.loads(CDR.replace("West Lake", "x" * 10_000_000)))
    with pytest.raises(BadFile, match="at most 2 MiB"):
        read(around.replace("§", long))


def test_coordinates_the_wrong_way_round_are_noted_and_change_nothing() -> None:
    turned = CDR.replace("30.25", "X").replace("120.16", "30.25").replace("X", "120.16")
    entries, report = read(f"[{CDR}, {turned}]")
    assert report.noticed == {"swapped-coordinates": [2]}
    assert [entry.act for entry in entries if isinstance(entry, Entry)] == [act(), act()]


@pytest.mark.parametrize("written", ['"30.25"', "30.25", '"north"', '"1e9"', "null"])
def test_coordinates_that_say_nothing_are_no_reason_to_refuse(written: str) -> None:
    _, report = read(CDR.replace('"30.25"', written))
    assert (report.accepted, report.noticed) == (1, {})


@pytest.mark.parametrize(
    ("country", "lat", "long"),
    [
        ("BE", "51.05", "3.73"),
        ("CN", "30.25", "120.16"),
        ("CN", "39.47", "75.99"),
        ("CN", "47.35", "130.3"),
        ("CN", "18.25", "109.5"),
        ("US", "61.2", "-149.9"),
        ("US", "25.8", "-80.2"),
        ("BR", "-23.5", "-46.6"),
        ("NZ", "-43.9", "-176.5"),
        ("FR", "43.3", "5.4"),
        ("IN", "12.97", "77.6"),
    ],
)
def test_a_place_is_swapped_one_way_round_only(country: str, lat: str, long: str) -> None:
    assert not is_swapped(country, Decimal(lat), Decimal(long))
    assert is_swapped(country, Decimal(long), Decimal(lat))


def test_what_cannot_be_told_is_not_swapped() -> None:
    for country, lat, long in (("TR", "39.9", "32.9"), ("XX", "3.7", "51"), ("BE", "0", "0")):
        assert not is_swapped(country, Decimal(lat), Decimal(long))
        assert not is_swapped(country, Decimal(long), Decimal(lat))


energies = st.lists(st.decimals(0, 999, places=4, allow_nan=False), max_size=6)


@given(energies, st.data(), st.integers(0, 6))
def test_neither_order_nor_splitting_changes_the_acts(
    found: list[Decimal], data: st.DataObject, cut: int
) -> None:
    cdrs = [
        CDR.replace("15.3429", f"{kwh:f}").replace('"C-1"', f'"{n}"') for n, kwh in enumerate(found)
    ]
    mixed = data.draw(st.permutations(cdrs))

    def acts(objects: list[str]) -> dict[str, Act]:
        entries, _ = read(f"[{','.join(objects)}]")
        return {entry.receipt: entry.act for entry in entries if isinstance(entry, Entry)}

    whole = acts(cdrs)
    assert acts(mixed[:cut]) | acts(mixed[cut:]) == whole
    assert [whole[f"CN*ABC*{n}"].activity["Wh"] for n in range(len(found))] == [
        int(kwh * 1000) for kwh in found
    ]


@pytest.mark.parametrize(
    "broken",
    [("", ""), ("15.3429", '"§"'), ("T09:00:00Z", "§"), ("C-1", "§"), ("T7", "§"), ("ABC", "§")],
)
def test_nothing_of_the_person_comes_out(broken: tuple[str, str]) -> None:
    """Threat: contract, address and remark tell who it was; broken objects keep them in too."""
    for good in (CDR, SESSION, CREDIT):
        entries, report = read(f"[{good},{good.replace(*broken, 1)}]")
        assert entries
        assert "§" not in repr(entries) + repr(report)


@real_examples
def test_the_standards_own_cdr_has_its_coordinates_the_wrong_way_round() -> None:
    report = Report()
    with open_export(REAL) as file:
        (entry,) = read_entries(file, SETTING, report)
    assert isinstance(entry, Entry)
    assert (entry.receipt, entry.customer) == ("BE*BEC*12345", "012345678")
    assert entry.act.activity == {"Wh": 15342, "s": 7103}
    assert entry.detail == {"place": "Gent Zuid"}
    assert report == Report(read=1, accepted=1, noticed={"swapped-coordinates": Lines([1])})


@real_examples
def test_the_standards_own_session_is_read() -> None:
    with open_export(REAL_SESSION) as file:
        (entry,) = read_entries(file, SETTING, Report())
    assert isinstance(entry, Entry)
    assert (entry.receipt, entry.customer) == ("BE*BEC*101", "123abc")
    assert entry.act.activity == {"Wh": 41120, "s": 4267}


@real_examples
def test_the_standards_own_energy_mix_is_no_act() -> None:
    with open_export(REAL_MIX) as file, pytest.raises(BadFile, match="found a Location"):
        list(read_entries(file, SETTING, Report()))
