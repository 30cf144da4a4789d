"""A meter's readings become months of a home; nothing of who lives there comes out."""

import gzip
import tracemalloc
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from unittest.mock import Mock
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.public_data import FOLDER
from vault.errors import BadFile
from vault.importers import espi
from vault.importers.entry import Entry, Setting
from vault.importers.greenbutton import MOST_GAPS, Coverage, read_entries
from vault.importers.opening import open_export
from vault.importers.report import Lines, Report
from vault.methodology.quantify import Act

SHANGHAI = ZoneInfo("Asia/Shanghai")
SETTING = Setting("CN-ZJ-HZ", SHANGHAI, persons=3)
HOUR = 3600
JANUARY = int(datetime(2026, 1, 1, tzinfo=SHANGHAI).timestamp())
FEBRUARY = int(datetime(2026, 2, 1, tzinfo=SHANGHAI).timestamp())
POINT = "https://utility.example/espi/RetailCustomer/§42§/UsagePoint/§9§"
METER = f"{POINT}/MeterReading/01"
TYPE = "https://utility.example/espi/ReadingType/3"
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
    "<title>§name§</title>"
)
REAL = FOLDER / "greenbutton_hourly_9days.xml"
real_meter = pytest.mark.skipif(
    not REAL.exists(), reason="data: the Green Button export is not in ../shared/data"
)


def entry(links: dict[str, str], content: str) -> str:
    written = "".join(f'<link rel="{rel}" href="{href}"/>' for rel, href in links.items())
    return f"<entry>{written}<title>§street 7§</title><content>{content}</content></entry>"


def kind(uom: int = 72, power: int = 0, flow: int = 1, more: str = "", at: str = TYPE) -> str:
    return entry(
        {"self": at},
        f'<ReadingType xmlns="http://naesb.org/espi"><flowDirection>{flow}</flowDirection>{more}'
        f"<powerOfTenMultiplier>{power}</powerOfTenMultiplier><uom>{uom}</uom></ReadingType>",
    )


def meter(at: str = METER, of: str = TYPE) -> str:
    return entry({"self": at, "related": of}, '<MeterReading xmlns="http://naesb.org/espi"/>')


def reading(start: object = JANUARY, value: object = 100, seconds: object = HOUR) -> str:
    return (
        f"<IntervalReading><cost>9</cost><timePeriod><duration>{seconds}</duration>"
        f"<start>{start}</start></timePeriod><value>{value}</value></IntervalReading>"
    )


def block(*readings: str, of: str = METER) -> str:
    content = (
        '<IntervalBlock xmlns="http://naesb.org/espi"><interval><duration>1</duration>'
        f"<start>1</start></interval>{''.join(readings)}</IntervalBlock>"
    )
    return entry({"self": f"{of}/IntervalBlock/1", "up": f"{of}/IntervalBlock"}, content)


def feed(*entries: str) -> str:
    return HEAD + "".join(entries) + "</feed>"


def read(file: str | bytes, setting: Setting = SETTING) -> tuple[list[Entry], Report]:
    report = Report()
    raw = file.encode() if isinstance(file, str) else file
    return list(read_entries(BytesIO(raw), setting, report)), report


def test_readings_become_one_act_a_month() -> None:
    hours = [reading(JANUARY + n * HOUR, 100 + n) for n in range(3)]
    file = feed(kind(power=3), meter(), block(*hours), block(reading(FEBRUARY, 7, 900)))
    (january, february), report = read(file)
    activity = {"Wh": 303_000, "count": 3, "s": 3 * HOUR}
    act = Act("home.save_electricity", activity, JANUARY, JANUARY + 3 * HOUR, "CN-ZJ-HZ", "E4")
    assert (january.line, january.act, january.customer) == (1, act, None)
    assert (february.line, february.act.activity) == (4, {"Wh": 7000, "count": 3, "s": 900})
    assert (january.guessable, january.detail) == (True, {})
    assert report == Report(read=4, accepted=4)


def test_a_reading_counts_in_the_month_it_begins_in_where_the_home_is() -> None:
    before = block(reading(FEBRUARY - HOUR), reading(FEBRUARY))
    months = [e.receipt.split(":")[1] for e in read(feed(kind(), meter(), before))[0]]
    assert months == ["2026-01", "2026-02"]
    utc = Setting("CN", ZoneInfo("UTC"), persons=1)
    months = [e.receipt.split(":")[1] for e in read(feed(kind(), meter(), before), utc)[0]]
    assert months == ["2026-01"]


