"""Commands of a holder about their consents: ``carbonvault holder notice | allow | …``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer

from consent.commands.holder import opened
from consent.commands.party import Where
from consent.consents import AHEAD, Consents
from consent.holder import Holder
from consent.messages import Grant, Terms
from consent.records import OwnLink
from consent.side import OwnGrant
from consent.templates import latest_until, template_of
from consent.terminal import REFUSED, JsonOut, new_app, own_locale, spoken, tell, write_json
from vault.encoding import Json, compact_json
from vault.errors import BadTotal, BeyondTemplate, Expired, Locale, NotFound, VaultError
from vault.messages import parse_hex
from vault.months import Grams, Window, join_window, parse_month

NO_FIGURE: dict[Locale, str] = {
    "en": "no figure of your own: a close is missing, or you rejected it",
    "zh-CN": "没有您自己的数字：缺少某个月结，或您已拒绝它",
}
consents_app = new_app("A holder's consents.")
GrantId = Annotated[str, typer.Argument(metavar="GRANT", help="The grant's id, 32 hex digits.")]
PlatformId = Annotated[str, typer.Argument(metavar="PLATFORM", help="Its directory id.")]
TemplateId = Annotated[str, typer.Argument(metavar="TEMPLATE", help="Such as CITY-REWARD.")]
First = Annotated[str, typer.Option(help="First month, such as 2026-01.")]
Last = Annotated[str, typer.Option(help="Last month.")]
Categories = Annotated[str, typer.Option(help="Numbers 1 to 7, such as 4 or 4,5.")]
ShowSources = Annotated[bool, typer.Option("--show-sources", help="Sources may be seen.")]
Language = Annotated[str, typer.Option("--locale", help="zh-CN or en.")]


def _terms(
    holder: Holder,
    platform: str,
    template: str,
    first: str,
    last: str,
    categories: str,
    show_sources: bool,
) -> Terms:
    """Return what a template asks for at most, over these months; raises BeyondTemplate."""
    bounds = template_of(template)
    named = [int(c) for c in categories.split(",") if c.strip().isdecimal()]
    chosen = sorted(set(named)) or bounds.categories.exactly
    if not chosen:
        raise BeyondTemplate(
            f"categories: {template} wants them named, at most {bounds.categories.most}"
        )
    until = latest_until(parse_month(last), holder.directory.listing.zone)
    return Terms.parse(
        compact_json(
            {
                "platform": platform,
                "template": template,
                "purposes": sorted(bounds.purposes),
                "categories": chosen,
                "step": bounds.step,
                "first": first,
                "last": last,
                "until": until,
                "mode": bounds.mode,
                "show_sources": show_sources,
                "exclusive": bounds.exclusive,
                "data_life_days": bounds.data_life_days,
            }
        )
    )


def _locale(given: str) -> Locale:
    if given not in ("", "zh-CN", "en"):
        raise typer.BadParameter("--locale is zh-CN or en")
    found: dict[str, Locale] = {"zh-CN": "zh-CN", "en": "en"}
    return found.get(given, own_locale())


@consents_app.command()
@spoken
def notice(
    folder: Where,
    platform: PlatformId,
    template: TemplateId,
    first: First,
    last: Last,
    categories: Categories = "",
    show_sources: ShowSources = False,
    locale: Language = "",
    json_out: JsonOut = False,
) -> None:
    """Show what you would allow, in plain words; nothing is allowed by it.

    Example: carbonvault holder notice ./me city.example CITY-REWARD --first 2026-01
    --last 2026-03 --categories 4
    """
    language = _locale(locale)
    with opened(folder) as holder:
        terms = _terms(holder, platform, template, first, last, categories, show_sources)
        text = holder.notice(terms, language)
    tell(json_out, {"notice": text, "locale": language}, text)


@consents_app.command()
@spoken
def allow(
    folder: Where,
    platform: PlatformId,
    template: TemplateId,
    first: First,
    last: Last,
    categories: Categories = "",
    show_sources: ShowSources = False,
    locale: Language = "",
    replaces: Annotated[str, typer.Option(help="The grant that ends with this one.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="The notice was read before.")] = False,
    json_out: JsonOut = False,
) -> None:
    """Allow a platform to have your totals, after reading the notice; `mint` makes the tokens.

    Example: carbonvault holder allow ./me city.example CITY-REWARD --first 2026-01
    --last 2026-03 --categories 4
    """
    language = _locale(locale)
    with opened(folder) as holder:
        terms = _terms(holder, platform, template, first, last, categories, show_sources)
        typer.echo(holder.notice(terms, language), err=True)
        if not yes and not typer.confirm("允许？" if language == "zh-CN" else "Allow?", err=True):
            typer.echo("Nothing was allowed.", err=True)
            raise typer.Exit(REFUSED)
        old = _own(holder, replaces).grant if replaces else None
        given = holder.allow(terms, language, old)
    name = given.grant.hex()
    tell(json_out, {"grant": name}, f"{name}\n(`carbonvault holder mint` makes its tokens)")


def _own(holder: Consents, grant: str) -> OwnGrant:
    wanted = parse_hex(grant, 16)
    for own in holder.grants():
        if own.grant.grant == wanted:
            return own
    raise NotFound("no such grant of yours")


def _named(grant: Grant, windows: list[Window]) -> list[Json]:
    return [{"grant": grant.grant.hex(), "window": join_window(window)} for window in windows]


@consents_app.command()
@spoken
def mint(
    folder: Where,
    ahead: Annotated[int, typer.Option(min=0, max=12, help="So many months from now.")] = AHEAD,
    json_out: JsonOut = False,
) -> None:
    """Make the tokens that are due for every grant that goes on, missed ones too.

    Example: carbonvault holder mint ./me
    """
    made: list[Json] = []
    taken: list[Json] = []
    failed: list[VaultError] = []
    with opened(folder) as holder:
        for own in holder.grants():
            if own.state != "live":
                continue
            try:
                windows, others = holder.mint_free(own.grant, ahead)
            except Expired:
                continue
            except VaultError as bad:
                failed.append(bad)  # one grant holds up no other
                continue
            made += _named(own.grant, windows)
            taken += _named(own.grant, others)
    if made or not failed:
        words = f"{len(made)} tokens made"
        if taken:
            words += f"; {len(taken)} windows are taken by another total of the same organisation"
        tell(json_out, {"minted": made, "taken": taken}, words)
    if failed:
        raise failed[0]


@consents_app.command()
@spoken
def grants(folder: Where, json_out: JsonOut = False) -> None:
    """List what you allowed: to whom, for which months, and whether it goes on.

    Example: carbonvault holder grants ./me
    """
    with opened(folder) as holder:
        found = holder.grants()
    if json_out:
        write_json({"grants": [{"state": own.state, **own.grant.plain()} for own in found]})
        return
    for own in found:
        grant = own.grant
        period = f"{grant.first} to {grant.last}"
        typer.echo(
            f"{grant.grant.hex()}  {own.state:<8} {grant.platform}  {grant.template}  {period}"
        )


def _change(name: str, says: str, act: Callable[[Holder, Grant], None]) -> None:
    def command(folder: Where, grant: GrantId, json_out: JsonOut = False) -> None:
        with opened(folder) as holder:
            act(holder, _own(holder, grant).grant)
        tell(json_out, {"grant": grant, "done": name}, f"{grant}: {name} is done.")

    command.__doc__ = f"{says}\n\nExample: carbonvault holder {name} ./me GRANT"
    consents_app.command(name)(spoken(command))


_change("stop", "Stop sharing: no total leaves any more; what left stays out.", Holder.stop)
_change("pause", "Pause sharing: totals wait, also for the months in between.", Holder.pause)
_change("resume", "Let a paused grant go on.", Holder.resume)


@consents_app.command()
@spoken
def releases(folder: Where, json_out: JsonOut = False) -> None:
    """List every total that left, its place in the log proved, with your own figure.

    It is null where a close of the window is not there, or was rejected later.

    Example: carbonvault holder releases ./me
    """
    rows: list[dict[str, Json]] = []
    with opened(folder) as holder:
        given = {own.grant.grant: own.grant for own in holder.grants()}
        links = holder.open_links()
        for use in holder.uses():
            grant = given.get(use.release.grant)
            if grant is None:
                raise BadTotal("the vault shows a release of a grant that it does not list")
            rows.append(
                {
                    "grant": grant.grant.hex(),
                    "platform": grant.platform,
                    "window": join_window(use.release.window),
                    "purpose": use.release.purpose,
                    "grams": _figure(holder, grant, use.release.window, links),
                    "at": use.place.at,
                    "index": use.place.index,
                }
            )
    if json_out:
        write_json({"releases": [*rows]})
        return
    for row in rows:
        own = NO_FIGURE[own_locale()] if row["grams"] is None else f"{row['grams']} g"
        typer.echo(
            f"{row['window']}  {row['platform']}  {own}  {row['purpose']}"
            f"  (log entry {row['index']})"
        )


def _figure(holder: Holder, grant: Grant, window: Window, links: list[OwnLink]) -> Grams | None:
    """Return the holder's own figure of a window; None while its closes do not give one."""
    with suppress(BadTotal):
        return holder.own_total(grant, window, links)
    return None
