"""What an importer makes of a row: an act of one customer, or the taking back of an earlier one.

    Entry(line=2, customer="601", act=Act("travel.bike", …), receipt="441782", guessable=True,
          detail={"from": "Market at 4th", "to": "Spear at Folsom"})
    Reversal(line=9, receipt="CDR-2", of="CDR-1")

`vault/compose.py` makes bookings of them; nothing here knows a party or a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from vault.methodology.quantify import Act

Claimed = Literal["platform", "elsewhere"]


@dataclass(frozen=True)
class Setting:
    """What an export does not say of itself.

    ``region`` is the place of the acts, such as CN-ZJ-HZ; ``zone`` where its times are local;
    ``persons`` how many share a meter; ``behaviour`` what an unnamed act is.
    """

    region: str
    zone: ZoneInfo
    persons: int | None = None
    behaviour: str | None = None


@dataclass(frozen=True)
class Entry:
    """One act as an export tells it.

    ``customer`` is the export's own word for the person (or what stands for them: a bicycle, a
    card), None where it names nobody; ``receipt`` the act's number as printed; ``guessable`` says
    that such numbers hold fewer than 64 unpredictable bits. ``detail`` is for the holder's eyes
    only. ``operator`` is the operator of record where the export names one, as it names it.
    ``claimed`` says that the reduction is not the person's: the platform collected it, or it is
    registered elsewhere; such an act counts 0.
    """

    line: int
    customer: str | None
    act: Act
    receipt: str
    guessable: bool
    detail: Mapping[str, str] = field(default_factory=dict)
    operator: str | None = None
    claimed: Claimed | None = None


@dataclass(frozen=True)
class Reversal:
    """A row that takes an earlier act back: a refund, a credit CDR, an operator's correction.

    ``receipt`` is its own number, ``of`` the receipt of the act it takes back.
    """

    line: int
    receipt: str
    of: str
    operator: str | None = None
