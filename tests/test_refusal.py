"""A refusal as evidence: what follows from its bytes, and that no invented file accuses anybody."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.commands import alerts as alerts_file
from consent.commands.alerts import Alerts
from consent.commands.refused import against, describe_refusal, refusal_members
from consent.copies import LOG as LOG_COPY
from consent.copies import Alarm
from consent.evidence import file_name, judge_evidence, read_evidence, write_evidence
from consent.log import refusal as rules
from consent.log.checkpoint import Checkpoint
from consent.log.cosignature import cosign, witness_key
from consent.log.note import ED25519, Note, Signature, VerifierKey, read_note
from consent.log.reasons import find_refusal, make_refusal, refusal_text
from consent.log.refusal import Refusal, Rule, judge_refusal
from consent.shelf import MOST, FolderShelf
from tests.small_log import SmallLog
from vault.crypto.keys import SigningKey
from vault.encoding import JsonIn
from vault.errors import BadProof, BadShape, Locale

NOW = 1_767_225_600
LOG = SmallLog("vault.example/log", 12)
TWIN = SmallLog("twin.example/log", 4, LOG.key)
STRANGER = SmallLog("other.example/log", 7)
KEY = SigningKey(b"\x05" * 32)
WITNESS = witness_key("w1.example", KEY)
SECOND = SigningKey(b"\x06" * 32)
OTHER = witness_key("w2.example", SECOND)


def line(size: int, time: int = NOW, name: str = "w1.example", key: SigningKey = KEY) -> str:
    return str(cosign(LOG.checkpoint(size), name, key, time))


def noted(size: int, time: int = NOW) -> str:
    """The log's checkpoint of this size, cosigned by the first witness."""
    return LOG.note(size) + line(size, time)


def false_line() -> str:
    found = read_note(noted(9)).signatures[-1]
    return str(type(found)(found.name, found.key_id, found.value[:-1] + b"\x00"))


def good(rule: Rule) -> dict[str, JsonIn]:
    """The members of one honest refusal of each rule."""
    members: dict[str, dict[str, JsonIn]] = {
        "origin": {"note": TWIN.note(), "known": LOG.note(9)},
        "forged": {"note": LOG.note(9) + false_line(), "witnesses": [str(WITNESS)]},
        "replayed": {"note": LOG.note(9) + line(7), "known": noted(7), "witnesses": [str(WITNESS)]},
        "stale": {"note": noted(9, NOW - 500), "witnesses": [str(WITNESS)], "limit": 400},
        "ahead": {"note": LOG.note(7), "known": noted(9), "witnesses": [str(WITNESS)]},
        "down": {"known": noted(9), "witnesses": [str(WITNESS)], "tries": [NOW + 5, NOW + 65]},
    }
    return {**members[rule], "at": NOW, "by": "vault.example/log"}


RULES: tuple[Rule, ...] = ("origin", "forged", "replayed", "stale", "ahead", "down")
INVENTED: dict[str, tuple[Rule, dict[str, JsonIn]]] = {
    "origin of the log itself": ("origin", {"note": LOG.note(9)}),
    "origin beside a note of a stranger": ("origin", {"known": STRANGER.note()}),
    "forged by a line that is true": ("forged", {"note": noted(9)}),
    "forged by the same true line twice": ("forged", {"note": noted(9) + line(9)}),
    "forged without any line": ("forged", {"note": LOG.note(9)}),
    "forged in a note of another log": ("forged", {"note": STRANGER.note() + line(9)}),
    "replayed from its own checkpoint": ("replayed", {"note": noted(7)}),
    "replayed from where it never stood": ("replayed", {"known": noted(8)}),
    "replayed from what nobody cosigned": ("replayed", {"known": LOG.note(7)}),
    "replayed from a checkpoint that the log did not sign": (
        "replayed",
        {"known": f"{LOG.checkpoint(7)}\n{line(7)}"},
    ),
    "stale and fresh": ("stale", {"at": NOW - 200}),
    "stale by a witness who is not in it": ("stale", {"witnesses": [str(OTHER)]}),
    "stale without the log": ("stale", {"note": f"{LOG.checkpoint(9)}\n{line(9, NOW - 500)}"}),
    "stale beside an older one": ("stale", {"at": NOW - 200, "known": noted(7, NOW - 900)}),
    "ahead by a smaller one": ("ahead", {"note": LOG.note(12)}),
    "ahead by the same one": ("ahead", {"note": LOG.note(9)}),
    "ahead by one of a stranger": ("ahead", {"known": STRANGER.note()}),
    "ahead by a witness who did not cosign": ("ahead", {"witnesses": [str(WITNESS), str(OTHER)]}),
    "ahead of what the log did not sign": ("ahead", {"note": STRANGER.note()}),
    "down and then not": ("down", {"tries": [NOW - 301, NOW + 5]}),
    "down in no order": ("down", {"tries": [NOW + 65, NOW + 5]}),
    "down and never asked": ("down", {"tries": []}),
    "down, two at once": ("down", {"witnesses": [str(WITNESS), str(OTHER)]}),
    "down with a note": ("down", {"note": noted(9)}),
    "forged with a limit": ("forged", {"limit": 5}),
    "origin with a witness": ("origin", {"witnesses": [str(WITNESS)]}),
    "ahead by nobody": ("ahead", {"known": "", "witnesses": []}),
}


