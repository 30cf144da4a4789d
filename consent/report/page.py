"""The report as one page that anybody can open: no script, nothing loaded (protocol section 7).

    page = render_page(raw, jws, "en")
    verify_page(page, [auditor])          the same report, or an error

The page is made of (report, signature, language) and nothing else, and holds the first two, so that
whoever has it can take them out, check them, and make the page again: a word that was changed
in it shows. What a hostile vault or party put into names and reasons is quoted, never markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from html import escape, unescape

from consent.report.figures import draw_figures
from consent.report.form import ReportText, before_of, read_report
from consent.report.names import rule_name
from consent.report.parts import Sheet
from consent.report.signed import verify_report
from consent.report.style import STYLE, style_source
from vault.encoding import b64u, thumbprint
from vault.errors import BadProof, BadShape, Locale

COMMAND = "carbonvault audit verify FILE --auditor KEY"
SECTIONS = ("who", "means", "findings", "pictures", "verify")
MOST_INDEXES = 50
LOCALES: tuple[Locale, Locale] = ("zh-CN", "en")
_POLICY = "default-src 'none'; style-src {style}; base-uri 'none'; form-action 'none'"
_JSON, _JWS = '<pre hidden id="report-json">', '<pre hidden id="report-jws">'
_HELD = re.compile(f"{_JSON}([^<]*)</pre>\n{_JWS}([^<]*)</pre>\n")
_SIGNS = {
    "good": "M6 21l9 9 19-20",
    "bad": "M9 9l22 22M31 9L9 31",
    "warn": "M20 7v18M20 32v2",
}


def render_page(raw: bytes, jws: str, locale: Locale) -> str:
    """Return the report as an HTML page.

    Args:
        raw: the report's bytes.
        jws: its signature; nothing is verified here.
        locale: the language of the page.

    Raises:
        BadShape: not a report.
    """
    report = read_report(raw)
    sheet = Sheet(report, locale)
    body = [
        f'<a class="skip" href="#main">{sheet.say("skip")}</a>',
        _header(sheet),
        f'<main id="main">\n{_tiles(sheet)}',
        _section(sheet, "who", _who(sheet)),
        _section(sheet, "means", _means(sheet)),
        _section(sheet, "findings", _findings(sheet)),
        _section(sheet, "pictures", draw_figures(sheet)),
        _section(sheet, "verify", _verify(sheet, sha256(raw).hexdigest())),
        f"</main>\n<footer><p>{sheet.say('foot')}</p></footer>",
        f"{_JSON}{escape(raw.decode('utf-8'), quote=False)}</pre>\n{_JWS}{escape(jws)}</pre>",
    ]
    return f"{_head(sheet)}\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"


def report_files(raw: bytes, jws: str) -> dict[str, bytes]:
    """Return the files of a report by name: data, signature, and a page in each language."""
    pages = {f"report.{at}.html": render_page(raw, jws, at).encode("utf-8") for at in LOCALES}
    return {"report.json": raw, "report.jws": jws.encode("utf-8"), **pages}


def verify_page(page: bytes, auditor_keys: Iterable[bytes]) -> ReportText:
    """Return the report that a page holds and shows.

    1. the page holds a report and a signature. 2. one of these auditors signed it. 3. the page is,
    byte for byte, the one that this program makes of them.

    Args:
        page: the file's bytes.
        auditor_keys: public keys that the reader trusts, 32 bytes each.

    Raises:
        BadShape: there is no report in the page.
        BadJws, BadType, BadProof: as verify_report raises; or the page shows something else.
    """
    try:
        text = page.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise BadShape("a report's page is UTF-8") from bad
    held = _HELD.findall(text)
    if len(held) != 1:
        raise BadShape(f"wanted a page with one report in it, found {len(held)}")  # 1
    raw, jws = (unescape(part) for part in held[0])
    report = verify_report(jws, raw.encode("utf-8"), auditor_keys)  # 2
    if all(render_page(raw.encode("utf-8"), jws, at).encode("utf-8") != page for at in LOCALES):
        raise BadProof(
            "the report in the page is signed, but the page around it is not the one that this "
            "version of the program makes of it"
        )  # 3
    return report


def _head(sheet: Sheet) -> str:
    policy = _POLICY.format(style=style_source())
    title = f"{sheet.say('title')} · {escape(sheet.plain(sheet.report.origin))}"
    return (
        f'<!doctype html>\n<html lang="{sheet.locale}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>"
    )


def _header(sheet: Sheet) -> str:
    report = sheet.report
    entries, findings = sheet.number(report.to), sheet.number(len(report.findings))
    if report.findings:
        tone, key, more = "bad", "broken" if len(report.findings) > 1 else "broken_one", "broken"
    elif report.to:
        # What was never seen cannot be said to keep the rules; a note tells of it.
        tone, key, more = "good", "clean", "" if report.unseen else "clean"
    else:
        tone, key, more = "warn", "empty", ""
    said = sheet.say(key, entries=entries, findings=findings)
    details = f'<p class="more">{sheet.say(f"{more}_more")}</p>' if more else ""
    links = "".join(f'<li><a href="#{name}">{sheet.say(name)}</a></li>' for name in SECTIONS)
    origin = sheet.word("of", origin=sheet.plain(report.origin))
    return (
        f'<header>\n<p class="over">{sheet.say("title")}</p>\n<h1>{escape(origin)}</h1>\n'
        f'<div class="verdict is-{tone}">{_sign(tone)}<div><p class="say">{said}</p>{details}'
        f"</div></div>\n{_notes(sheet)}"
        f'<nav aria-label="{sheet.say("contents")}"><ul>{links}</ul></nav>\n</header>'
    )


def _sign(tone: str) -> str:
    return (
        '<svg class="sign" viewBox="0 0 40 40" fill="none" stroke="currentColor" stroke-width="4" '
        f'stroke-linecap="round" aria-hidden="true"><path d="{_SIGNS[tone]}"/></svg>'
    )


def _notes(sheet: Sheet) -> str:
    """Return what a reader must know beside the verdict, most important first."""
    report = sheet.report
    notes = [sheet.say("demo")] if report.demo else []
    if report.self_audited:
        notes.append(sheet.say("no_auditor"))
    agreed = len({row.name for row in report.cosigned})
    if not agreed:
        notes.append(sheet.say("no_witness"))
    elif agreed < report.quorum:
        notes.append(sheet.say("few_witnesses", found=agreed, quorum=report.quorum))
    if report.unseen:
        indexes = sheet.word("join").join(map(sheet.number, report.unseen[:MOST_INDEXES]))
        indexes += " …" if len(report.unseen) > MOST_INDEXES else ""
        count = sheet.number(len(report.unseen))
        notes.append(sheet.say("unseen", count=count, indexes=indexes))
    items = "".join(f'<li class="is-warn">{note}</li>' for note in notes)
    return f'<ul class="notes">{items}</ul>\n' if items else ""


def _tiles(sheet: Sheet) -> str:
    report = sheet.report
    ended = sum(row.count for row in report.ended if row.how not in ("paused", "resumed"))
    found = [
        ("entries", report.to),
        ("findings", len(report.findings)),
        ("releases", sum(row.count for row in report.releases)),
        ("refusals", sum(row.count for row in report.refusals)),
        ("grants", report.active.grants),
        ("ended", ended),
        ("links", report.active.links),
        ("erased", report.erased),
    ]
    items = "".join(
        f"<div><dt>{sheet.say(f't_{name}')}</dt><dd>{sheet.number(count)}</dd></div>"
        for name, count in found
        if count is not None
    )
    return f'<dl class="tiles">{items}</dl>'


def _section(sheet: Sheet, name: str, inside: str) -> str:
    return (
        f'<section id="{name}" aria-labelledby="h-sec-{name}">\n'
        f'<h2 id="h-sec-{name}">{sheet.say(name)}</h2>\n{inside}\n</section>'
    )


def _webs(sheet: Sheet) -> str:
    rows = sheet.report.web or ()
    told = [
        sheet.say("webs_one", index=sheet.number(row.index), time=sheet.time(row.at))
        + f" <code>{sheet.quote(row.version)}</code>"
        for row in rows[-MOST_INDEXES:]
    ]
    return sheet.say("webs_all", count=sheet.number(len(rows))) + "<br>" + "<br>".join(told)


def _who(sheet: Sheet) -> str:
    report = sheet.report
    key = report.auditor.key
    facts = [
        ("auditor", sheet.party(report.auditor.id) if report.auditor.id else sheet.say("unlisted")),
        ("auditor_key", f"<code>{b64u(key)}</code> <span class='id'>kid {thumbprint(key)}</span>"),
        ("made", sheet.time(report.made)),
        ("vault", sheet.party(report.vault) if report.vault else sheet.say("nothing")),
        ("log", sheet.quote(report.origin)),
        ("log_key", f"<code>{escape(report.log)}</code>"),
        *([("logs", _logs(sheet))] if report.earlier else []),
        ("entries", _range(sheet)),
        ("root", f"<code>{report.root.hex()}</code>"),
        *([("webs", _webs(sheet))] if report.web else []),
        ("witnesses", _witnesses(sheet)),
    ]
    items = "".join(f"<dt>{sheet.say(term)}</dt><dd>{told}</dd>" for term, told in facts)
    zone = sheet.say("time_zone", zone=sheet.plain(report.zone))
    return f'<div class="card"><dl class="facts">{items}</dl></div>\n<p class="id">{zone}</p>'


def _logs(sheet: Sheet) -> str:
    """Return each log and how many entries it holds, in their order."""
    report = sheet.report
    sizes = [(row.log.partition("+")[0], row.size) for row in report.earlier or ()]
    sizes.append((report.origin, report.to - before_of(report)))
    told = (
        sheet.say("log_size", origin=sheet.plain(origin), count=sheet.number(size))
        for origin, size in sizes
    )
    return "<br>".join(told)


def _range(sheet: Sheet) -> str:
    if not sheet.report.to:
        return sheet.say("nothing")
    return sheet.say("range", first="0", last=sheet.number(sheet.report.to - 1))


def _witnesses(sheet: Sheet) -> str:
    told = [
        sheet.say("witness", name=sheet.plain(row.name), time=sheet.time(row.time))
        for row in sheet.report.cosigned
    ]
    return "<br>".join(told) or sheet.say("none_cosigned")


def _means(sheet: Sheet) -> str:
    cards = []
    for name, count in (("checked", 7), ("unsaid", 4)):
        items = "".join(f"<li>{sheet.say(f'{name}_{at}')}</li>" for at in range(1, count + 1))
        cards.append(f'<div class="card"><h3>{sheet.say(name)}</h3><ul>{items}</ul></div>')
    return f'<div class="pair">{"".join(cards)}</div>'


def _findings(sheet: Sheet) -> str:
    if not sheet.report.findings:
        return f'<p class="none">{sheet.say("no_findings")}</p>'
    rows = (
        (
            sheet.number(row.index),
            f'<span class="mark">{escape(rule_name(sheet.locale, row.rule))}</span>',
            # The program tells what it found in English only.
            f'<span lang="en">{sheet.quote(row.reason)}</span>',
        )
        for row in sheet.report.findings
    )
    table = sheet.table(("index", "rule", "reason"), rows, numeric=0)
    return f'<div class="card">{table}</div>'


def _verify(sheet: Sheet, digest: str) -> str:
    items = (
        f"<li>{sheet.say('verify_1')}</li>"
        f'<li>{sheet.say("verify_2")}<pre class="cmd"><code>{COMMAND}</code></pre>'
        f"{sheet.say('verify_3')}</li><li>{sheet.say('verify_4')}</li>"
    )
    return (
        f'<ol>{items}</ol>\n<dl class="facts"><dt>{sheet.say("data")}</dt>'
        f"<dd><code>{digest}</code></dd></dl>"
    )
