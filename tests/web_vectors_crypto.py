"""What the web app's keys, seals, commitments and months are compared with.

./run python -m tests.web_vectors_crypto        writes tests/vectors/web_crypto.json anew
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random

from tests import edwards, rfc9180
from tests.vault.crypto.test_seal import LOW_ORDER, published
from tests.vault.test_encoding import VARIANTS, with_header
from vault.chain import digest_of, settle
from vault.crypto import keys
from vault.crypto.commit import ORDER, H, Scalar, commit, write_scalar
from vault.crypto.meter import CELL_LIMIT, Masks, add_masks, hide, masks_of
from vault.encoding import (
    JsonIn,
    b64u,
    compact_json,
    sign_jws,
    strict_json,
    text_hash,
    thumbprint,
)
from vault.errors import tree
from vault.months import (
    Category,
    Grams,
    Milligrams,
    Month,
    add_months,
    close_slot,
    local_time,
    month_at,
    month_begins,
)

FILE = Path(__file__).parent / "vectors" / "web_crypto.json"
ROOT = keys.Root(bytes(range(7, 27)))
LINKS = [bytes([3]) * 16, bytes(range(16))]
ORGS = ["city.example", "bank.demo"]
PLAINS = ["", "plain", '{"城市":"上海","kg":12}', "x" * 112]
ZONES = ["Asia/Shanghai", "Europe/Berlin", "UTC", "America/New_York"]
# The clocks change at midnight, and on the first of a month: no 00:00 there, or two.
MIDNIGHT = {"America/Asuncion": ["2017-10"], "America/Havana": ["2020-11", "2026-11"]}
SAID = ["2026-01", "2026-03", "2026-04", "2026-10", "2026-11", "2028-02", "2030-12", "2015-02"]
GOOD_JSON = [
    "9007199254740991",
    "-9007199254740991",
    "0",
    "-1",
    '"\\ud83d\\ude80"',
    ' {"a" : [true, null]}\n',
    '{"用户":"上海","a":{"a":1,"b":[{"a":2},{"a":3}]}}',
    '"\\u0000\\u001f\\"\\\\\\/\\b\\f\\n\\r\\t\\u2028\x7f"',
    '{"a:b":"{\\"a\\":1.5}","}":"\\\\"}',
    '["1.5","-0",{"":[]}]',
    '{"__proto__":1,"constructor":2}',
    '{"a":1,"A":1,"\\u00e9":1,"e\\u0301":1}',
]
BAD_JSON = [
    *("1.0", "1e2", "1E400", "-1e-400", "0.5", "NaN", "Infinity", "-Infinity", "-0", "[-0]"),
    *("9007199254740992", "-9007199254740992", "123456789012345678", "1" * 5000, "01", "+1"),
    *('{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '[{"b":{"a":1,"a":2}}]', '{"a":{"a":1},"a":1}'),
    *('{"a":[{"b":1}],"c":{},"a":1}', '{"__proto__":1,"__proto__":1}', '{"a" :1,"a"\t:1}'),
    *('"\\ud800"', '{"\\udfff":1}', '["\\ud800x\\udc00"]', '"\\udc00\\ud800"', "\ufeff1"),
    *('1\0"', '"\0"', '"a\nb"', "[1,]", "{'a':1}", "// c\n1", "", " ", "1 2", "\xa01", '"\\x41"'),
    *("[" * 100, "{", '{"a"}', "nul", '"', '{"a":1}}'),
]


def rng(name: str) -> Random:
    """Random numbers that are the same in every run."""
    return Random(name)


def hpke() -> dict[str, JsonIn]:
    """RFC 9180's vector of the suite: key schedule and three of its texts."""
    (vector,) = published()
    names = ("info", "skRm", "skEm", "pkRm", "enc", "key", "base_nonce")
    texts: list[JsonIn] = [
        [one["nonce"], one["aad"], one["pt"], one["ct"]] for one in vector["encryptions"][:3]
    ]
    return {**{name: str(vector[name]) for name in names}, "encryptions": texts}  # type: ignore[literal-required]


