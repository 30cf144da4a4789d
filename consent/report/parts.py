"""What the pieces of a report's page are written with: texts, times, tables.

    sheet = Sheet(report, "en")
    sheet.say("clean", entries=sheet.number(12345))      escaped, ready for the page
    sheet.table(("month", "count"), rows, numeric=1)     <table>… with scoped heads

Everything by others passes through `quote`, so that no name and no reason can be markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from consent.report.form import ReportText
from consent.report.names import name_of
from consent.report.words import Names, plain_text, say
from vault.errors import BadShape, Locale
from vault.months import local_time

MOST_ROWS = 1000
UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))


@dataclass(frozen=True)
class Sheet:
    """A report and the language it is told in."""

    report: ReportText
    locale: Locale

    def say(self, key: str, **members: object) -> str:
        """Return a sentence of ours, escaped; members are plain text."""
        return escape(self.word(key, **members))

    def word(self, key: str, **members: object) -> str:
        """Return a sentence of ours, not escaped yet."""
        return say(self.locale, key, **members)

    def number(self, value: int) -> str:
        """Return an integer with its thousands set apart."""
        return f"{value:,}"

    def plain(self, text: str) -> str:
        """Return a text by others on one line with nothing hidden in it, not escaped yet."""
        return plain_text(self.locale, text)

    def quote(self, text: str) -> str:
        """Return a text by others as markup that cannot turn or break what is around it."""
        return f"<bdi>{escape(self.plain(text))}</bdi>"

    def party(self, party_id: str) -> str:
        """Return a party's name and id as markup."""
        name = self.report.names.get(party_id)
        if name is None:
            return self.quote(party_id)
        return f'{self.quote(name)} <span class="id">{self.quote(party_id)}</span>'

    def called(self, party_id: str) -> str:
        """Return a party's name, else its id, as plain text."""
        return self.plain(self.report.names.get(party_id, party_id))

    def time(self, unix: int) -> str:
        """Return a unix second as 2026-01-31 09:30 in the vault's zone; a number past 9999."""
        try:
            return local_time(unix, self.report.zone).strftime("%Y-%m-%d %H:%M")
        except BadShape:
            return str(unix)

    def span(self, seconds: int) -> str:
        """Return a length of time in the largest unit of which it holds two or more."""
        unit, size = next((u, s) for u, s in UNITS if seconds >= 2 * s or s == 1)
        return say(self.locale, unit, count=self.number(seconds // size))

    def month(self, month: str | None) -> str:
        """Return a month's name, escaped."""
        return escape(month) if month else self.say("no_month")

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: int = 1) -> str:
        """Return a table; the first cell of a row heads it.

        Args:
            heads: words of the catalogue.
            rows: cells as markup; past 1,000 rows the rest is counted, not shown.
            numeric: how many columns at the end hold numbers; 0: the first does.
        """
        held = list(rows)
        count = len(heads)
        classes = [' class="num"' if at >= count - numeric else "" for at in range(count)]
        if numeric == 0:
            classes = [' class="num"', *classes[1:]]
        top = "".join(
            f'<th scope="col"{classes[at]}>{self.say(head)}</th>' for at, head in enumerate(heads)
        )
        body = "\n".join(_row(row, classes) for row in held[:MOST_ROWS])
        cut = ""
        if len(held) > MOST_ROWS:
            shown = {"shown": self.number(MOST_ROWS), "all": self.number(len(held))}
            cut = f"<p>{self.say('cut', **shown)}</p>\n"
        return f"{cut}<table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"

    def named(self, names: Names, key: str) -> str:
        """Return the word for a kind, reason or change, escaped."""
        return escape(name_of(self.locale, names, key))

    def figure(self, name: str, picture: str, table: str) -> str:
        """Return a figure; without a picture or a table it is the sentence that says so."""
        if not table or "<svg" not in picture:
            picture, table = f'<p class="none">{picture}</p>', ""
        behind = (
            f'\n<details><summary>{self.say("table")}</summary>\n<div class="scroll" tabindex="0" '
            f'role="region" aria-labelledby="h-{name}">\n{table}\n</div></details>'
            if table
            else ""
        )
        return (
            f'<figure aria-labelledby="h-{name}"><figcaption><h3 id="h-{name}">'
            f"{self.say(name)}</h3>"
            f"<p>{self.say(f'{name}_note')}</p></figcaption>\n{picture}{behind}\n</figure>"
        )


def _row(cells: Sequence[str], classes: Sequence[str]) -> str:
    first = f'<th scope="row"{classes[0]}>{cells[0]}</th>'
    others = (f"<td{kind}>{cell}</td>" for cell, kind in zip(cells[1:], classes[1:], strict=True))
    return f"<tr>{first}{''.join(others)}</tr>"