@pytest.mark.parametrize("rule", RULES)
def test_refusal_of_each_rule_is_read_judged_and_told(rule: Rule) -> None:
    made = make_refusal(rule, LOG.vkey, **good(rule))
    assert read_evidence(write_evidence(made)) == made
    assert write_evidence(made).decode() == refusal_text(made)
    judge_evidence(made, LOG.vkey)
    with pytest.raises(BadProof, match="another key"):
        judge_evidence(made, STRANGER.vkey)
    assert file_name(made).startswith(f"refusal-{rule}-")
    told: dict[Locale, str] = {
        locale: " ".join(describe_refusal(made, True, locale)) for locale in LOCALES
    }
    assert ("nothing against anybody" in told["en"]) is (rule != "origin")
    assert ("不证明任何一方有过错" in told["zh-CN"]) is (rule != "origin")
    assert "{" not in told["en"] + told["zh-CN"]


LOCALES: tuple[Locale, ...] = ("en", "zh-CN")


@pytest.mark.parametrize("name", INVENTED)
def test_invented_file_proves_nothing(name: str) -> None:
    rule, changed = INVENTED[name]
    make_refusal(rule, LOG.vkey, **good(rule))  # the control: without the lie it is taken
    with pytest.raises(BadProof):
        make_refusal(rule, LOG.vkey, **{**good(rule), **changed})


notes = st.sampled_from(
    [
        *(LOG.note(size) for size in (3, 7, 9, 12)),
        *(noted(size, NOW + 9 * size) for size in (3, 7, 9)),
        LOG.note(9) + line(7),
        LOG.note(9) + false_line(),
        STRANGER.note(),
        STRANGER.note() + line(7),
        str(read_note(LOG.note(9))).replace("vault.example", "evil.example"),
        "",
    ]
)
vkeys = st.sampled_from([str(WITNESS), str(OTHER)])


@given(
    st.sampled_from(RULES),
    st.sampled_from([LOG.vkey, STRANGER.vkey, VerifierKey("evil.example", ED25519, KEY.public)]),
    notes,
    notes,
    st.lists(vkeys, max_size=2),
    st.integers(0, 500),
    st.lists(st.integers(NOW - 500, NOW + 500), max_size=3),
    st.integers(NOW - 1000, NOW + 1000),
)
def test_honest_log_is_accused_by_no_file(
    rule: Rule,
    log: VerifierKey,
    note: str,
    known: str,
    witnesses: list[str],
    limit: int,
    tries: list[int],
    at: int,
) -> None:
    found = Refusal(
        type="log-evidence",
        kind="refusal",
        rule=rule,
        log=str(log),
        note=note,
        known=known,
        witnesses=tuple(witnesses),
        limit=limit,
        tries=tuple(tries),
        at=at,
    )
    try:
        judged = judge_refusal(found)
    except (BadProof, BadShape):
        return
    assert against(found, judged, pinned=True) is None


