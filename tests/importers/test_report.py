"""A report counts every row and names the first thousand of a kind."""

import csv
import tracemalloc
from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st

from vault.importers.report import KEPT_LINES, Lines, Report, read_rows

ROWS = 50_000


def peak_of_broken(rows: int) -> int:
    """The most bytes held while so many broken rows are read."""
    file, report = BytesIO(b"a,b\n" + b"x\n" * rows), Report()
    tracemalloc.start()
    assert list(read_rows(file, ["a"], report)) == []
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (report.read, len(report.refused["columns"])) == (rows, rows)
    return most


def test_broken_rows_are_counted_exactly_and_take_no_memory() -> None:
    assert peak_of_broken(ROWS) < peak_of_broken(2_000) + 20_000
    # Control: every line kept would show.
    tracemalloc.start()
    kept = list(range(ROWS))
    assert tracemalloc.get_traced_memory()[0] > 20 * len(kept)
    tracemalloc.stop()


def test_the_first_thousand_lines_are_named_and_all_are_counted() -> None:
    report = Report()
    for line in range(2, 5_002):
        report.refuse("columns", line)
        report.accept()
        report.zero("round-trip", line)
        report.notice("year-0014", line)
        report.replaced.append(line)
    for lines in (*report.refused.values(), *report.zeroed.values(), *report.noticed.values()):
        assert (len(lines), [*lines]) == (5_000, [*range(2, 2 + KEPT_LINES)])
    assert len(report.replaced) == 5_000
    assert (report.read, report.accepted) == (10_000, 5_000)


def test_a_report_takes_many_rows_at_once() -> None:
    report = Report()
    report.accept(7)
    report.refuse_all("not-delivered", Lines(range(1, 1_500)))
    report.refuse_all("not-delivered", Lines([9_999]))
    assert (report.read, report.accepted) == (1_507, 7)
    assert len(report.refused["not-delivered"]) == 1_500
    assert report.refused["not-delivered"].first == [*range(1, 1 + KEPT_LINES)]


numbers = st.lists(st.integers(0, 9), max_size=KEPT_LINES + 9)


@given(numbers, numbers)
def test_lines_are_the_same_whether_told_one_by_one_or_together(a: list[int], b: list[int]) -> None:
    together = Lines(a)
    together.extend(Lines(b))
    assert together == Lines([*a, *b]) == [*a, *b]
    assert (together == Lines(a)) == (not b)


@given(st.text("ab,;\"'\\ \t\r\v\f\x1c\x85\u2028\u4e2d", max_size=12))
def test_a_row_is_what_the_csv_module_makes_of_its_line(line: str) -> None:
    if not line.strip():
        return
    try:
        wanted = next(csv.reader([line.rstrip("\r\n")], strict=True))
    except csv.Error:
        wanted = []
    columns, report = [f"c{n}" for n in range(max(1, len(wanted)))], Report()
    raw = f"{','.join(columns)}\n{line}\n".encode()
    found = [[*row.values()] for _, row in read_rows(BytesIO(raw), columns, report)]
    assert found == ([wanted] if wanted else [])
    assert list(report.refused) == ([] if wanted else ["not-csv"])
