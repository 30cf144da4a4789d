"""A made-up report of a busy vault: what a page is drawn of in tests and looked at by eye.

./run python -m tests.report_sample FOLDER        writes one of each kind there
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.cosignature import cosign, witness_key
from consent.log.note import ED25519, VerifierKey
from consent.log.tlog_policy import open_checkpoint
from consent.messages import Grant, NoticeRef
from consent.replay import Finding
from consent.report.page import report_files
from consent.report.signed import Judged, make_report, sign_report
from consent.report.tally import Tally
from vault.crypto.keys import SigningKey
from vault.directory import FIRST_PREV, Directory, read_directory
from vault.messages import KeyTime, Listing, LogEntry, Party, ReleaseEntry
from vault.months import DEFAULT_ZONE, Month, add_months, month_begins

ORIGIN = "vault.example/log"
LOG_KEY, VAULT_KEY, AUDITOR = (SigningKey(bytes([n]) * 32) for n in (21, 22, 23))
LOG = VerifierKey(ORIGIN, ED25519, LOG_KEY.public)
FIRST = Month("2026-01")
PLATFORMS = {
    "bank.example": ("Lakeside Bank · 湖畔银行", "GREEN-LOAN-RATE"),
    "card.example": ("East Card Issuer · 东方发卡机构", "CARD-POINTS"),
    "city.example": ("Hangzhou low-carbon programme · 杭州低碳计划", "CITY-REWARD"),
    "works.example": ("Delta Works · 三角洲制造", "EMPLOYER-CHALLENGE"),
    "registry.example": ("Provincial registry · 省级碳普惠登记机构", "OFFSET-RETIRE"),
}
ROLES = {"bank.example": "bank", "card.example": "shop", "city.example": "city"}
RELEASES = (
    ReleaseEntry(id="2026-1", sha256=bytes(32), begins=FIRST),
    ReleaseEntry(id="2027-1", sha256=bytes(32), begins=Month("2027-01")),
)
COUNTS = {
    "directory": 19,
    "account": 1204,
    "bind": 1630,
    "attach": 2011,
    "unlink": 88,
    "close": 21877,
    "absent": 402,
    "reject": 3,
    "grant": 1577,
    "token": 11208,
    "revoke": 143,
    "pause": 61,
    "resume": 48,
    "erase": 17,
    "erased": 17,
}


def pk(name: str) -> bytes:
    return SigningKey(sha256(name.encode()).digest()).public


def party(name: str, title: str, *roles: str, org: str = "", keys: int = 1, now: int = 0) -> Party:
    # One key a year: the first is withdrawn when the second comes.
    sig = tuple(
        KeyTime(pk=pk(f"{name} {n}"), begins=n, until=2**40 if n == keys - 1 else now or 2**39)
        for n in range(keys)
    )
    return Party(id=name, org=org or name, name=title, roles=roles, sig=sig, hpke=())


def listing(
    version: int, now: int, prev: bytes, *, platforms: int, self_audited: bool, demo: bool
) -> Listing:
    vault = KeyTime(pk=VAULT_KEY.public, begins=0, until=2**40)
    auditor = KeyTime(pk=AUDITOR.public, begins=0, until=2**40)
    entries = [
        party("vault.example", "Example vault · 示例保管库", "vault"),
        party("audit.example", "Public Audit Office · 公共审计所", "auditor"),
        *(
            party(
                f"bikes{n}.example",
                f"City Bikes {n} · 城市单车{n}",
                "source",
                keys=1 + version // 7,
            )
            for n in range(1, 3 + version // 4)
        ),
        *(
            party(name, title, "platform", ROLES.get(name, "employer"))
            for name, (title, _) in list(PLATFORMS.items())[:platforms]
        ),
    ]
    entries[0] = entries[0].model_copy(update={"sig": (vault,)})
    org = "vault.example" if self_audited else "audit.example"
    entries[1] = entries[1].model_copy(update={"sig": (auditor,), "org": org})
    return Listing(
        iat=now,
        version=version,
        prev=prev,
        expires=now + 40 * 86400,
        next=None,
        demo=demo,
        zone=DEFAULT_ZONE,
        vault="vault.example",
        log=LogEntry(origin=ORIGIN, vkey=str(LOG), witnesses=(), quorum=2),
        releases=(ReleaseEntry(id="2026-1", sha256=bytes(32), begins=FIRST),)
        + (
            (ReleaseEntry(id="2027-1", sha256=bytes(32), begins=Month("2027-01")),) * (version > 11)
        ),
        entries=tuple(entries),
        knet=(),
    )


def grant(number: int, platform: str, template: str, until: int = 2**40) -> Grant:
    return Grant(
        iat=0,
        type="carbon_reduction_total",
        grant=number.to_bytes(16, "big"),
        pk=AUDITOR.public,
        org=platform,
        platform=platform,
        template=template,
        purposes=("PersonalisedBenefits",),
        categories=(4,),
        step=1,
        first=FIRST,
        last=FIRST,
        until=until,
        mode="total",
        show_sources=False,
        exclusive=False,
        data_life_days=30,
        notice=NoticeRef(sha256=bytes(32), locale="zh-CN"),
    )


@dataclass
class Made:
    """A report, its signature, and how it was made."""

    tally: Tally = field(default_factory=Tally)
    raw: bytes = b""
    jws: str = ""


def directories(tally: Tally, months: int, *, self_audited: bool, demo: bool) -> Directory | None:
    held: Directory | None = None
    for number in range(months + 1):
        now = month_begins(add_months(FIRST, number), DEFAULT_ZONE) + 9 * 3600
        made = listing(
            number + 1,
            now,
            held.hash if held else FIRST_PREV,
            platforms=min(len(PLATFORMS), 2 + number // 3),
            self_audited=self_audited,
            demo=demo,
        )
        fresh = read_directory(made.signed(AUDITOR), AUDITOR.public)
        tally.take_directory(number * 2000, now, held, fresh)
        held = fresh
    return held


def busy(tally: Tally, months: int, seed: int) -> None:
    """Let some years of consents pass: given, used, refused, paused, stopped."""
    rng = random.Random(seed)
    live: list[Grant] = []
    for number in range(months):
        at = month_begins(add_months(FIRST, number), DEFAULT_ZONE) + 86400
        give(tally, rng, live, number, at)
        at = use(tally, rng, live, at)
        stop(tally, rng, live, at)
        for reason in ("declined", "declined", "expired"):
            for _ in range(rng.randrange(6)):
                tally.take_refusal(at, None, reason)


def give(tally: Tally, rng: random.Random, live: list[Grant], month: int, at: int) -> None:
    for place, (name, (_, template)) in enumerate(PLATFORMS.items()):
        for _ in range(rng.randrange(3, 14 - 2 * place) if month >= place * 3 - 4 else 0):
            until = at + rng.randrange(200, 700) * 86400
            made = grant(rng.getrandbits(100), name, template, until)
            tally.take_grant(at, made)
            live.append(made)


def use(tally: Tally, rng: random.Random, live: list[Grant], at: int) -> int:
    for one in live:
        at += 900
        if rng.random() < 0.8:
            tally.take_release(at, one)
        elif rng.random() < 0.4:
            tally.take_refusal(at, one, rng.choice(["paused", "paused", "purpose", "expired"]))
    return at


def stop(tally: Tally, rng: random.Random, live: list[Grant], at: int) -> None:
    for how, most in (
        ("revoked", 6),
        ("paused", 4),
        ("replaced", 2),
        ("erased", 2),
        ("resumed", 2),
    ):
        for _ in range(rng.randrange(most)):
            one = live.pop(rng.randrange(len(live)))
            at += 3600 * rng.randrange(1, 30)
            tally.take_end(at, one, how)
            if how in ("paused", "resumed"):
                live.append(one)


def findings_of(count: int) -> list[Finding]:
    reasons = [
        ("release", "the grant is revoked"),
        ("release", "it does not name the newest token of this window"),
        ("token", "the window overlaps one that this organisation already has"),
        ("at", "at falls from 1767225600 to 1767225599"),
        ("leaf", "no text, and no erasure covers it"),
    ]
    return [Finding(40 + 97 * n, *reasons[n % len(reasons)]) for n in range(count)]


def counts_of(tally: Tally) -> dict[str, int]:
    plain = tally.plain()
    counted = {"release": plain["releases"], "refusal": plain["refusals"]}
    found = dict(COUNTS)
    for kind, rows in counted.items():
        assert isinstance(rows, list)
        found[kind] = sum(int(str(row["count"])) for row in rows if isinstance(row, dict))
    return found


def make_sample(
    months: int = 18,
    findings: list[Finding] | None = None,
    witnesses: int = 2,
    *,
    quiet: bool = False,
    self_audited: bool = False,
    demo: bool = False,
    unseen: tuple[int, ...] = (),
    late: bool = False,
) -> Made:
    made = Made()
    directories(made.tally, months, self_audited=self_audited, demo=demo)
    if not quiet:
        busy(made.tally, months, 7)
    if late:
        one = grant(10**6, "bank.example", "GREEN-LOAN-RATE")
        at = month_begins(add_months(FIRST, months), DEFAULT_ZONE)
        made.tally.take_grant(at, one)
        made.tally.take_end(at + 60, one, "revoked")
        made.tally.take_release(at + 7200, one)
    counts = {"directory": months + 1} if quiet else counts_of(made.tally)
    now = month_begins(add_months(FIRST, months), DEFAULT_ZONE) + 12 * 86400 + 34260
    head = Checkpoint(ORIGIN, sum(counts.values()), sha256(b"root").digest())
    made.raw = make_report(
        judged_of(head, counts, findings or [], witnesses, unseen, now),
        made.tally,
        AUDITOR.public,
        now,
    )
    made.jws = sign_report(made.raw, AUDITOR)
    return made


def judged_of(
    head: Checkpoint,
    counts: dict[str, int],
    findings: list[Finding],
    witnesses: int,
    unseen: tuple[int, ...] = (),
    made: int = 1_800_000_000,
) -> Judged:
    keys = {f"w{n}.example": SigningKey(bytes([n + 1]) * 32) for n in range(witnesses)}
    signed = sign_checkpoint(head, LOG_KEY)
    signed += "".join(str(cosign(head, name, key, made - 400)) for name, key in keys.items())
    vkeys = [witness_key(name, key) for name, key in keys.items()]
    opened = open_checkpoint(signed, LOG, vkeys)
    return Judged(
        log=LOG,
        size=head.size,
        root=head.root,
        checkpoint=signed,
        cosigned=opened.cosigned,
        counts=counts,
        findings=findings,
        unseen=unseen,
        erased=214 if len(counts) > 1 else 0,
        links=1923 if len(counts) > 1 else 0,
    )


def samples() -> dict[str, Made]:
    return {
        "clean": make_sample(),
        "broken": make_sample(
            findings=findings_of(7),
            witnesses=0,
            self_audited=True,
            demo=True,
            unseen=(7, 12),
            late=True,
        ),
        "quiet": make_sample(2, quiet=True, witnesses=1),
        "long": make_sample(40, findings=findings_of(1400)),
    }


def main() -> None:
    for name, made in samples().items():
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, body in report_files(made.raw, made.jws).items():
            (folder / file).write_bytes(body)


if __name__ == "__main__":
    main()