def test_without_the_signature_anybody_could_accuse(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = VerifierKey("evil.example/log", ED25519, LOG.key.public)
    text = Checkpoint(evil.name, 3, bytes(32))
    forged = str(Note(str(text), (Signature(evil.name, evil.key_id, bytes(64)),)))
    made = make_refusal("origin", LOG.vkey, note=forged, known=LOG.note(9))
    assert refusal_members(made, True)["against"] is None
    monkeypatch.setattr(rules, "verify_signature", lambda *_: None)
    assert refusal_members(made, True)["against"] == "log"


def test_key_under_another_name_accuses_nobody_unless_it_is_known() -> None:
    """Anybody takes a key, theirs or an honest one, gives it a name, and signs what they like."""
    invented = VerifierKey("evil.example/log", ED25519, LOG.key.public)
    made = make_refusal("origin", invented, note=LOG.note(9))
    assert refusal_members(made, False)["against"] is None
    assert "nothing in the file shows" in describe_refusal(made, False, "en")[0]
    with pytest.raises(BadProof):
        make_refusal("origin", invented, note=LOG.note(9), known=LOG.note(7))
    # A stranger's key that names itself as the log signs both notes of its file.
    two = make_refusal("origin", LOG.vkey, note=TWIN.note(), known=LOG.note(7))
    assert refusal_members(two, False)["against"] is None
    assert "nothing in the file shows" in describe_refusal(two, False, "en")[0]
    assert refusal_members(two, True)["against"] == "log"


def test_reason_is_found_from_the_bytes() -> None:
    keys = [WITNESS, OTHER]
    found = find_refusal(LOG.note(9) + line(7), LOG.vkey, keys, [LOG.note(3), noted(7)])
    assert found is not None
    assert (found.rule, found.known) == ("replayed", noted(7))
    unknown = find_refusal(LOG.note(9) + line(7), LOG.vkey, keys)
    assert unknown is not None
    assert unknown.rule == "forged"  # who has no earlier note cannot tell them apart
    other = find_refusal(STRANGER.note(), LOG.vkey, keys)
    assert other is not None
    assert other.rule == "origin"
    for honest in (LOG.note(9), noted(9), noted(9) + line(9, NOW + 1), "no note", ""):
        assert find_refusal(honest, LOG.vkey, keys) is None


def test_name_of_a_file_does_not_change_with_lines_that_anybody_adds() -> None:
    one = make_refusal("forged", LOG.vkey, **good("forged"))
    more = str(good("forged")["note"]) + line(9, NOW, "w9.example", SECOND)
    two = make_refusal("forged", LOG.vkey, **{**good("forged"), "note": more, "at": NOW + 5})
    assert file_name(one) == file_name(two)
    three = make_refusal("replayed", LOG.vkey, **good("replayed"))
    assert file_name(three) != file_name(one)


def test_harmless_note_that_came_before_does_not_acquit_the_key(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path, "me", lambda: NOW)
    stranger = SmallLog(TWIN.origin, 4, KEY)  # the same text, signed by somebody else
    first = shelf.keep(make_refusal("origin", LOG.vkey, note=stranger.note()))
    second = shelf.keep(make_refusal("origin", LOG.vkey, note=TWIN.note()))
    assert (first, second) != (second, None)
    assert second is not None
    found = read_evidence(second.read_bytes())
    assert isinstance(found, Refusal)
    assert judge_refusal(found).signed


def test_harmless_files_take_no_room_of_those_that_accuse(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path, "me", lambda: NOW)
    for size in range(MOST):
        false = SmallLog(f"other{size}.example", 1)
        assert shelf.keep(make_refusal("origin", LOG.vkey, note=false.note()))
    assert shelf.keep(make_refusal("origin", LOG.vkey, note=STRANGER.note())) is None  # the control
    assert shelf.keep(make_refusal("origin", LOG.vkey, note=TWIN.note())) is not None
    alerts = Alerts(tmp_path)
    unsigned, signed = (
        Alarm(NOW, "invalid", LOG_COPY, "…", make_refusal("origin", LOG.vkey, note=one.note()))
        for one in (STRANGER, SmallLog("twin2.example/log", 4, LOG.key))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alerts_file, "MOST_EVIDENCE", MOST)
        assert alerts.keep(unsigned) is None
        assert alerts.keep(signed) is not None


def test_newest_silences_stay_when_there_were_many(tmp_path: Path) -> None:
    shelf, log = FolderShelf(tmp_path, "me", lambda: NOW), SmallLog("vault.example/log", 3)
    kept = []
    for size in range(4, 4 + MOST + 3):
        log.grow(1)
        known = log.note() + str(cosign(log.checkpoint(), "w1.example", KEY, NOW))
        members: dict[str, JsonIn] = {"witnesses": [str(WITNESS)], "tries": [NOW + size]}
        kept.append(shelf.keep(make_refusal("down", log.vkey, known=known, **members)))
    assert [path for path in kept if path is None] == []
    assert set(tmp_path.iterdir()) == {*kept[3:]}


def test_words_of_a_stale_note_say_why_it_was_refused() -> None:
    old = make_refusal("stale", LOG.vkey, **good("stale"))
    assert "400 s were allowed" in describe_refusal(old, True, "en")[1]
    fresh = {**good("stale"), "note": noted(9, NOW - 100), "known": noted(12, NOW - 10)}
    later = make_refusal("stale", LOG.vkey, **fresh)
    said: dict[Locale, str] = {
        "en": "had cosigned later than that",
        "zh-CN": "在此之后又共同签署过",
    }
    for locale, wanted in said.items():
        told = " ".join(describe_refusal(later, True, locale))
        assert wanted in told
        assert "400" not in told
    both = make_refusal("stale", LOG.vkey, **{**fresh, "note": noted(9, NOW - 500)})
    assert "400 s were allowed" in describe_refusal(both, True, "en")[1]


def test_words_of_others_move_no_cursor() -> None:
    evil = SmallLog("evil\u202e\u009b.example", 2)
    made = make_refusal("origin", LOG.vkey, note=evil.note(), by="who\u202ekeeps", at=NOW)
    told = "\n".join(describe_refusal(made, True, "en"))
    assert "evil\\u202e\\u009b.example" in told
    assert "\u202e" not in told
    with pytest.raises(BadProof):
        make_refusal("origin", LOG.vkey, note=evil.note(), by="a\x1b[2J")


def test_file_that_is_too_large_or_of_another_form_is_refused() -> None:
    with pytest.raises(BadProof):
        make_refusal("origin", LOG.vkey, note="x" * (1 << 19) + TWIN.note())
    plain = make_refusal("down", LOG.vkey, **good("down")).plain()
    for changed in ({"rule": "other"}, {"note": None}, {"tries": [1] * 17}, {"note": ""}):
        with pytest.raises(BadShape):
            read_evidence(json.dumps({**plain, **changed}).encode())


def test_shelf_keeps_each_once_says_when_and_who_and_does_not_fill_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = FolderShelf(tmp_path / "evidence", "vault.example/log", lambda: NOW)
    open_one = {**good("ahead"), "at": 0, "by": ""}
    path = shelf.keep(make_refusal("ahead", LOG.vkey, **open_one))
    assert path is not None
    kept = read_evidence(path.read_bytes())
    assert isinstance(kept, Refusal)
    assert (kept.at, kept.by) == (NOW, "vault.example/log")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before = path.stat().st_mtime_ns
    assert shelf.keep(make_refusal("ahead", LOG.vkey, **{**open_one, "at": NOW + 9})) == path
    assert path.stat().st_mtime_ns == before
    for size in range(MOST + 5):
        false = SmallLog(f"other{size}.example", 1)
        shelf.keep(make_refusal("origin", LOG.vkey, note=false.note()))
    assert len(list((tmp_path / "evidence").glob("refusal-origin-*"))) == MOST
    assert "100 files of" in caplog.text
    assert shelf.keep(make_refusal("stale", LOG.vkey, **good("stale"))) is not None


def test_file_of_a_silence_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path, "vault.example/log", lambda: NOW)
    first = make_refusal("down", LOG.vkey, **good("down"))
    later = make_refusal("down", LOG.vkey, **{**good("down"), "tries": [NOW + 5, NOW + 500]})
    assert shelf.keep(first) == shelf.keep(later)
    (file,) = tmp_path.iterdir()
    assert read_evidence(file.read_bytes()) == later
