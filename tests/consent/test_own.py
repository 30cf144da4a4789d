"""A person's own exports are theirs alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from consent.commands import own as commands
from consent.own import ROOM, OwnAct, open_own, own_act, parts, seal_own, size_of, why_not
from vault.crypto.keys import Root
from vault.crypto.seal import LARGEST
from vault.encoding import Json, b64u
from vault.errors import BadSeal
from vault.importers.entry import Entry
from vault.methodology.quantify import Act, quantify
from vault.methodology.release import load_release

ROOT, OTHER = Root(bytes(range(20))), Root(bytes(20))
ACT = Act("travel.bike", {"m": 1200, "s": 300}, 1767571200, 1767571500, "CN-ZJ-HZ")


@given(st.lists(st.tuples(st.text(max_size=20), st.integers(0, 2**40)), max_size=20))
def test_what_was_sealed_is_read_back_by_its_root(rows: list[tuple[str, int]]) -> None:
    acts = [
        own_act(Entry(1, None, Act("travel.bike", {"m": m, "s": 1}, 5, 6, "CN"), name, True))
        for name, m in rows
    ]
    assert open_own(ROOT, seal_own(ROOT, acts)) == acts


def test_nobody_else_reads_it_and_a_changed_byte_shows() -> None:
    blob = seal_own(ROOT, [OwnAct("R-1", ACT, {"from": "North"})])
    assert b"North" not in blob
    with pytest.raises(BadSeal):
        open_own(OTHER, blob)
    with pytest.raises(BadSeal):
        open_own(ROOT, blob[:-1] + bytes([blob[-1] ^ 1]))


def test_it_counts_nothing_whatever_the_export_said_of_its_evidence() -> None:
    own = own_act(Entry(1, "me", ACT, "R-1", True))
    for release in ("2026-1", "demo-1"):
        credit = quantify(own.act, load_release(release))
        assert (credit.mg, credit.reason) == (0, "weak-evidence")
        assert quantify(ACT, load_release(release)).mg == 58440


def told(number: int, size: int = 10) -> OwnAct:
    return OwnAct(f"R-{number}", replace(ACT, evidence="E2"), {"note": "x" * size})


@given(st.lists(st.integers(0, 400_000), max_size=12))
def test_parts_hold_every_act_in_order_and_each_fits_the_largest_seal(sizes: list[int]) -> None:
    acts = [told(number, size) for number, size in enumerate(sizes)]
    found = list(parts(acts))
    assert [own for part in found for own in part] == acts
    for part in found:
        assert open_own(ROOT, seal_own(ROOT, part)) == part
    for first, second in pairwise(found):
        assert sum(map(size_of, [*first, second[0]])) > ROOM


def test_a_part_is_filled_to_the_last_byte() -> None:
    rest = ROOM - size_of(told(1, 0))
    whole = told(1, rest)
    assert list(parts([whole])) == [[whole]]
    assert len(seal_own(ROOT, [whole])) > LARGEST
    assert why_not(whole, load_release("2026-1")) is None
    assert why_not(told(1, rest + 1), load_release("2026-1")) == "too-long"


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (ACT, None),
        (replace(ACT, activity={"m": 10**9, "s": 1}), None),  # out of bounds: kept, and shown so
        (replace(ACT, region="US-CA"), None),
        (replace(ACT, behaviour="travel.rocket"), "not-in-release"),
        (replace(ACT, activity={"m": 1}), "other-units"),
        (replace(ACT, activity={"m": 2**53, "s": 1}), "other-units"),
        (replace(ACT, start=2**52, end=2**52), "no-such-time"),
    ],
)
def test_an_act_that_no_release_could_count_is_not_kept(act: Act, why: str | None) -> None:
    assert why_not(OwnAct("R-1", act, {}), load_release("2026-1")) == why


def test_a_list_sealed_before_operators_were_kept_is_still_read() -> None:
    (own,) = open_own(ROOT, seal_own(ROOT, [told(1)]))
    assert own.operator is None


Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr(commands, "root_of", lambda _: ROOT)

    def run(word: str, rows: str = "", *more: str) -> Result:
        words = [word, str(tmp_path)]
        if word == "add":
            (tmp_path / "acts.jsonl").write_text(rows, encoding="utf-8")
            words += [str(tmp_path / "acts.jsonl"), "--format", "jsonl"]
        return CliRunner().invoke(commands.own_app, [*words, *more])

    return run


def row(**more: Json) -> str:
    members = {
        "behaviour": "travel.bike",
        "activity": {"m": 1200, "s": 300},
        "start": 1767571200,
        "end": 1767571500,
        "region": "CN-ZJ-HZ",
        "receipt": "R-1",
        "guessable": True,
    }
    return json.dumps({**members, **more}) + "\n"


def test_odd_rows_are_refused_by_line_and_the_others_kept(command: Command) -> None:
    rows = row() + row(behaviour="travel.zz") + row(activity={"Wh": 5}) + row(receipt="R-2") + "{\n"
    said = json.loads(command("add", rows, "--json").output)
    assert said["kept"] == 2
    assert said["refused"] == {"not-in-release": [2], "other-units": [3], "bad-shape": [5]}
    text = command("add", rows).output
    assert "2 acts are kept here" in text
    assert "1 rows refused: not-in-release (line 2)" in text
    assert [act["receipt"] for act in json.loads(command("list", "", "--json").output)["acts"]] == [
        "R-1",
        "R-2",
    ]


def test_an_odd_act_that_is_there_already_does_not_break_the_list(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    odd = [
        OwnAct("R-1", replace(ACT, behaviour="travel.rocket"), {}),
        OwnAct("R-2", replace(ACT, activity={"Wh": 1}), {}),
        OwnAct("R-3", replace(ACT, start=2**52, end=2**52), {}),
        OwnAct("R-4", replace(ACT, activity={"m": 10**9, "s": 1}), {}),
        OwnAct("R-5", ACT, {}),
    ]
    (tmp_path / "own" / "0001.sealed").write_text(b64u(seal_own(ROOT, odd)), encoding="ascii")
    listed = json.loads(command("list", "", "--json").output)["acts"]
    assert {act["receipt"]: (act["mg"], act["would_count_mg"]) for act in listed} == {
        "R-1": (0, "bad-methodology"),
        "R-2": (0, "bad-shape"),
        "R-3": (0, 58440),
        "R-4": (0, "over-20-km"),
        "R-5": (0, 58440),
    }
    said = command("list")
    assert said.exit_code == 0
    assert "signed by its operator: 58440 mg" in said.output
    assert "signed by its operator: 0 mg, over-20-km" in said.output


def test_one_receipt_of_two_operators_behaviours_or_times_is_two_acts(command: Command) -> None:
    rows = [
        row(),
        row(behaviour="use.own_bag", activity={"count": 1}),
        row(operator="other.example"),
        row(start=1767571201),
        row(),
    ]
    assert command("add", "".join(rows)).exit_code == 0
    assert command("add", "".join(rows)).exit_code == 0
    listed = json.loads(command("list", "", "--json").output)["acts"]
    assert len(listed) == 4
    assert {act["operator"] for act in listed} == {None, "other.example"}


def test_a_file_taken_away_does_not_make_two_of_one_name(command: Command, tmp_path: Path) -> None:
    for number in range(3):
        assert command("add", row(receipt=f"R-{number}")).exit_code == 0
    (tmp_path / "own" / "0001.sealed").unlink()
    (tmp_path / "own" / "mine.sealed").write_text("", encoding="ascii")
    (tmp_path / "own" / "mine.sealed").unlink()
    assert command("add", row(receipt="R-9")).exit_code == 0
    assert sorted(each.name for each in (tmp_path / "own").iterdir()) == [
        "0002.sealed",
        "0003.sealed",
        "0004.sealed",
    ]


def test_a_long_export_of_long_rows_is_kept_whole(command: Command) -> None:
    detail: Json = {f"k{number}": "x" * 1000 for number in range(3)}
    rows = "".join(row(receipt=f"R-{number}", detail=detail) for number in range(1000))
    said = command("add", rows)
    assert "1000 acts are kept here" in said.output
    assert len(json.loads(command("list", "", "--json").output)["acts"]) == 1000