def test_a_receipt_is_the_same_for_the_same_month_of_the_same_meter() -> None:
    first, later = block(reading()), block(reading(), reading(JANUARY + HOUR))
    (once,), _ = read(feed(kind(), meter(), first))
    (again,), _ = read(feed(meter(), later, kind()))
    assert once.receipt == again.receipt
    assert once.receipt.startswith("greenbutton:2026-01:")
    neighbour = METER.replace("§9§", "8")
    (other,), _ = read(feed(kind(), meter(neighbour), block(reading(), of=neighbour)))
    assert other.receipt != once.receipt


def test_the_reading_type_may_stand_before_or_behind() -> None:
    parts = [kind(power=-3), meter(), block(reading(value=123_456))]
    found = [read(feed(*order))[0] for order in (parts, parts[::-1], parts[1:] + parts[:1])]
    assert found[0] == found[1] == found[2]
    # 123.456 Wh are 124: of a use that is compared with a baseline, less would be more credit.
    assert found[0][0].act.activity["Wh"] == 124


def test_the_only_meter_has_the_only_reading_type_without_links() -> None:
    assert (
        read(feed(kind(), block(reading())))[0] == read(feed(kind(), meter(), block(reading())))[0]
    )


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (reading(JANUARY + HOUR, -1), "negative"),
        (reading(JANUARY + HOUR, "NaN"), "bad-number"),
        (reading(JANUARY + HOUR, "1e308"), "bad-number"),
        (reading(JANUARY + HOUR, "1.5"), "bad-number"),
        (reading(JANUARY + HOUR, ""), "bad-number"),
        (reading(JANUARY + HOUR, "9" * 16), "bad-number"),
        (reading(JANUARY + HOUR, "９"), "bad-number"),
        (reading(JANUARY + HOUR, "1" + " " * 100 + "1"), "bad-number"),
        (reading(JANUARY + HOUR, "7" * 10_000_000), "bad-number"),
        (reading(JANUARY + HOUR, "1</value><value>2"), "bad-number"),
        (reading(-JANUARY), "bad-time"),
        (reading("2026-01-01T00:00:00Z"), "bad-time"),
        (reading(946_684_799), "bad-time"),
        (reading(4_102_444_800), "bad-time"),
        (reading(253_402_300_799), "bad-time"),
        (reading(-61_725_369_600), "bad-time"),
        (reading("9" * 15), "bad-time"),
        (reading(JANUARY + HOUR, 1, 0), "bad-time"),
        (reading(JANUARY + HOUR, 1, -HOUR), "bad-time"),
        (reading(JANUARY + HOUR, 1, 32 * 86_400), "bad-time"),
        (reading(JANUARY), "duplicate-interval"),
        (reading(JANUARY, 999), "duplicate-interval"),
        (reading(JANUARY + HOUR - 1), "duplicate-interval"),
        (reading(JANUARY - HOUR + 1), "duplicate-interval"),
        (reading(JANUARY - HOUR, 1, 9 * HOUR), "duplicate-interval"),
        (reading(JANUARY + 60, 1, 60), "duplicate-interval"),
    ],
)
def test_a_broken_reading_is_named_and_the_good_ones_go_on(broken: str, reason: str) -> None:
    good = reading(JANUARY + 2 * HOUR, 7)
    (month,), report = read(feed(kind(), meter(), block(reading(), broken, good)))
    assert month.act.activity == {"Wh": 107, "count": 3, "s": 2 * HOUR}
    assert (report.read, report.accepted, report.refused) == (3, 2, {reason: Lines([2])})


def test_the_first_month_of_the_century_is_a_month_where_the_home_is() -> None:
    setting = Setting("US", ZoneInfo("America/New_York"), persons=1)
    _, report = read(feed(kind(), meter(), block(reading(946_684_800))), setting)
    assert report.refused == {"bad-time": [1]}
    assert len(read(feed(kind(), meter(), block(reading(946_684_800))))[0]) == 1


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (kind(uom=169, power=-3), "not-watt-hours"),
        (kind(uom=38), "not-watt-hours"),
        (kind(flow=19), "not-delivered"),
        (kind(flow=4), "not-delivered"),
        (kind(power=100), "bad-number"),
        (kind(more="<accumulationBehaviour>3</accumulationBehaviour>"), "not-delta"),
    ],
)
def test_what_is_no_delivered_electricity_is_refused_reading_by_reading(
    wrong: str, reason: str
) -> None:
    entries, report = read(feed(meter(), block(reading(), reading(JANUARY + HOUR)), wrong))
    assert entries == []
    assert (report.read, report.accepted, report.refused) == (2, 0, {reason: Lines([1, 2])})