def sealed() -> Iterator[JsonIn]:
    """Texts sealed here, that the app opens."""
    for i, plain in enumerate(PLAINS):
        key, info = keys.OpeningKey(bytes([i + 1]) * 32), f"cv1/test/{i}"
        enc, context = rfc9180.sender(bytes([i + 101]) * 32, key.public, info.encode())
        wire = enc + context.seal(0, plain.encode())
        once = (bytes([i + 101]) * 32).hex()
        yield {
            "seed": key.value.hex(),
            "once": once,
            "info": info,
            "plain": plain,
            "sealed": wire.hex(),
        }


def commits() -> Iterator[JsonIn]:
    """[T, rho, C] at the edges and for forty random pairs."""
    random = rng("commit")
    edges = [0, 1, 15, 16, 2**40 - 1, ORDER - 1]
    pairs = [(total, rho) for total in edges for rho in (0, 1, ORDER - 1)]
    pairs += [(random.randrange(ORDER), random.randrange(ORDER)) for _ in range(20)]
    pairs += [(random.randrange(CELL_LIMIT), random.randrange(ORDER)) for _ in range(20)]
    for total, rho in pairs:
        raw = (write_scalar(Scalar(total)), write_scalar(Scalar(rho)), commit(total, Scalar(rho)))
        yield [part.hex() for part in raw]


def points() -> dict[str, JsonIn]:
    """Encodings of the prime-order group, and all kinds of others."""
    h = edwards.decode(H)
    good = [edwards.encode(edwards.times(n, edwards.BASE)) for n in (1, 2, 3, ORDER - 1)]
    small = [edwards.encode(point) for point in edwards.TORSION]
    mixed = [edwards.encode(edwards.add(h, point)) for point in edwards.TORSION[1:]]
    doubled = [(edwards.P + y).to_bytes(32, "little") for y in range(19)]
    signed = [(1 << 255 | edwards.P + y).to_bytes(32, "little") for y in range(19)]
    other = [(2).to_bytes(32, "little"), b"\xff" * 32, b"", H[:31], H + b"\0"]
    bad = [*small, *mixed, *doubled, *signed, *other]
    return {"good": [raw.hex() for raw in [H, *good]], "bad": [raw.hex() for raw in bad]}


def cells() -> dict[str, JsonIn]:
    """Masks, cells and a token's sums."""
    made: list[JsonIn] = []
    masks: list[Masks] = []
    for i, link in enumerate(LINKS):
        key = keys.stream_key(ROOT, link)
        for category in Category:
            month = add_months(Month("2026-11"), category)
            masks.append(masks_of(key, category, month))
            grams = Grams([0, 1, 480, 2**40 - 1][(category + i) % 4])
            cell = hide(grams, masks[-1])
            numbers = (masks[-1].tau, masks[-1].rho, cell.masked)
            made.append(
                [
                    *(key.value.hex(), int(category), month, int(grams)),
                    *(write_scalar(n).hex() for n in numbers),
                    cell.commitment.hex(),
                ]
            )
    total = add_masks(masks)
    return {"cells": made, "sum": [write_scalar(n).hex() for n in (total.tau, total.rho)]}


def derived() -> dict[str, JsonIn]:
    """Every key of one root, and plain KDF outputs."""
    kdf = [(b"k", b"", 1), (bytes(20), b"cv1", 32), (b"\xff" * 64, b"info", 128)]
    return {
        "root": ROOT.value.hex(),
        "account": keys.account_key(ROOT).public.hex(),
        "state": keys.state_key(ROOT).value.hex(),
        "links": [
            [link.hex(), keys.stream_key(ROOT, link).value.hex(), record.public.hex()]
            for link in LINKS
            for record in (keys.record_key(ROOT, link),)
        ],
        "orgs": [[org, thumbprint(keys.consent_key(ROOT, org).public)] for org in ORGS],
        "kdf": [[k.hex(), info.hex(), n, keys.kdf(k, info, n).hex()] for k, info, n in kdf],
    }


