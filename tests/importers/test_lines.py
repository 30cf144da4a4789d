"""JSON lines become acts and reversals; what is not exactly in the form is named and left out."""

import gzip
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import BadFile
from vault.importers.entry import Entry, Reversal, Setting
from vault.importers.lines import read_entries
from vault.importers.opening import open_export
from vault.importers.report import LONGEST_LINE, Lines, Report
from vault.methodology.quantify import Act

SETTING = Setting("", ZoneInfo("UTC"))
ACT: Mapping[str, object] = {
    "customer": "7",
    "behaviour": "travel.bike",
    "activity": {"m": 1200, "s": 300},
    "start": 1767571200,
    "end": 1767571500,
    "region": "CN-ZJ-HZ",
    "receipt": "R-1",
    "guessable": True,
}
BACK: Mapping[str, object] = {"takes_back": "R-1", "receipt": "R-9"}
SECRET = "Ann-Example"


def line(base: Mapping[str, object] = ACT, **members: object) -> str:
    """An act (or a reversal) with other members; None takes one away."""
    changed = {**base, **members}
    return json.dumps({name: found for name, found in changed.items() if found is not None})


def read(*lines: str | bytes) -> tuple[list[Entry | Reversal], Report]:
    report = Report()
    raw = b"\n".join(one if isinstance(one, bytes) else one.encode() for one in lines)
    return list(read_entries(BytesIO(raw), SETTING, report)), report


def test_a_line_is_an_act() -> None:
    (found,), report = read(line())
    act = Act(
        "travel.bike", {"m": 1200, "s": 300}, 1767571200, 1767571500, "CN-ZJ-HZ", evidence="E3"
    )
    assert found == Entry(1, "7", act, "R-1", True)
    assert report == Report(read=1, accepted=1)


def test_an_act_may_tell_more() -> None:
    more: dict[str, object] = {"operator": "other.example", "detail": {"车站": "=1+1"}}
    (found,), _ = read(line({**ACT, **more}, evidence="E4", claimed="platform", customer=None))
    assert isinstance(found, Entry)
    assert (found.customer, found.operator, found.claimed) == (None, "other.example", "platform")
    assert (found.act.evidence, found.detail) == ("E4", {"车站": "=1+1"})


@pytest.mark.parametrize("evidence", ["E0", "E1", "E2", "E3", "E4"])
def test_every_grade_of_evidence_can_be_told(evidence: str) -> None:
    (found,), _ = read(line(evidence=evidence))
    assert isinstance(found, Entry)
    assert found.act.evidence == evidence


def test_a_line_takes_an_act_back() -> None:
    found, report = read(line(BACK), line(BACK, operator="other.example"))
    assert found == [Reversal(1, "R-9", "R-1"), Reversal(2, "R-9", "R-1", "other.example")]
    assert report.accepted == 2


