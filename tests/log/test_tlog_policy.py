"""The policy file, rule by rule of c2sp.org/tlog-policy, and its quorum against a naive reading."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.log import tlog_policy
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.cosignature import cosign
from consent.log.note import COSIGNATURE, ED25519, VerifierKey
from consent.log.tlog_policy import LogPolicy, read_policy
from vault.crypto.keys import SigningKey
from vault.errors import BadProof, BadShape, NotWitnessed

ORIGIN = "vault.example/log"
LOG_KEY = SigningKey(b"\x30" * 32)
LOG = VerifierKey(ORIGIN, ED25519, LOG_KEY.public)
KEYS = [SigningKey(bytes([i + 1]) * 32) for i in range(12)]
WITNESSES = [VerifierKey(f"w{i}.example", COSIGNATURE, key.public) for i, key in enumerate(KEYS)]
A, B, C = WITNESSES[:3]
HEAD = Checkpoint(ORIGIN, 1, bytes(32))

PAGE_EXAMPLE = """log {log}

witness X1 {0}
witness X2 {1}
witness X3 {2}
group X-witnesses 2 X1 X2 X3

witness Y1 {3}
witness Y2 {4}
witness Y3 {5}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def read(text: str) -> LogPolicy:
    return read_policy(text.encode())


def three(*more: str) -> str:
    lines = [f"witness {name} {key}" for name, key in zip("ABC", WITNESSES, strict=False)]
    return "\n".join([*lines, *more]) + "\n"


def subsets(keys: Iterable[VerifierKey]) -> list[tuple[VerifierKey, ...]]:
    found = list(keys)
    return [some for size in range(len(found) + 1) for some in combinations(found, size)]


def test_example_of_the_page_holds_for_exactly_its_subsets() -> None:
    policy = read(PAGE_EXAMPLE.format(*WITNESSES, log=LOG))
    x, y = set(WITNESSES[:3]), set(WITNESSES[3:6])
    enough = 0
    for some in subsets(WITNESSES[:6]):
        wanted = len(x & set(some)) >= 2 and len(y & set(some)) >= 1
        assert policy.enough(some) is wanted
        enough += wanted
    assert enough == (3 + 1) * (2**3 - 1)
    assert [member.key for member in policy.logs] == [LOG]


def test_spaces_tabs_empty_lines_and_comments_mean_nothing() -> None:
    plain = read(three("group G 2 A B C", "quorum G"))
    spaced = "# none\n\n \t\n" + three("\t# A 1", "  group\t G  2 A\tB C \t", "quorum \tG").replace(
        "witness", "\twitness  "
    )
    assert read(spaced) == plain
    assert read(spaced.rstrip("\n")) == plain


def test_hash_sign_inside_a_line_begins_no_comment() -> None:
    policy = read(f"witness #1 {A}\n".replace("#1", "W#1") + "quorum W#1\n")
    assert policy.enough([A])
    with pytest.raises(BadShape):
        read(f"witness W {A} https://w.example # ours\nquorum W\n")


def test_urls_are_kept_and_optional() -> None:
    policy = read(f"log {LOG} https://vault.example/log\nwitness A {A} https://w\nquorum none\n")
    assert policy.logs[0].url == "https://vault.example/log"
    assert policy.witnesses["A"].url == "https://w"
    assert read(three("quorum A")).witnesses["A"].url == ""


def test_quorum_none_asks_for_nobody() -> None:
    assert read("quorum none\n").enough([])
    assert read(three("quorum none")).enough([])


def test_any_all_and_numbers_are_thresholds() -> None:
    for word, least in (("any", 1), ("all", 3), ("1", 1), ("2", 2), ("3", 3)):
        policy = read(three(f"group G {word} A B C", "quorum G"))
        for some in subsets([A, B, C]):
            assert policy.enough(some) is (len(some) >= least)


def test_two_keys_of_one_name_are_different_only_by_key() -> None:
    other = VerifierKey(A.name, COSIGNATURE, B.public)
    policy = read(f"witness one {A}\nwitness two {other}\ngroup G any one two\nquorum G\n")
    assert policy.enough([other])


def test_names_are_octets() -> None:
    kelvin, k = "\u212a", "K"
    policy = read(f"witness {kelvin} {A}\nwitness {k} {B}\nquorum {kelvin}\n")
    assert policy.enough([A])
    assert not policy.enough([B])
    loose = b"witness \xff\xfe %s\n# \x80\xff\nquorum \xff\xfe\n" % str(A).encode()
    assert read_policy(loose).enough([A])
    with pytest.raises(BadShape):
        read_policy(loose.replace(b"quorum \xff\xfe", b"quorum \xff\xfd"))


