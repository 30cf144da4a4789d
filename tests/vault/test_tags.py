from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.known import KNOWN
from vault.errors import BadShape
from vault.tags import fill_tags, tag_of

TAG = KNOWN["tag"]
K_NET = bytes.fromhex(TAG["k_net"])


def counting() -> Callable[[int], bytes]:
    numbers = count()
    return lambda size: sha256(next(numbers).to_bytes(8, "big")).digest()[:size]


def test_tag_is_the_published_one() -> None:
    assert tag_of(K_NET, TAG["operator"], TAG["receipt"]).hex() == TAG["tag"]


def test_tag_changes_with_key_operator_and_receipt() -> None:
    found = {
        tag_of(K_NET, "metro.example", "1"),
        tag_of(bytes(32), "metro.example", "1"),
        tag_of(K_NET, "bike.example", "1"),
        tag_of(K_NET, "metro.example", "2"),
        tag_of(K_NET, "metro.example1", ""),
    }
    assert len(found) == 5


def test_receipt_is_taken_as_printed() -> None:
    assert tag_of(K_NET, "metro.example", "电子客票-1") != tag_of(K_NET, "metro.example", "1")
    assert tag_of(K_NET, "metro.example", "a") != tag_of(K_NET, "metro.example", "A")


@pytest.mark.parametrize(
    ("operator", "receipt"), [("metro.example", "a\0b"), ("metro.example", "\ud800"), ("地铁", "1")]
)
def test_text_that_has_no_one_byte_form_is_refused(operator: str, receipt: str) -> None:
    with pytest.raises(BadShape):
        tag_of(K_NET, operator, receipt)


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=40))
def test_tags_are_filled_to_a_multiple_of_eight_and_none_is_lost(tags: set[bytes]) -> None:
    """Property 12 in part."""
    filled = fill_tags(list(tags), counting())
    assert tags <= set(filled)
    assert len(filled) % 8 == 0
    assert len(filled) == max(8, -(-len(tags) // 8) * 8)
    assert {len(tag) for tag in filled} == {16}


def test_order_of_tags_does_not_follow_the_records() -> None:
    tags = [bytes([i]) * 16 for i in range(16)]
    filled = fill_tags(tags, counting())
    assert sorted(filled) == tags
    assert list(filled) != tags


def test_no_random_tag_is_needed_for_a_full_eight() -> None:
    tags = [bytes([i]) * 16 for i in range(8)]
    assert set(fill_tags(tags, counting())) == set(tags)