def raw(text: str) -> str:
    """A good line whose 1200 metres are something else."""
    assert "1200" in line()
    return line().replace("1200", text)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        *((raw(text), "bad-shape") for text in ("NaN", "Infinity", "1e308", "1.5", "12e2", "-1")),
        *((raw(text), "bad-shape") for text in ("true", '"1200"', "null", "-0", "[1]", "")),
        *((raw(text), "bad-shape") for text in (str(2**53), "9" * 5000, "01", "=1+1")),
        (line(activity={}), "bad-shape"),
        (line(activity={"km": 1}), "bad-shape"),
        (line(behaviour="bike"), "bad-shape"),
        (line(region="cn"), "bad-shape"),
        (line(customer=""), "bad-shape"),
        (line(customer="9" * 201), "bad-shape"),
        (line(customer="a\u202eb"), "bad-shape"),
        (line(receipt=7), "bad-shape"),
        (line(receipt=None), "bad-shape"),
        (line(guessable=1), "bad-shape"),
        (line(evidence="E5"), "bad-shape"),
        (line(claimed="me"), "bad-shape"),
        (line(operator="Other Example"), "bad-shape"),
        (line(detail={str(n): "" for n in range(51)}), "bad-shape"),
        (line(detail={"note": 1}), "bad-shape"),
        (line(name=SECRET), "bad-shape"),
        (line().replace('"7"', "null"), "bad-shape"),
        (line().replace('"7"', '"\\ud800"'), "bad-shape"),
        (line(start=-61_725_000_000), "bad-shape"),  # the year 0014
        (line(start=253_402_300_799, end=253_402_300_799), "bad-shape"),  # the year 9999
        (line(end=1767571199), "ends-before-start"),
        (line().replace("{", '{"receipt":"R-1",', 1), "bad-shape"),
        (line(BACK, receipt="R-1"), "takes-itself-back"),
        (line(BACK, customer="7"), "bad-shape"),
        (line(BACK, takes_back=1), "bad-shape"),
        (line()[:-1], "bad-shape"),
        (f"[{line()}]", "bad-shape"),
        ("7", "bad-shape"),
        ("[" * 60_000, "bad-shape"),
        (line(detail="?").replace('"?"', '{"a":' * 9_000 + "1" + "}" * 9_000), "bad-shape"),
        ("trip_id,duration", "bad-shape"),
        (line().encode("utf-16"), "not-utf-8"),
        (line(customer="北").replace("\\u5317", "北").encode("gb18030"), "not-utf-8"),
        (b"\xff" * 99, "not-utf-8"),
        ("9" * 10_000_000, "too-long"),
        (line(detail={"note": "9" * LONGEST_LINE}), "too-long"),
    ],
)
def test_a_broken_line_is_named_and_the_good_ones_go_on(broken: str | bytes, reason: str) -> None:
    found, report = read(line(), broken, line(receipt="R-2"))
    assert [one.line for one in found] == [1, 3]
    assert report == Report(read=3, accepted=2, refused={reason: Lines([2])})


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_byte_order_mark_line_ends_and_blank_lines_do_not_matter(mark: bytes, end: bytes) -> None:
    found, report = read(mark + end.join([line().encode(), b"", b"  ", line(BACK).encode(), b""]))
    assert [one.line for one in found] == [1, 4]
    assert report.read == 2


@pytest.mark.parametrize("file", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_an_empty_file_tells_nothing(file: bytes) -> None:
    assert read(file) == ([], Report())


def test_a_line_of_64_kib_is_read_and_one_byte_more_is_too_long() -> None:
    spare = LONGEST_LINE - len(line())
    assert read(line() + " " * spare)[1].accepted == 1
    assert read(line() + " " * (spare + 1))[1].refused == {"too-long": [1]}
    assert read(b"\xef\xbb\xbf" + line().encode() + b" " * spare)[1].refused == {"too-long": [1]}


def test_lines_are_read_as_they_are_asked_for() -> None:
    report = Report()
    entries = read_entries(BytesIO(f"{line()}\n".encode() * 50), SETTING, report)
    next(entries)
    next(entries)
    assert report.read == 2


def test_nothing_of_a_broken_line_is_repeated() -> None:
    _, report = read(line(name=SECRET), line(customer=[SECRET]), f'{{"customer":"{SECRET}"', SECRET)
    assert report.refused == {"bad-shape": [1, 2, 3, 4]}
    assert SECRET not in repr(report)


def test_a_gzip_that_is_cut_off_says_so_after_its_whole_lines(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gz"
    many = "".join(f"{line(receipt=f'R-{number * number}')}\n" for number in range(20_000))
    cut.write_bytes(gzip.compress(many.encode())[:-99])
    report = Report()
    with open_export(cut) as file, pytest.raises(BadFile, match="cut off"):
        list(read_entries(file, SETTING, report))
    assert report.accepted > 1_000
    assert report.refused == {}


lines = st.lists(
    st.one_of(
        st.builds(lambda m: line(activity={"m": m, "s": 1}), st.integers(-5, 2**54)),
        st.builds(lambda n: line(BACK, receipt=f"R-{n}"), st.integers(0, 3)),
        st.text(max_size=20).map(lambda text: json.dumps({"customer": text})),
        st.just(""),
    ),
    max_size=12,
)


@given(lines, st.integers(0, 12))
def test_splitting_a_file_does_not_matter(lines: list[str], at: int) -> None:
    def told(*part: str) -> list[object]:
        found, _ = read(*part)
        return [(one.receipt, one.act if isinstance(one, Entry) else one.of) for one in found]

    assert told(*lines[:at]) + told(*lines[at:]) == told(*lines)


@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_counted_and_never_an_error(found: bytes) -> None:
    _, report = read(found)
    assert report.read == report.accepted + sum(map(len, report.refused.values()))