def test_spaces_of_unicode_part_nothing() -> None:
    policy = read(f"witness A\u00a0B\u2003C {A}\nquorum A\u00a0B\u2003C\n")
    assert list(policy.witnesses) == ["A\u00a0B\u2003C"]


BAD = {
    "no quorum": three(),
    "empty file": "",
    "two quorums": three("quorum A", "quorum A"),
    "quorum none, then another": three("quorum none", "quorum A"),
    "quorum of nobody": three("quorum"),
    "quorum of two": three("quorum A B"),
    "quorum that is not defined": three("quorum D"),
    "quorum before its group": three("quorum G", "group G any A"),
    "group before its witness": f"group G any A\nwitness A {A}\nquorum G\n",
    "group of itself": three("group G any G", "quorum G"),
    "group in a circle": three("group G any H", "group H any G", "quorum G"),
    "group without a member": three("group G 1", "quorum G"),
    "group without a threshold": three("group G", "quorum none"),
    "none as a member": three("group G any A none", "quorum G"),
    "witness named none": f"witness none {A}\nquorum none\n",
    "group named none": three("group none any A", "quorum none"),
    "witness name twice": f"witness A {A}\nwitness A {B}\nquorum A\n",
    "group with a witness's name": three("group A any B", "quorum A"),
    "member twice in a group": three("group G any A A", "quorum G"),
    "member of two groups": three("group G any A B", "group H any A C", "quorum G"),
    "group in two groups": three("group G any A", "group H any G B", "group I any G C", "quorum H"),
    "threshold 0": three("group G 0 A B", "quorum G"),
    "threshold above its members": three("group G 3 A B", "quorum G"),
    "threshold with a zero before": three("group G 01 A B", "quorum G"),
    "threshold with a sign": three("group G +1 A B", "quorum G"),
    "threshold in other digits": three("group G \uff11 A B", "quorum G"),
    "threshold in capitals": three("group G ANY A B", "quorum G"),
    "key of two witnesses": f"witness A {A}\nwitness B {A}\nquorum A\n",
    "key of two witnesses under other names": "witness A {}\nwitness B {}\nquorum A\n".format(
        A, VerifierKey("other.example", COSIGNATURE, A.public)
    ),
    "log twice": f"log {LOG}\nlog {LOG}\nquorum none\n",
    "log under another name": "log {}\nlog {}\nquorum none\n".format(
        LOG, VerifierKey("other.example", ED25519, LOG.public)
    ),
    "log with a witness's key": f"log {A}\nquorum none\n",
    "witness with a log's key": f"witness A {LOG}\nquorum A\n",
    "log without a key": "log\nquorum none\n",
    "log with two URLs": f"log {LOG} https://a https://b\nquorum none\n",
    "witness without a key": "witness A\nquorum none\n",
    "key with another id": f"log {LOG}\nquorum none\n".replace(LOG.key_id.hex(), "00000000"),
    "unknown line": three("policy x", "quorum A"),
    "keyword in capitals": three("Quorum A"),
    "carriage return": three("quorum A\r"),
    "carriage return in a comment": three("# a\r", "quorum A"),
    "escape in a comment": three("# \x1b[31m", "quorum A"),
    "delete": three("# \x7f", "quorum A"),
    "zero octet": three("quorum A\0"),
    "form feed between words": three("quorum\x0cA"),
    "byte order mark": "\ufeff" + three("quorum A"),
}


@pytest.mark.parametrize("why", BAD)
def test_bad_policy_is_refused(why: str) -> None:
    with pytest.raises(BadShape):
        read(BAD[why])


def test_the_refused_ones_are_taken_once_the_fault_is_out() -> None:
    # The form all of them are made from is good, so that it is the fault that is refused.
    for good in (
        three("quorum A"),
        three("# a", "quorum A"),
        three("group G any A B", "group H any C", "group I all G H", "quorum I"),
        f"log {LOG} https://a\nquorum none\n",
    ):
        assert isinstance(read(good), LogPolicy)


@pytest.mark.parametrize("octet", [octet for octet in range(256) if octet not in (0x09, 0x0A)])
def test_allowed_octets_are_those_of_the_page(octet: int) -> None:
    raw = b"# " + bytes([octet]) + b"\nquorum none\n"
    if 0x20 <= octet <= 0x7E or octet >= 0x80:
        assert read_policy(raw).quorum == "none"
    else:
        with pytest.raises(BadShape):
            read_policy(raw)