def test_gas_and_what_a_roof_gives_stand_beside_the_electricity() -> None:
    gas, sun = (f"{POINT}/MeterReading/{n}" for n in ("02", "03"))
    file = feed(
        block(reading(), reading(JANUARY + HOUR)),
        block(reading(value=5), of=gas),
        block(reading(value=9), of=sun),
        block(reading(JANUARY + 2 * HOUR)),
        kind(),
        kind(uom=169, at=TYPE + "g"),
        kind(flow=19, at=TYPE + "s"),
        meter(),
        meter(gas, TYPE + "g"),
        meter(sun, TYPE + "s"),
    )
    (month,), report = read(file)
    assert month.act.activity["Wh"] == 300
    assert report.refused == {"not-watt-hours": [3], "not-delivered": [4]}
    assert (report.read, report.accepted) == (5, 3)


def test_a_meter_without_a_reading_type_of_its_own_is_refused() -> None:
    other = f"{POINT}/MeterReading/02"
    file = feed(kind(), meter(), block(reading()), block(reading(), of=other))
    entries, report = read(file)
    assert len(entries) == 1
    assert report.refused == {"no-reading-type": [2]}


def test_two_series_of_delivered_electricity_are_refused_whole() -> None:
    """The persons of a home would count twice, and so would its baseline."""
    other = f"{POINT}/MeterReading/02"
    file = feed(kind(), meter(), meter(other), block(reading()), block(reading(), of=other))
    with pytest.raises(BadFile, match="wanted one meter of delivered electricity, found 2"):
        read(file)


@pytest.mark.parametrize("persons", [None, 0])
def test_the_persons_of_the_home_are_needed(persons: int | None) -> None:
    setting = Setting("CN", SHANGHAI, persons=persons)
    with pytest.raises(BadFile, match="the number of persons of the home"):
        read(feed(kind(), meter(), block(reading())), setting)


GOOD = feed(kind(), meter(), block(reading(), reading(JANUARY + HOUR)))
LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha"}">' for n in range(10))


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("", "breaks in line 1"),
        ("\n", "breaks in line 2"),
        (GOOD[:-30], "breaks in line 2"),
        (GOOD + "<feed/>", "breaks in line 2"),
        (GOOD.replace("</title>", "&nbsp;</title>", 1), "breaks in line 2"),
        (GOOD.replace("§name§", "\x00"), "breaks in line 2"),
        (GOOD.encode().replace("§name§".encode(), "名".encode("gb18030")), "breaks in line 2"),
        (GOOD.replace("UTF-8", "GB18030").encode("gb18030"), "wanted XML in UTF-8"),
        (GOOD.replace("UTF-8", "no-such"), "breaks in line 1|wanted XML in UTF-8"),
        (
            GOOD.replace("<feed", f"<!DOCTYPE feed [{LAUGHS}]><feed").replace("§name§", "&a9;"),
            "type",
        ),
        (
            GOOD.replace("<feed", '<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">]><feed'),
            "without a document type",
        ),
        (GOOD.replace("<feed", '<!DOCTYPE feed SYSTEM "http://§/x.dtd"><feed'), "document type"),
        ("<html/>", "found other XML"),
        ("<feed><title>no name space</title></feed>", "found other XML"),
        (HEAD + "</feed>", "found none"),
        (feed(kind(), meter()), "found none"),
        (feed(meter(), block(reading())), "wanted a ReadingType"),
        (HEAD + "<a>" * 100_000, "nested at most 64 deep"),
        (f"{HEAD}<!--{'§' * 1_500_000}", "at most 1 MiB"),
        (f"{HEAD}<link href='{'§' * 1_500_000}", "at most 1 MiB"),
        (feed(block(reading(), of="§" * 501)), "links of at most 500"),
        (feed(entry({}, f'<x xmlns="http://naesb.org/espi">{reading()}</x>')), "links of an entry"),
        (feed(*(kind(at=f"{TYPE}{n}") for n in range(1_001))), "at most 1000 of a kind"),
        (feed(*(block(reading(), of=f"{METER}{n}") for n in range(1_001))), "at most 1000 meters"),
        (feed(kind(power=99), meter(), block(reading())), "2\\^53 Wh or more"),
    ],
)
def test_a_file_that_is_broken_or_another_is_refused_whole(file: str | bytes, says: str) -> None:
    """T46: no month is booked by half, and nothing of the file is repeated."""
    with pytest.raises(BadFile, match=says) as refused:
        read(file)
    assert "§" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding(encoding: str) -> None:
    declared = GOOD.replace("UTF-8", encoding.partition("-sig")[0])
    assert read(declared.encode(encoding)) == read(GOOD)


