"""What the demonstration's two pages share: the shell, its headers, who asks, and in what language.

    page(at, "Demo Bank", "<p>…</p>")          HTML in the visitor's language, under a strict CSP
    button("/next", "Next month")              a form with one button

Small pages for a phone: no script is needed, and the only one there is fills in a field.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Annotated, cast
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from consent.demo.pagewords import WORDS
from vault.errors import BadShape, Locale, NotFound, VaultError

if TYPE_CHECKING:
    from consent.demo.visit import Visit

MOST_FORM = 1 << 16
_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;"
    "margin:0 auto;padding:0 1rem 3rem}.demo{background:#ffd400;color:#000;padding:.5rem 1rem;"
    "margin:0 -1rem;font-weight:bold}button,.go{font:inherit;min-height:2.75rem;padding:.5rem 1rem}"
    ".go{display:inline-block;border:1px solid}[name=code],textarea{font:inherit;width:100%;"
    "box-sizing:border-box;padding:.5rem}textarea{min-height:6rem}form{margin:1rem 0}"
    ".big{font-size:2rem;letter-spacing:.15em}code{overflow-wrap:anywhere}"
    "footer{margin-top:3rem;border-top:1px solid}"
)
# A link code that comes back behind the # is not sent to any server: this puts it into the field.
_SCRIPT = (
    "const c=/^#c=([\\w-]+)$/.exec(location.hash);"
    "if(c){const f=document.querySelector('[name=code]');if(f)f.value=c[1];"
    "history.replaceState(null,'',location.pathname)}"
)


def _source_of(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


@dataclass(frozen=True)
class At:
    """Which page is asked, by whom, and in what language; `url` is the page's own origin."""

    visit: Visit
    url: str
    name: str
    locale: Locale
    session: str

    def says(self, key: str, **members: str) -> str:
        """Return the words of a key in the visitor's language, as HTML."""
        words = WORDS[key][self.locale == "zh-CN"]
        return escape(words).format(**{name: escape(text) for name, text in members.items()})

    def refuses(self, error: VaultError) -> str:
        """Return what an error says, as HTML."""
        return f'<p role="alert">{escape(error.sentence(self.locale))}</p>'


def locale_of(header: str) -> Locale:
    """Return the language that an Accept-Language header wants most: zh-CN, or else English."""
    wanted: list[tuple[float, Locale]] = []
    for item in header.split(","):
        tag, _, weight = item.strip().partition(";q=")
        language = tag.lower().partition("-")[0]
        try:
            order = float(weight or 1)
        except ValueError:
            continue
        if language in ("zh", "en"):
            wanted.append((-order, "zh-CN" if language == "zh" else "en"))
    return min(wanted, key=lambda one: one[0], default=(0.0, "en"))[1]


def make_site(visit: Visit, url: str, name: str) -> FastAPI:
    """Return an application without routes: `name` is its cookie, `url` its own origin."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.state.visit, app.state.url, app.state.name = visit, url, name
    app.add_exception_handler(VaultError, _refuse)
    return app


def at(request: Request) -> At:
    """Return who asks for what.

    Raises:
        NotFound: another name than the page's own, or a form of another page.
    """
    state = request.app.state
    own = urlsplit(state.url).netloc
    origin = request.headers.get("origin", state.url)
    if request.headers.get("host") != own or (request.method == "POST" and origin != state.url):
        raise NotFound("this page is asked under its own name, by its own forms")
    locale = locale_of(request.headers.get("accept-language", ""))
    session = request.cookies.get(state.name, "")
    return At(state.visit, state.url, state.name, locale, session)


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a form; raises BadShape."""
    sent = b""
    async for part in request.stream():
        sent += part
        if len(sent) > MOST_FORM:
            raise BadShape("the form is too long")
    return {name: found[0] for name, found in parse_qs(sent.decode("utf-8", "replace")).items()}


AtIn = Annotated[At, Depends(at)]
FormIn = Annotated[dict[str, str], Depends(form)]


def _refuse(request: Request, error: Exception) -> HTMLResponse:
    found = cast("VaultError", error)
    state = request.app.state
    locale = locale_of(request.headers.get("accept-language", ""))
    here = At(state.visit, state.url, state.name, locale, "")
    back = f'<p><a class="go" href="/">{here.says("back")}</a></p>'
    return page(here, "refused", here.refuses(found) + back, found.status or 400)


def page(here: At, title: str, body: str, status: int = 200) -> HTMLResponse:
    """Return a page; `title` is a key of the words, `body` is HTML."""
    visit = here.visit
    heading = here.says(title)
    clock = here.says("clock", month=visit.month)
    shown = f'<input type="hidden" name="month" value="{visit.month}">'
    ended = f"<p>{here.says('ended')}</p>"
    foot = button("/next", here.says("next"), shown) if visit.goes_on else ended
    text = (
        f'<!doctype html><html lang="{here.locale}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{heading}</title><style>{_STYLE}</style>"
        f'<header class="demo">{here.says("demo")}</header><main><h1>{heading}</h1>{body}</main>'
        f"<footer><p>{clock}</p>{foot}</footer><script>{_SCRIPT}</script></html>"
    )
    return HTMLResponse(text, status_code=status, headers=_headers(visit.url))


def _headers(vault: str) -> dict[str, str]:
    # A form that is answered by a redirect to the vault needs it named here.
    policy = (
        f"default-src 'none'; style-src {_source_of(_STYLE)}; script-src {_source_of(_SCRIPT)}; "
        f"form-action 'self' {vault}; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def button(path: str, words: str, fields: str = "") -> str:
    """Return a form with one button; `words` and `fields` are HTML."""
    return f'<form method="post" action="{path}">{fields}<button>{words}</button></form>'


def go(here: At, url: str, session: str = "") -> Response:
    """Return the way to another page; a new session goes along as a cookie."""
    answer = RedirectResponse(url, status_code=303, headers={"Cache-Control": "no-store"})
    if session:
        answer.set_cookie(here.name, session, httponly=True, samesite="lax")
    return answer