def wraps() -> Iterator[JsonIn]:
    """[secret, nonce, id, blob] of ROOT for both sizes of secrets."""
    for secret in (bytes(range(20)), bytes(range(32))):
        nonce = bytes([len(secret)]) * 12
        blob = keys.wrap_root(secret, ROOT, nonce)
        yield [part.hex() for part in (secret, nonce, keys.wrap_id(secret), blob)]


def states() -> Iterator[JsonIn]:
    """[counter, plain, nonce, blob] under ROOT's state key."""
    for counter in (0, 1, 255, 2**32, 2**40 + 5, 2**53 - 1):
        plain, nonce = f'{{"第":{counter}}}', sha256(b"%d" % counter).digest()[:12]
        blob = keys.seal_state(keys.state_key(ROOT), counter, plain.encode(), nonce)
        yield [counter, plain, nonce.hex(), blob.hex()]


def codes() -> dict[str, JsonIn]:
    """Codes as written, as people type them, and mistyped."""
    random = rng("codes")
    raws = [bytes(20), b"\xff" * 20, *(random.randbytes(size) for size in (20, 20, 10, 15, 5))]
    good = [[raw.hex(), keys.write_symbols(raw)] for raw in raws]
    last = keys.write_code(raws[3])
    typed = last.lower().replace("-", " ").replace("0", "o").replace("1", "l") + "\n"
    bad = ["", "0", last[:-1], last + "0", last[:-1] + ("0" if last[-1] != "0" else "1")]
    bad += [last.replace(last[0], "U", 1), last.replace(last[0], "é", 1), "*" + last[1:]]
    bad += ["🚀" + last[1:], last[1] + last[0] + last[2:]]
    six = [[code.hex(), keys.six_digits(code)] for code in (b"", bytes(20), *raws[2:])]
    return {"good": good, "typed": [raws[3].hex(), typed], "bad": bad, "six": six}


def envelopes() -> dict[str, JsonIn]:
    """[seed, typ, payload, JWS] to be made again, and JWSs with other headers."""
    bodies: list[dict[str, JsonIn]] = [
        {"iat": 1767225600, "link": "01" * 16},
        {"说明": '"停止"\\共享\n', "emoji": "🚀", "n": [0, -1, 2**53 - 1], "no": None},
        {},
    ]
    made: list[JsonIn] = []
    for i, body in enumerate(bodies):
        key = keys.SigningKey(bytes([i + 17]) * 32)
        payload = compact_json(body).decode()
        made.append([key.value.hex(), "cv1-unlink", payload, sign_jws("cv1-unlink", body, key)])
    key = keys.SigningKey(bytes([17]) * 32)
    broken = [b"[]", b'{"a":1,"a":1}', b"\xff", b'{"a":1.5}', b""]
    header = f'{{"alg":"Ed25519","kid":"{thumbprint(key.public)}","typ":"cv1-unlink"}}'
    return {
        "made": made,
        "headers": [with_header(header) for header in VARIANTS.values()],
        "payloads": [with_header(header, payload) for payload in broken],
        "introduced": introduced(key),
    }


def introduced(key: keys.SigningKey) -> dict[str, JsonIn]:
    """A message that brings its key; one under the identity, where every signature verifies."""
    identity = b"\1" + bytes(31)
    head = f'{{"alg":"Ed25519","kid":"{thumbprint(identity)}","typ":"cv1-account"}}'
    body = b64u(compact_json({"iat": 1, "pk": b64u(identity)}))
    small = f"{b64u(head.encode())}.{body}.{b64u(identity + bytes(32))}"
    other = b64u(keys.SigningKey(bytes(32)).public)
    texts: list[JsonIn] = [
        sign_jws("cv1-account", {"iat": 1, "pk": pk}, key) for pk in (None, "AA", 5, "A" * 44)
    ]
    return {
        "good": sign_jws("cv1-account", {"iat": 1, "pk": b64u(key.public)}, key),
        "other": sign_jws("cv1-account", {"iat": 1, "pk": other}, key),
        "small": small,
        "shapes": texts,
    }