def test_line_ends_and_indents_do_not_matter() -> None:
    assert read(GOOD.replace("><", ">\r\n  <")) == read(GOOD)


def peak_of(file: BinaryIO) -> int:
    """The most bytes that were held at once while a file was read."""
    tracemalloc.start()
    list(read_entries(file, SETTING, Report()))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def peak_of_broken(file: BinaryIO) -> int:
    """The same for a file that breaks off."""
    tracemalloc.start()
    with pytest.raises(BadFile, match="a whole XML"):
        list(read_entries(file, SETTING, Report()))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_readings_told_twice_by_turns_take_no_memory() -> None:
    def by_turns(count: int) -> BinaryIO:
        hours = (reading(JANUARY + n // 2 * 60, seconds=60) for n in range(count))
        return BytesIO(feed(kind(), meter(), block(*hours)).encode())

    assert peak_of(by_turns(20_000)) < peak_of(by_turns(5_000)) + 300_000


def test_a_title_of_ten_megabytes_goes_by() -> None:
    raw = GOOD.replace("§name§", "x" * 10_000_000).encode()
    assert read(raw) == read(GOOD)
    assert peak_of(BytesIO(raw)) < 2_000_000


def named(kind: str, count: int) -> BinaryIO:
    """A feed of so many names that nothing else says: of elements, attributes or namespaces."""
    form = {
        "element": "<n{}/>",
        "attribute": "<t n{}='1'/>",
        "prefix": "<t xmlns:n{}='urn:x'/>",
        "namespace": "<t xmlns:n='urn:{}'/>",
    }[kind]
    return BytesIO(GOOD.replace("</feed>", "".join(map(form.format, range(count)))).encode())


@pytest.mark.parametrize("kind", ["element", "attribute", "prefix", "namespace"])
def test_names_without_end_are_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser keeps every name that it met to the end of the file."""
    with pytest.raises(BadFile, match="at most 2000 names"):
        list(read_entries(named(kind, 4_000), SETTING, Report()))
    monkeypatch.setattr(espi, "MOST_NAMES", 10**6)
    few, many = (peak_of_broken(named(kind, count)) for count in (2_000, 20_000))
    assert many > few + 1_000_000


def test_a_name_of_a_thousand_letters_is_refused() -> None:
    for name in ("n" * 999, f'n xmlns="urn:{"x" * 999}"', f'n {"a" * 999}="1"'):
        with pytest.raises(BadFile, match="names of at most 500"):
            read(GOOD.replace("</feed>", f"<{name}/></feed>"))


def test_a_thousand_meters_with_a_thousand_links_each_are_refused() -> None:
    links = f'<link rel="related" href="{TYPE}"/>' * 600
    many = [meter(f"{METER}{n}").replace("<content>", f"{links}<content>") for n in range(2)]
    with pytest.raises(BadFile, match="at most 1000 of a kind"):
        read(feed(kind(), *many, block(reading())))


def test_a_cut_off_gzip_books_nothing(tmp_path: Path) -> None:
    hours = [reading(JANUARY + n * HOUR, n % 977) for n in range(5_000)]
    packed = gzip.compress(feed(kind(), meter(), block(*hours)).encode())
    (tmp_path / "cut.xml.gz").write_bytes(packed[: len(packed) // 2])
    with open_export(tmp_path / "cut.xml.gz") as file, pytest.raises(BadFile, match="cut off"):
        next(read_entries(file, SETTING, Report()))


def years_of_hours(size: int) -> Iterator[bytes]:
    """A feed of readings by the hour, of at least this many bytes."""
    made, start = 0, 946_692_000
    yield feed(kind(), meter()).removesuffix("</feed>").encode()
    while made < size:
        hours = [reading(start + n * HOUR).replace("><", ">\n          <") for n in range(240)]
        start += 240 * HOUR
        chunk = block(*hours).encode()
        made += len(chunk)
        yield chunk
    yield b"</feed>"


def made_while_read(size: int) -> BinaryIO:
    """Such a feed as a file that takes no memory of its own."""
    chunks = years_of_hours(size)
    file = Mock(spec=BinaryIO)
    file.read = lambda _: next(chunks, b"")
    return file


def test_fifty_megabytes_are_read_to_the_last_hour() -> None:
    report = Report()
    entries = list(read_entries(made_while_read(50_000_000), SETTING, report))
    assert report.read == report.accepted > 150_000
    assert sum(e.act.activity["Wh"] for e in entries) == report.read * 100
    assert sum(e.act.activity["s"] for e in entries) == report.read * HOUR


def test_memory_does_not_hang_on_the_length_of_the_file() -> None:
    assert peak_of(made_while_read(1_600_000)) < peak_of(made_while_read(400_000)) + 200_000


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=30)


@given(spans)
def test_coverage_takes_what_a_set_of_seconds_would_take(found: list[tuple[int, int]]) -> None:
    covered, seconds = Coverage(), set[int]()
    for start, length in found:
        new = set(range(start, start + length))
        try:
            covered.add(start, start + length)
            taken = True
        except BadFile:
            taken = False
        assert taken == (not new & seconds)
        seconds |= new if taken else set()


def test_coverage_takes_any_number_of_readings_but_not_of_gaps() -> None:
    covered = Coverage()
    for n in range(MOST_GAPS):
        covered.add(4 * n, 4 * n + 1)
    for n in range(MOST_GAPS):
        covered.add(4 * n + 1, 4 * n + 2)
    with pytest.raises(BadFile, match="gaps"):
        covered.add(-9, -8)


values = st.lists(st.integers(0, 10**6), min_size=1, max_size=30)


@given(values, st.data(), st.integers(-3, 3), st.integers(1, 40))
def test_the_order_of_readings_and_blocks_does_not_matter(
    found: list[int], data: st.DataObject, power: int, stride: int
) -> None:
    hours = [reading(JANUARY + n * stride * HOUR, value) for n, value in enumerate(found)]
    mixed = data.draw(st.permutations(hours))
    cut = data.draw(st.integers(0, len(hours)))
    one = read(feed(kind(power=power), meter(), block(*hours)))[0]
    two = read(feed(block(*mixed[cut:]), kind(power=power), block(*mixed[:cut]), meter()))[0]
    assert [(e.receipt, e.act) for e in one] == [(e.receipt, e.act) for e in two]
    assert sum(e.act.activity["s"] for e in one) == len(found) * HOUR


@given(values, st.data())
def test_a_reading_told_again_is_never_counted_again(found: list[int], data: st.DataObject) -> None:
    hours = [reading(JANUARY + n * HOUR, value) for n, value in enumerate(found)]
    again = data.draw(st.lists(st.sampled_from(hours), max_size=9))
    (once,), _ = read(feed(kind(), meter(), block(*hours)))
    (month,), report = read(feed(kind(), meter(), block(*hours, *again)))
    assert month == once
    assert (report.accepted, report.read) == (len(hours), len(hours) + len(again))


def test_nothing_of_the_home_comes_out() -> None:
    """Threat: titles and links hold names and addresses; the receipt holds their digest only."""
    readings = (reading(), reading(value="§"), reading(start="§"), reading())
    for file in (feed(kind(), meter(), block(*readings)), feed(kind(flow=9), block(*readings))):
        entries, report = read(file)
        assert report.refused
        assert "§" not in repr(entries) + repr(report)


@real_meter
def test_the_real_meter_has_its_published_figures() -> None:
    report = Report()
    setting = Setting("US-NY", ZoneInfo("America/New_York"), persons=2)
    with open_export(REAL) as file:
        (month,) = read_entries(file, setting, report)
    name = "{http://naesb.org/espi}IntervalReading/{http://naesb.org/espi}value"
    exact = [int(value.text or "") for value in ET.parse(REAL).getroot().iterfind(f".//{name}")]
    assert (len(exact), sum(exact)) == (216, 199_563)
    assert month.act.activity == {"Wh": 199_563, "count": 2, "s": 216 * HOUR}
    assert report == Report(read=216, accepted=216)
    assert month.receipt.startswith("greenbutton:2014-01:")
    assert "RetailCustomer" not in repr(month)
