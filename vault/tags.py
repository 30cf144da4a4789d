"""Tags: how the vault counts a receipt once without reading it (protocol section 5, "Batch").

    HMAC-SHA256(K_net, "cv1/tag" || 00 || operator || 00 || receipt)[:16]

K_net is known to sources and auditors, never to the vault, so the vault cannot guess receipts.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from vault.errors import BadShape

LEAST = 8
UNPREDICTABLE_BITS = 64


def tag_of(year_key: bytes, operator: str, receipt: str) -> bytes:
    """Return the 16-byte tag of a receipt under K_net (32 bytes) of the year of the act's start.

    Args:
        year_key: K_net.
        operator: directory id of the operator of record.
        receipt: the receipt number as printed.

    Raises:
        BadShape: a NUL or a lone surrogate in the receipt, an operator beyond ASCII.
    """
    if "\0" in receipt:
        raise BadShape("a receipt number holds no NUL")
    try:
        text = b"cv1/tag\0" + operator.encode("ascii") + b"\0" + receipt.encode("utf-8")
    except UnicodeEncodeError as bad:
        raise BadShape("an operator or receipt number is not text of its encoding") from bad
    return hmac.digest(year_key, text, "sha256")[:16]


def fill_tags(tags: list[bytes], random: Callable[[int], bytes]) -> tuple[bytes, ...]:
    """Return the tags with random ones up to a multiple of 8, at least 8, in random order."""
    missing = -len(tags) % LEAST if tags else LEAST
    filled = tags + [random(16) for _ in range(missing)]
    return tuple(sorted(filled, key=lambda _: random(16)))
