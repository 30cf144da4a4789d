"""A person's own exports are theirs alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.own import OwnAct, open_own, own_act, seal_own
from vault.crypto.keys import Root
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
