"""The audit's report: one text, its signature, and the page that is made of both."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from pathlib import Path
from string import Formatter
from unicodedata import category
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.demo.cast import CITY, SOURCES
from consent.log.checkpoint import Checkpoint
from consent.log.note import read_vkey
from consent.messages import AuditReport
from consent.replay import Finding
from consent.report import names as report_names
from consent.report import page as report_page
from consent.report import parts as report_parts
from consent.report.chart import Column, Row, draw_columns, draw_rows
from consent.report.form import read_report
from consent.report.page import LOCALES, render_page, report_files, verify_page
from consent.report.parts import MOST_ROWS
from consent.report.signed import Judged, make_report, sign_report, verify_report
from consent.report.style import STYLE, style_source
from consent.report.tally import Tally
from consent.report.words import MOST_LETTERS, WORDS, plain_text
from consent.wording import check_words
from tests.report_sample import (
    AUDITOR,
    LOG,
    ORIGIN,
    VAULT_KEY,
    Made,
    directories,
    findings_of,
    grant,
    judged_of,
    make_sample,
)
from tests.world import JAN, World
from vault.crypto.keys import SigningKey
from vault.encoding import compact_json, read_envelope, strict_object
from vault.errors import BadJws, BadProof, BadShape, BadType, Locale, Revoked, VaultError

KEYS = [AUDITOR.public]
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    '"\'><b>&amp;&lt;</pre><pre hidden id="report-json">{}</pre>',
    "safe\u202egnihton\u2066\u200f\u200b\x00\x1b[31m\u2028two",
    "e" + "\u0301" * 500,
    "x" * 10_000,
    "{title} {0} %s",
)


@cache
def sample(kind: str = "clean") -> Made:
    if kind == "clean":
        return make_sample(3)
    if kind == "broken":
        return make_sample(3, findings=findings_of(2), witnesses=0, self_audited=True, demo=True)
    return make_sample(1, quiet=True, witnesses=1)


@cache
def page_of(kind: str, locale: Locale) -> bytes:
    made = sample(kind)
    return render_page(made.raw, made.jws, locale).encode("utf-8")


def hostile() -> Made:
    """A report in whose reasons and names a vault and a platform put what they like."""
    made = Made()
    directories(made.tally, 1, self_audited=False, demo=False)
    for reason in HOSTILE:
        made.tally.take_refusal(1_770_000_000, None, reason)
        made.tally.take_release(1_770_000_000, grant(1, "bank.example", "CARD-POINTS"))
    findings = [Finding(n, reason, reason) for n, reason in enumerate(HOSTILE)]
    counts = {"directory": 2, HOSTILE[0]: 1}
    head = Checkpoint(ORIGIN, 3, bytes(32))
    made.raw = make_report(
        judged_of(head, counts, findings, 0), made.tally, AUDITOR.public, 1_770_000_000
    )
    renamed = strict_object(made.raw)
    renamed["names"] = {"bank.example": HOSTILE[1], "vault.example": HOSTILE[2]}
    made.raw = compact_json(renamed)
    made.jws = sign_report(made.raw, AUDITOR)
    return made


def visible(page: str) -> str:
    """Return a page without the two blocks that hold the exact texts."""
    return re.sub(r"<pre hidden id=[^>]*>[^<]*</pre>\n", "", page)


# The text and its signature


@pytest.mark.parametrize("kind", ["clean", "broken", "quiet"])
def test_signed_report_verifies_and_reads_back(kind: str) -> None:
    made = sample(kind)
    report = verify_report(made.jws, made.raw, [VAULT_KEY.public, AUDITOR.public])
    assert compact_json(report.plain()) == made.raw
    assert report.vault == "vault.example"
    assert report.auditor.id == "audit.example"
    assert report.self_audited is (kind == "broken")
    assert len(report.cosigned) == {"clean": 2, "broken": 0, "quiet": 1}[kind]


def test_report_says_what_the_audit_found() -> None:
    report = read_report(sample("broken").raw)
    assert [(one.index, one.rule) for one in report.findings] == [(40, "release"), (137, "release")]
    assert sum(row.count for row in report.releases) == report.counts["release"] > 0
    assert report.demo
    assert report.directories[0].changes


def test_signature_of_another_key_is_refused() -> None:
    made = sample()
    with pytest.raises(BadProof, match="none of the auditor's"):
        verify_report(made.jws, made.raw, [VAULT_KEY.public])
    with pytest.raises(BadProof, match="none of the auditor's"):
        verify_report(made.jws, made.raw, [])


def test_report_that_names_another_auditor_is_not_signed() -> None:
    with pytest.raises(BadShape, match="another auditor"):
        sign_report(sample().raw, VAULT_KEY)


def test_report_of_another_hash_is_refused() -> None:
    with pytest.raises(BadProof, match="hash"):
        verify_report(sample().jws, sample("quiet").raw, KEYS)


def test_signature_without_a_hash_covers_no_report() -> None:
    bare = message_of(sample()).model_copy(update={"json_hash": None}).signed(AUDITOR)
    assert '"json"' not in read_envelope(bare, AuditReport.typ).payload.decode()
    with pytest.raises(BadProof, match="hash"):
        verify_report(bare, sample().raw, KEYS)


def message_of(made: Made) -> AuditReport:
    return AuditReport.opened(read_envelope(made.jws, AuditReport.typ))


@pytest.mark.parametrize(
    "changed",
    [{"to": 1}, {"root": bytes(32)}, {"findings": ((1, "at"),)}, {"unseen": (5,)}, {"iat": 1}],
    ids=lambda changed: next(iter(changed)),
)
def test_signature_that_says_otherwise_than_its_report_is_refused(
    changed: dict[str, object],
) -> None:
    made = sample()
    verify_report(message_of(made).signed(AUDITOR), made.raw, KEYS)  # control: unchanged
    with pytest.raises(BadProof, match="do not say the same"):
        verify_report(message_of(made).model_copy(update=changed).signed(AUDITOR), made.raw, KEYS)


@pytest.mark.parametrize(
    ("member", "value"),
    [("to", 7), ("root", "00" * 32), ("cosigned", []), ("origin", "other.example/log")],
)
def test_report_about_another_tree_than_its_checkpoint_is_refused(
    member: str, value: str | int | list[str]
) -> None:
    changed = strict_object(sample().raw)
    control = compact_json(changed)
    verify_report(sign_report(control, AUDITOR), control, KEYS)
    changed[member] = [*value] if isinstance(value, list) else value
    raw = compact_json(changed)
    jws = sign_report(raw, AUDITOR)
    if member == "cosigned":
        # Leaving a witness out is no lie; naming one that did not sign is.
        assert verify_report(jws, raw, KEYS).cosigned == ()
        changed["cosigned"] = strict_object(sample("quiet").raw)["cosigned"]
        raw = compact_json(changed)
        jws = sign_report(raw, AUDITOR)
    with pytest.raises(BadProof):
        verify_report(jws, raw, KEYS)


def test_checkpoint_that_the_log_did_not_sign_is_refused() -> None:
    changed = strict_object(sample().raw)
    note = str(changed["checkpoint"])
    changed["checkpoint"] = note.replace("— vault.example/log ", "— vault.example/other ")
    raw = compact_json(changed)
    with pytest.raises(BadProof, match="wanted a checkpoint signed by"):
        verify_report(sign_report(raw, AUDITOR), raw, KEYS)


@pytest.mark.parametrize(
    "jws", ["", "a.b.c", "é.b.c", "not a signature"], ids=["empty", "letters", "accent", "words"]
)
def test_what_is_no_jws_is_refused(jws: str) -> None:
    with pytest.raises((BadJws, BadType)):
        verify_report(jws, sample().raw, KEYS)


def test_only_form_of_a_report_is_read() -> None:
    raw = sample().raw
    for other in (raw + b"\n", raw.replace(b'"from":0', b'"from": 0'), b"\xff", b"[]", b"{}"):
        with pytest.raises(BadShape):
            read_report(other)
    turned = dict(reversed(strict_object(raw).items()))
    with pytest.raises(BadShape, match="compact JSON"):
        read_report(compact_json(turned))


def test_log_without_a_directory_has_a_report_too() -> None:
    judged = judged_of(Checkpoint(ORIGIN, 1, bytes(32)), {}, [Finding(0, "text", "unreadable")], 0)
    raw = make_report(judged, Tally(), AUDITOR.public, 1)
    report = verify_report(sign_report(raw, AUDITOR), raw, KEYS)
    assert (report.vault, report.auditor.id, report.names) == (None, None, {})
    for locale in LOCALES:
        assert verify_page(render_page(raw, sign_report(raw, AUDITOR), locale).encode(), KEYS)


def test_empty_log_is_told_as_such() -> None:
    judged = judged_of(Checkpoint(ORIGIN, 0, bytes(32)), {}, [], 0)
    raw = make_report(judged, Tally(), AUDITOR.public, 1)
    assert "The log is empty" in render_page(raw, "", "en")


def test_reason_without_a_utf8_form_is_written_out() -> None:
    judged = judged_of(Checkpoint(ORIGIN, 1, bytes(32)), {}, [Finding(0, "text", "\ud800")], 0)
    report = read_report(make_report(judged, Tally(), AUDITOR.public, 1))
    assert report.findings[0].reason == "\\ud800"


def test_findings_are_never_cut_in_the_text() -> None:
    made = make_sample(1, findings=findings_of(MOST_ROWS + 200), quiet=True)
    assert len(read_report(made.raw).findings) == MOST_ROWS + 200
    page = render_page(made.raw, made.jws, "en")
    assert page.count('<span class="mark">') == MOST_ROWS
    assert "Shown: the first 1,000 of 1,200." in page


def test_report_holds_integers_and_no_float() -> None:
    assert not re.search(rb"[0-9]\.[0-9]+[,}\]]", re.sub(rb'"[^"]*"', b'""', sample().raw))


def test_report_of_a_played_vault_holds_what_was_done_there() -> None:
    tally = Tally()
    with World() as world:
        ann = world.person("ann", *SOURCES)
        grant = world.allow(ann, CITY)
        world.ride(ann, SOURCES[0], 5000)
        world.close_month(JAN)
        city = world.platform(CITY)
        city.total(grant.grant, (JAN,))
        ann.holder.stop(grant)
        with pytest.raises(Revoked):
            city.total(grant.grant, (JAN,))
        auditor = world.auditor()
        found = auditor.audit(tally=tally)
        key = world.cast.auditor
        judged = Judged(
            log=read_vkey(world.policy.log),
            size=found.size,
            root=found.root,
            checkpoint=found.signed,
            cosigned=(),
            counts=found.counts,
            findings=found.findings,
            unseen=found.unseen,
        )
        raw = make_report(judged, tally, key.public, world.time)
    jws = sign_report(raw, key)
    report = verify_report(jws, raw, [key.public])
    assert report.findings == ()
    assert report.demo
    place = {"month": "2026-02", "template": "CITY-REWARD", "platform": CITY}
    assert [row.plain() for row in report.releases] == [{**place, "count": 1}]
    assert [row.plain() for row in report.refusals] == [{**place, "reason": "revoked", "count": 1}]
    assert [row.plain() for row in report.ended] == [{**place, "how": "revoked", "count": 1}]
    assert (report.gaps.count, report.gaps.late, report.gaps.longest) == (1, 0, 0)
    assert report.active.grants == 0
    assert report.auditor.id == "audit.demo"
    assert ann.holder.account not in raw.decode()
    verify_page(render_page(raw, jws, "zh-CN").encode(), [key.public])


# The page


@pytest.mark.parametrize("kind", ["clean", "broken", "quiet"])
@pytest.mark.parametrize("locale", LOCALES)
def test_page_verifies(kind: str, locale: Locale) -> None:
    assert verify_page(page_of(kind, locale), KEYS) == read_report(sample(kind).raw)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(LOCALES))
def test_page_with_any_byte_changed_is_refused(data: st.DataObject, locale: Locale) -> None:
    page = bytearray(page_of("quiet", locale))
    at = data.draw(st.integers(0, len(page) - 1))
    page[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VaultError):
        verify_page(bytes(page), KEYS)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_page_with_a_byte_more_or_less_is_refused(data: st.DataObject) -> None:
    page = page_of("quiet", "en")
    at = data.draw(st.integers(0, len(page)))
    longer = page[:at] + data.draw(st.binary(min_size=1, max_size=1)) + page[at:]
    for changed in (longer, page[:at] + page[at + 1 :]):
        if changed != page:
            with pytest.raises(VaultError):
                verify_page(changed, KEYS)


def test_page_that_says_something_else_is_refused_by_its_bytes() -> None:
    page = page_of("broken", "en").decode()
    lie = page.replace("2 broken rules were found", "Nothing wrong was found")
    assert lie != page
    with pytest.raises(BadProof, match="page around it"):
        verify_page(lie.encode(), KEYS)
    # Positive control: what it holds is still well signed; only the comparison refuses it.
    with patch.object(report_page, "render_page", return_value=lie):
        verify_page(lie.encode(), KEYS)


def test_page_is_made_of_its_two_texts_and_language_alone() -> None:
    made = sample()
    assert render_page(made.raw, made.jws, "en").encode() == page_of("clean", "en")
    assert page_of("clean", "en") != page_of("clean", "zh-CN")


def test_page_with_two_reports_or_none_is_refused() -> None:
    page = page_of("clean", "en")
    with pytest.raises(BadShape, match="found 2"):
        verify_page(page + page, KEYS)
    with pytest.raises(BadShape, match="found 0"):
        verify_page(b"<p>hello</p>", KEYS)
    with pytest.raises(BadShape, match="UTF-8"):
        verify_page(b"\xff", KEYS)


def test_page_of_another_auditor_is_refused() -> None:
    with pytest.raises(BadProof, match="none of the auditor's"):
        verify_page(page_of("clean", "en"), [SigningKey(bytes(32)).public])


@pytest.mark.parametrize("locale", LOCALES)
def test_names_and_reasons_of_a_hostile_vault_stay_text(locale: Locale) -> None:
    made = hostile()
    page = render_page(made.raw, made.jws, locale)
    verify_page(page.encode(), KEYS)
    shown = visible(page)
    assert set(re.findall(r"<([a-z0-9]+)[ >]", shown)) <= TAGS
    assert not re.search(r"\son[a-z]+=", re.sub(r">[^<]*<", "><", shown))
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\u2028\u2029]", shown)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", shown)
    assert "[U+202E]" in shown
    assert "x" * (MOST_LETTERS + 1) not in shown
    assert "\u0301" * 3 not in shown
    assert "{title} {0} %s" in shown


def test_without_escaping_the_same_reason_is_markup() -> None:
    made = hostile()
    with patch.object(report_parts, "escape", lambda text: text):
        shown = visible(render_page(made.raw, made.jws, "en"))
    assert "<script>alert(1)</script>" in shown


TAGS = {
    *("html", "head", "meta", "title", "style", "body", "a", "header", "main", "footer", "nav"),
    *("section", "div", "p", "h1", "h2", "h3", "ul", "ol", "li", "dl", "dt", "dd", "span", "bdi"),
    *("code", "pre", "br", "figure", "figcaption", "svg", "path", "desc", "rect", "line"),
    *("circle", "text", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"),
}


@pytest.mark.parametrize("kind", ["clean", "broken", "quiet"])
def test_page_runs_no_script_and_loads_nothing(kind: str) -> None:
    page = page_of(kind, "en").decode()
    assert set(re.findall(r"<([a-z0-9]+)[ >]", visible(page))) <= TAGS
    assert not re.search(r"(src|srcset|action|poster|style)=|url\(|@import|https?:|//[a-z]", page)
    assert set(re.findall(r'href="([^"]*)"', page)) <= {
        f"#{name}" for name in (*report_page.SECTIONS, "main")
    }
    assert f"default-src 'none'; style-src {style_source()};" in page
    assert page.count("<style>") == 1
    assert f"<style>{STYLE}</style>" in page


@pytest.mark.parametrize("locale", LOCALES)
def test_page_can_be_walked_without_seeing_it(locale: Locale) -> None:
    page = visible(page_of("clean", locale).decode())
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    named = set(" ".join(re.findall(r'aria-labelledby="([^"]+)"', page)).split())
    assert named <= set(ids)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert not re.search(r"<th(?! scope=)[ >]", page)
    for svg in re.findall(r"<svg[^>]*>", page):
        assert 'role="img" aria-labelledby=' in svg or 'aria-hidden="true"' in svg
    assert page.count("<h1>") == 1
    assert f'<html lang="{locale}">' in page


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def palettes() -> list[dict[str, str]]:
    """Light, dark and paper, each over the light one."""
    blocks = re.findall(r":root\{([^}]*)\}", STYLE)
    found = [dict(re.findall(r"--([a-z0-9-]+):\s*(#[0-9a-f]+)", block)) for block in blocks]
    return [{**found[0], **one} for one in found]


def test_colours_can_be_told_apart_from_what_they_stand_on() -> None:
    assert len(palettes()) == 3
    for palette in palettes():
        for ground in ("bg", "card", "good-bg", "bad-bg", "warn-bg"):
            for text in ("ink", "soft"):
                assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
        for text in ("link", "bad"):
            assert contrast(palette[text], palette["card"]) >= 4.5, text
        for at in range(1, 9):
            assert contrast(palette[f"c{at}"], palette["card"]) >= 3, at
    assert contrast("#000", "#ffffff") == pytest.approx(21)


def test_every_picture_has_its_table_behind_it() -> None:
    page = page_of("clean", "en").decode()
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert len(figures) == 8
    for figure in figures:
        assert ("<svg" in figure) == ("<details>" in figure and "<table>" in figure)


@pytest.mark.parametrize("locale", LOCALES)
def test_figures_with_nothing_to_draw_say_so(locale: Locale) -> None:
    page = page_of("quiet", locale).decode()
    for name in ("releases", "refusals", "requests", "ended", "gaps"):
        assert WORDS[locale][f"{name}_none"] in page


def test_verdict_comes_first_and_in_plain_words() -> None:
    clean, broken = (page_of(kind, "en").decode() for kind in ("clean", "broken"))
    entries = f"{read_report(sample().raw).to:,}"
    assert f"Nothing wrong was found in {entries} entries." in clean
    assert "2 broken rules were found" in broken
    assert broken.index("2 broken rules") < broken.index("No independent auditor")
    assert broken.index("No independent auditor") < broken.index('<h2 id="h-sec-who">')
    assert "No witness cosigned" in broken
    for warning in ("No independent auditor", "No witness cosigned", "This is a demonstration"):
        assert warning in broken
        assert warning not in clean
    one = make_sample(1, findings=findings_of(1), quiet=True)
    assert "1 broken rule was found" in render_page(one.raw, one.jws, "en")


def test_unseen_entries_are_told_and_not_called_good() -> None:
    made = make_sample(1, quiet=True, unseen=(7, 1234))
    page = render_page(made.raw, made.jws, "en")
    assert "2 erased entries were never seen" in page
    assert "7, 1,234" in page
    assert "Every rule held" not in page


def test_release_after_a_stop_shows() -> None:
    made = make_sample(2, late=True)
    assert "Releases after a stop: 1. The longest time after it: 119 minutes." in render_page(
        made.raw, made.jws, "en"
    )
    assert "Every stop was kept." in page_of("clean", "en").decode()


def test_stops_are_not_called_kept_beside_a_broken_release() -> None:
    page = page_of("broken", "en").decode()
    assert "The shortest time from a last release to the stop" in page
    assert "Every stop was kept." not in page


def test_files_of_a_report_are_its_text_signature_and_pages() -> None:
    made = sample()
    files = report_files(made.raw, made.jws)
    assert sorted(files) == ["report.en.html", "report.json", "report.jws", "report.zh-CN.html"]
    verify_report(files["report.jws"].decode(), files["report.json"], KEYS)
    for locale in LOCALES:
        assert verify_page(files[f"report.{locale}.html"], KEYS).to == read_report(made.raw).to


# Words and pictures


def test_both_languages_say_the_same_things() -> None:
    assert set(WORDS["en"]) == set(WORDS["zh-CN"])
    for key, text in WORDS["en"].items():
        assert members(text) == members(WORDS["zh-CN"][key]), key
    for names in (value for value in vars(report_names).values() if isinstance(value, dict)):
        if set(names) == {"en", "zh-CN"}:
            assert set(names["en"]) == set(names["zh-CN"])


def members(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("locale", LOCALES)
def test_words_of_a_page_are_the_projects(locale: Locale) -> None:
    for kind in ("clean", "broken", "quiet"):
        check_words(unescape(visible(page_of(kind, locale).decode())).replace(STYLE, ""))


def test_every_rule_of_the_replay_has_a_name() -> None:
    package = Path(report_page.__file__).parents[1]
    files = [*package.glob("replay*.py"), package / "auditor.py", package / "judging.py"]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    rules = set(re.findall(r'Finding\([^,()]+(?:\.[a-z]+)?, "([a-z-]+)"', source)) | {"text"}
    assert rules >= {"at", "leaf", "text"}
    for locale in LOCALES:
        assert rules <= {*report_names.RULES[locale], *report_names.KINDS[locale]}


@given(st.text(max_size=400))
def test_text_by_others_shows_every_sign(text: str) -> None:
    shown = plain_text("en", text)
    assert len(shown) <= MOST_LETTERS + len("… (10,000 letters)")
    assert not {category(letter) for letter in shown} & {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


@given(st.lists(st.lists(st.integers(0, 10**12), min_size=3, max_size=3), max_size=30))
def test_columns_stay_inside_their_picture(parts: list[list[int]]) -> None:
    columns = [Column(f"2026-{n % 12 + 1:02d}", tuple(one)) for n, one in enumerate(parts)]
    drawn = draw_columns("x", "t", columns, "told")
    height = int(re.findall(r'viewBox="0 0 800 ([0-9]+)"', drawn)[0])
    for y, tall in re.findall(r'<rect[^>]* y="(-?[0-9]+)"[^>]* height="([0-9]+)"', drawn):
        assert int(y) >= 0
        assert int(y) + int(tall) <= height


@given(st.lists(st.integers(0, 10**15), max_size=12))
def test_bars_are_as_long_as_their_share(counts: list[int]) -> None:
    drawn = draw_rows("x", "t", [Row(f"r{n}", count, str(count)) for n, count in enumerate(counts)])
    lengths = [int(w) for w in re.findall(r'class="c1" x="0" y="[0-9]+" width="([0-9]+)"', drawn)]
    most = max(counts, default=0)
    assert lengths == [max(4, 800 * count // most) if count else 0 for count in counts]


def test_judged_holds_what_no_tally_counts() -> None:
    judged = Judged(LOG, 0, bytes(32), "", (), {}, (), ())
    assert (judged.erased, judged.links) == (0, None)