def moments(zone: str) -> list[int]:
    """Seconds around months' ends and both changes of the clocks in 2026."""
    found = {month_begins(Month(month), zone) + by for month in SAID for by in (-1, 0, 3600)}
    for day in ((3, 8), (3, 29), (10, 25), (11, 1)):
        noon = int(datetime(2026, *day, tzinfo=UTC).timestamp())
        found |= {noon + 3600 * hour + by for hour in range(8) for by in (-1, 0)}
    return sorted(found)


def zones() -> dict[str, JsonIn]:
    """By zone: [month, begin, slot's begin and end], [second, month, local time]."""
    some = dict.fromkeys(ZONES, SAID) | MIDNIGHT
    return {
        zone: {
            "months": [
                [month, month_begins(Month(month), zone), *close_slot(Month(month), zone)]
                for month in months
            ],
            "moments": [
                [unix, month_at(unix, zone), local_time(unix, zone).strftime("%Y-%m-%d %H:%M")]
                for unix in moments(zone)
                if zone in ZONES
            ],
        }
        for zone, months in some.items()
    }


def calendar() -> dict[str, JsonIn]:
    """Months added, and texts that are no month."""
    counts = [("2026-01", n) for n in (-13, -12, -1, 0, 1, 11, 12, 23)] + [("2099-11", 1)]
    return {
        "added": [[month, n, add_months(Month(month), n)] for month, n in counts],
        "over": [["2099-12", 1], ["2000-01", -1]],
        "bad": ["", "2026-1", "2026-13", "2026-00", "1999-12", "2100-01", "2026-01 ", "2026-01\n"],
        "no_zone": ["", "Nowhere/At_All", "../UTC", "/etc/localtime", "\0", "Asia", "+08:00"],
    }


def chains() -> Iterator[JsonIn]:
    """[before, added, caps, grams, balances]."""
    random = rng("chain")
    most = [0, 10**3, 10**6, 2**40 - 1, 2**45]
    for spread in (2000, 10**7, 2**51):
        for _ in range(8):
            before = [random.randint(-spread, spread) for _ in Category]
            some = random.sample(range(1, 8), 5)
            added = {c: random.randint(-spread, spread) for c in some}
            caps = [random.choice(most) for _ in Category]
            cap = dict(zip(Category, map(Grams, caps), strict=True))
            found = settle(map(Milligrams, before), added, cap.__getitem__)
            sums: list[JsonIn] = [[c, mg] for c, mg in added.items()]
            yield [before, sums, caps, list(found.grams), list(found.balances)]


def vectors() -> dict[str, JsonIn]:
    """Everything the file holds."""
    pairs = [("a.b.c", "d.e.f"), ("g.h.i", "j.k.l")]
    slugs = {kind.slug: kind.status is not None for kind in tree()}
    return {
        "slugs": slugs,
        "hpke": hpke(),
        "sealed": list(sealed()),
        "low_order": list(LOW_ORDER),
        "commits": list(commits()),
        "points": points(),
        "scalars_bad": [n.to_bytes(32, "little").hex() for n in (ORDER, ORDER + 1, 2**256 - 1)],
        **cells(),
        "keys": derived(),
        "wraps": list(wraps()),
        "states": list(states()),
        "codes": codes(),
        "json_good": [[t, compact_json(strict_json(t.encode())).decode()] for t in GOOD_JSON],
        "json_bad": list(BAD_JSON),
        "jws": envelopes(),
        "hashes": [[text, text_hash(text).hex()] for text in ("", "a.b.c")],
        "zones": zones(),
        "calendar": calendar(),
        "chain": list(chains()),
        "digests": [[list(map(list, some)), digest_of(some).hex()] for some in ([], pairs)],
    }


def text_of(found: dict[str, JsonIn]) -> str:
    """Return the file's text: one part of it a line."""
    lines = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in found.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text_of(vectors()), encoding="utf-8")
