"""Terms, grants and tokens as tests begin with them; each may change any member."""

from __future__ import annotations

from consent.messages import Grant, NoticeRef, Terms
from consent.templates import latest_until
from tests.known import KNOWN
from vault.crypto.keys import Root, consent_key
from vault.encoding import Json, compact_json
from vault.months import Month

ROOT = Root(bytes.fromhex(KNOWN["cell"]["root"]))
ZONE = "Asia/Shanghai"
BANK = consent_key(ROOT, "bank.example")
CITY = consent_key(ROOT, "city.example")


def bank_terms() -> dict[str, Json]:
    """As wide as GREEN-LOAN-RATE allows in 2026-01."""
    return {
        "platform": "bank.example",
        "template": "GREEN-LOAN-RATE",
        "purposes": ["PersonalisedBenefits"],
        "categories": [1, 2, 3, 4, 5, 6, 7],
        "step": 3,
        "first": "2025-01",
        "last": "2026-12",
        "until": latest_until(Month("2026-12"), ZONE),
        "mode": "total",
        "show_sources": True,
        "exclusive": False,
        "data_life_days": 90,
    }


def city_terms() -> dict[str, Json]:
    """As wide as CITY-REWARD allows in 2026-01."""
    return {
        **bank_terms(),
        "platform": "city.example",
        "template": "CITY-REWARD",
        "purposes": ["PublicBenefit"],
        "categories": [1, 2, 4, 7],
        "step": 1,
        "last": "2027-01",
        "until": latest_until(Month("2027-01"), ZONE),
        "show_sources": False,
        "data_life_days": 180,
    }


def terms(members: dict[str, Json], **changes: Json) -> Terms:
    return Terms.parse(compact_json({**members, **changes}))


def grant(members: dict[str, Json], **changes: Json) -> Grant:
    org = str(members["platform"])
    key = BANK if org == "bank.example" else CITY
    whole = Grant(
        **terms(members).__dict__,
        iat=1,
        type="carbon_reduction_total",
        grant=b"g" * 16,
        pk=key.public,
        org=org,
        notice=NoticeRef(sha256=bytes(32), locale="en"),
    )
    return Grant.parse(compact_json({**whole.plain(), **changes}))