def test_line_of_the_fault_is_named() -> None:
    with pytest.raises(BadShape, match="line 5 of the policy"):
        read(three("# four", "quorum D"))


def test_many_logs_witnesses_and_groups_are_taken() -> None:
    keys = [SigningKey(bytes([1, n]) * 16) for n in range(64)]
    lines = [f"log {VerifierKey(f'l{n}.example', ED25519, k.public)}" for n, k in enumerate(keys)]
    lines += [
        f"witness w{n} {VerifierKey(f'w{n}.example', COSIGNATURE, k.public)}"
        for n, k in enumerate(keys)
    ]
    lines += [f"group g{n} any w{n}" for n in range(64)]
    lines += ["group all 64 " + " ".join(f"g{n}" for n in range(64)), "quorum all"]
    policy = read("\n".join(lines))
    assert policy.enough(policy.keys)
    assert not policy.enough(policy.keys[1:])


def test_depth_has_a_limit_and_up_to_it_the_quorum_is_judged() -> None:
    chain = [f"group g{n + 1} any g{n}" for n in range(tlog_policy.MAX_GROUPS - 1)]
    deep = three("group g0 any A", *chain, f"quorum g{len(chain)}")
    assert read(deep).enough([A])
    with pytest.raises(BadShape):
        read(deep.replace("quorum", f"group more any g{len(chain)}\nquorum"))


Tree = str | tuple[int, list["Tree"]]


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A quorum as a tree over named witnesses, each at most once."""
    names = draw(st.permutations([f"W{n}" for n in range(draw(st.integers(1, 8)))]))
    parts: list[Tree] = [*names]
    while len(parts) > 1:
        count = draw(st.integers(1, len(parts)))
        members, parts = parts[:count], parts[count:]
        parts.append((draw(st.integers(1, count)), members))
        if count == 1 and draw(st.booleans()):
            break
    return parts[-1]


def naive(tree: Tree, signed: set[str]) -> bool:
    if isinstance(tree, str):
        return tree in signed
    least, members = tree
    return len([True for member in members if naive(member, signed)]) >= least


def written(tree: Tree, lines: list[str]) -> str:
    if isinstance(tree, str):
        return tree
    names = [written(member, lines) for member in tree[1]]
    name = f"G{len(lines)}"
    lines.append(f"group {name} {tree[0]} {' '.join(names)}")
    return name


@given(trees())
def test_quorum_is_the_naive_one_for_every_subset(tree: Tree) -> None:
    groups: list[str] = []
    top = written(tree, groups)
    lines = [f"witness W{n} {key}" for n, key in enumerate(WITNESSES[:8])]
    policy = read("\n".join([*lines, *groups, f"quorum {top}"]) + "\n")
    for choice in product([False, True], repeat=8):
        signed = [n for n, yes in enumerate(choice) if yes]
        found = policy.enough(WITNESSES[n] for n in signed)
        assert found is naive(tree, {f"W{n}" for n in signed})


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(raw: bytes) -> None:
    for file in (raw, three().encode() + raw + b"\nquorum A\n"):
        try:
            read_policy(file)
        except BadShape:
            continue


def signed_by(*numbers: int) -> str:
    lines = [cosign(HEAD, WITNESSES[n].name, KEYS[n], 7) for n in numbers]
    return sign_checkpoint(HEAD, LOG_KEY) + "".join(map(str, lines))


def test_policy_opens_what_its_log_signed_and_its_quorum_cosigned() -> None:
    policy = read(f"log {LOG}\n" + three("group G 2 A B C", "quorum G"))
    assert policy.open(signed_by(0, 2)).checkpoint == HEAD
    with pytest.raises(NotWitnessed):
        policy.open(signed_by(0))
    with pytest.raises(NotWitnessed):
        policy.open(signed_by(0, 5))  # a witness of another policy
    other = Checkpoint("other.example/log", 1, bytes(32))
    with pytest.raises(BadProof):
        policy.open(sign_checkpoint(other, LOG_KEY))


def test_one_witness_line_twice_is_one_witness() -> None:
    policy = read(f"log {LOG}\n" + three("group G 2 A B C", "quorum G"))
    with pytest.raises(NotWitnessed):
        policy.open(signed_by(0, 0))
