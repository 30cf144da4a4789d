"""The demonstration's two pages over real HTTP: a bank asks, an operator links, a person decides.

The person is played by the holder's SDK; the browser by a client that keeps cookies.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from rich.console import Console

from consent.commands.listen import listen_localhost
from consent.demo import visit as visits
from consent.demo.bank import quarters, span
from consent.demo.cast import BANK, SOURCES
from consent.demo.page import locale_of
from consent.demo.pagewords import WORDS
from consent.demo.play import Played, play
from consent.demo.plot import MONTHS, read_plot
from consent.demo.scenes import begin_next
from consent.demo.stage import Stage
from consent.demo.visit import Visit
from consent.holder import Holder, LinkStart, recover
from consent.terminal import Story
from vault.crypto.keys import ROOT_SIZE, Root
from vault.encoding import b64u
from vault.errors import Unreachable
from vault.months import Month, add_months
from vault.source import Source

EAST = SOURCES[0]


class Scene(NamedTuple):
    """A running demonstration with its pages."""

    visit: Visit
    played: Played
    starts: dict[str, LinkStart]

    @property
    def ann(self) -> Holder:
        return self.played.people[0].holder

    def newcomer(self) -> Holder:
        holder = self.visit.stage.holder(Root(self.visit.stage.random(ROOT_SIZE)))
        holder.open_account()
        return holder


class Browser:
    """Keeps cookies and follows redirects on the page's own origin, as a browser does."""

    def __init__(self, url: str, language: str = "en") -> None:
        headers = {"Accept-Language": language}
        self.url, self.left = url, ""
        self.client = httpx2.Client(base_url=url, headers=headers, trust_env=False, timeout=60)

    def get(self, path: str) -> str:
        return self._follow(self.client.get(path))

    def post(self, path: str, **fields: str) -> str:
        return self._follow(self.client.post(path, data=fields, headers={"Origin": self.url}))

    def _follow(self, reply: httpx2.Response) -> str:
        while reply.status_code == 303:
            where = reply.headers["location"]
            if not where.startswith(("/", self.url)):
                self.left = where
                return ""
            reply = self.client.get(where)
        self.reply = reply
        return reply.text


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("demo")
    with ExitStack() as stack:
        stage = stack.enter_context(Stage(folder, MONTHS[0]))
        story = Story(Console(stderr=True), quiet=True)
        played = play(read_plot(None, None, 1, "CN"), stage, story)
        sockets = listen_localhost(0), listen_localhost(0)
        yield Scene(stack.enter_context(Visit(stage, played.sources, *sockets)), played, {})


Browse = Callable[..., Browser]


@pytest.fixture
def browse() -> Iterator[Browse]:
    """Gives browsers, each with its own cookies."""
    with ExitStack() as stack:

        def open_browser(url: str, language: str = "en") -> Browser:
            browser = Browser(url, language)
            stack.callback(browser.client.close)
            return browser

        yield open_browser


@pytest.fixture
def bank(scene: Scene, browse: Browse) -> Browser:
    return browse(scene.visit.bank_url)


@pytest.fixture
def bikes(scene: Scene, browse: Browse) -> Browser:
    return browse(scene.visit.bikes_url)


def asked(bank: Browser, when: str = "last") -> str:
    """Press the button; return the request_uri that the browser was sent to the vault with."""
    bank.post("/connect", when=when)
    assert "/authorize?" in bank.left
    (name,) = parse_qs(urlsplit(bank.left).query)["request_uri"]
    return name


def decide(holder: Holder, name: str, *, allow: bool) -> str:
    """Decide in the person's app; return where the browser goes then, or empty."""
    holder.refresh()
    request = holder.open_request(name)
    if not allow:
        return holder.decline_request(request).redirect or ""
    decided = holder.accept_request(request, (), "en")
    assert decided.grant is not None
    holder.mint(decided.grant)
    return decided.redirect or ""


def told(key: str, locale: int = 0) -> str:
    return WORDS[key][locale]


# The bank


def test_a_person_comes_back_and_the_bank_shows_the_verified_total(
    scene: Scene, bank: Browser, browse: Browse
) -> None:
    home = bank.get("/")
    assert told("connect") in home
    assert told("demo") in home
    back = decide(scene.ann, asked(bank), allow=True)
    page = bank.get(back)
    (name,) = parse_qs(urlsplit(back).query)["grant"]
    grant = next(own.grant for own in scene.ann.grants() if own.grant.grant.hex() == name)
    own = scene.ann.own_total(grant, grant.windows[0], scene.ann.open_links())
    assert own > 0
    assert f"2026-01 – 2026-03: {own:,} g of CO2e." in page
    assert told("checked-sources") in page
    assert f"{own:,} g" in bank.get("/")  # it stays in the session
    assert f"{own:,} g" not in browse(bank.url).get("/")
    assert f"{own:,} g" not in bank.post("/forget")


def test_a_person_says_no_and_the_bank_says_so(scene: Scene, bank: Browser) -> None:
    page = bank.get(decide(scene.ann, asked(bank), allow=False))
    assert told("declined") in page
    assert told("allowed") not in page


def test_an_answer_with_another_state_is_not_accepted(scene: Scene, bank: Browser) -> None:
    back = decide(scene.ann, asked(bank), allow=True)
    page = bank.get(re.sub("state=[^&]*", "state=" + "x" * 43, back))
    assert (bank.reply.status_code, told("refused") in page) == (400, True)
    assert told("allowed") not in bank.get("/")
    assert told("allowed") in bank.get(back)  # the control: the right state is still taken


def test_an_answer_of_another_vault_is_not_accepted(scene: Scene, bank: Browser) -> None:
    back = decide(scene.ann, asked(bank), allow=True)
    bank.get(re.sub("iss=[^&]*", "iss=https%3A%2F%2Fvault.example", back))
    assert bank.reply.status_code == 400
    assert told("allowed") not in bank.get("/")


def test_a_grant_of_another_request_is_not_accepted(
    scene: Scene, bank: Browser, browse: Browse
) -> None:
    stranger = browse(bank.url)
    theirs = parse_qs(urlsplit(decide(scene.ann, asked(bank), allow=True)).query)
    mine = parse_qs(urlsplit(decide(scene.ann, asked(stranger), allow=False)).query)
    mixed = f"/back?grant={theirs['grant'][0]}&state={mine['state'][0]}&iss={mine['iss'][0]}"
    page = stranger.get(mixed)
    assert (stranger.reply.status_code, told("refused") in page) == (400, True)
    assert told("allowed") not in stranger.get("/")


def test_an_answer_is_taken_once_and_only_by_who_asked(
    scene: Scene, bank: Browser, browse: Browse
) -> None:
    back = decide(scene.ann, asked(bank), allow=True)
    nobody = browse(bank.url)
    nobody.get(back)
    assert nobody.reply.status_code == 400
    assert told("allowed") in bank.get(back)
    bank.get(back)
    assert bank.reply.status_code == 400


def code_of(page: str) -> str:
    found = re.search("<code class='big'>([^<]+)</code>", page)
    assert found
    return unescape(found[1])


def test_a_request_without_a_way_back_is_shown_as_a_code(scene: Scene, bank: Browser) -> None:
    page = bank.post("/code", when="last")
    assert told("code-text") in page
    assert decide(scene.ann, code_of(page), allow=True) == ""
    assert told("allowed") in bank.get("/code")


def test_a_code_that_is_declined_ends_in_a_no(scene: Scene, bank: Browser) -> None:
    page = bank.post("/code", when="last")
    assert code_of(page) == code_of(bank.get("/code"))  # still open
    decide(scene.ann, code_of(page), allow=False)
    assert told("declined") in bank.get("/code")


def test_the_directory_lists_where_people_come_back_to(scene: Scene) -> None:
    directory = scene.visit.stage.directory()
    assert f"{scene.visit.bank_url}/back" in (directory.party(BANK).redirects or ())
    assert directory.party(EAST).redirects == (f"{scene.visit.bikes_url}/link",)


# The bike operator


def start(scene: Scene, bikes: Browser, holder: Holder, source: str = EAST) -> tuple[str, str]:
    """Log in and start a link; return the link code and the digits that the person's app shows."""
    bikes.post("/login")
    page = unescape(bikes.post("/offer"))
    (url,) = re.findall(r'href="([^"]*#/sources/link[^"]*)"', page)
    assert url.startswith(f"{scene.visit.url}/#/sources/link?")
    query = parse_qs(urlsplit(url).fragment.partition("?")[2])
    assert query["source"] == [EAST]
    begun = holder.start_link(source, bytes.fromhex(query["nonce"][0]))
    scene.starts[b64u(begun.code)] = begun
    return b64u(begun.code), begun.digits


def linked(scene: Scene, bikes: Browser, holder: Holder) -> str:
    """Link a person's vault, as they would; return the last page."""
    code, digits = start(scene, bikes, holder)
    page = bikes.post("/digits", code=f" {code}\n")
    assert f"<strong>{digits}</strong>" in page
    assert told("readable") in page
    page = unescape(bikes.post("/accept", code=code))
    (answer,) = re.findall("<textarea readonly>([^<]+)</textarea>", page)
    assert f"{scene.visit.url}/#/sources/link?answer={answer}" in page
    holder.attach(scene.starts[code], answer)
    return bikes.get("/")


def test_a_customer_links_rides_and_the_bank_gets_one_total(
    scene: Scene, bikes: Browser, bank: Browser
) -> None:
    holder, month = scene.newcomer(), scene.visit.month
    page = linked(scene, bikes, holder)
    assert told("linked") in page
    assert bikes.post("/rides").count("<li>") == 3
    page = bank.get(decide(holder, asked(bank, "this"), allow=True))
    assert "no figure" in page  # the quarter is not over
    while quarters(scene.visit.month)[1] == quarters(month)[1]:
        assert bikes.post("/rides").count("<li>") >= 6
        bikes.post("/next")
    holder.refresh()
    (link,) = holder.open_links()
    grams = sum(sum(close.grams) for close in link.closes)
    assert grams > 0
    holder.mint(holder.grants()[-1].grant)
    assert f"{grams:,} g of CO2e." in bank.get("/")


def test_a_link_code_for_another_source_or_start_is_refused(scene: Scene, bikes: Browser) -> None:
    holder = scene.newcomer()
    foreign, _ = start(scene, bikes, holder, SOURCES[1])
    assert told("refused") in bikes.post("/accept", code=foreign)
    early, _ = start(scene, bikes, holder)
    bikes.post("/offer")
    assert told("refused") in bikes.post("/accept", code=early)
    for bad in ("", "no code", "é"):
        assert told("refused") in bikes.post("/digits", code=bad)
    assert told("keep") in bikes.get("/")  # nothing is linked


def test_a_link_ends_by_the_operators_page(scene: Scene, bikes: Browser) -> None:
    assert told("linked") in linked(scene, bikes, scene.newcomer())
    assert told("keep") in bikes.post("/unlink")


def test_nobody_links_or_rides_without_a_login(bikes: Browser) -> None:
    for path in ("/offer", "/digits", "/accept", "/rides", "/unlink"):
        bikes.post(path, code=b64u(bytes(16)))
        assert bikes.reply.status_code == 404
    assert told("login") in bikes.get("/")


def test_the_day_is_not_filled_with_more_rides_than_fit(scene: Scene, bikes: Browser) -> None:
    linked(scene, bikes, scene.newcomer())
    pages = [bikes.post("/rides") for _ in range(16)]
    assert [told("refused") in page for page in pages] == [False] * 15 + [True]


# The clock, the languages, the headers


def test_the_month_moves_until_the_year_ends(
    scene: Scene, bank: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scene.visit.month
    page = bank.post("/next")
    assert scene.visit.month == add_months(before, 1)
    assert WORDS["clock"][0].format(month=scene.visit.month) in page
    monkeypatch.setattr(visits, "LAST", scene.visit.month)
    page = bank.get("/")
    assert told("ended") in page
    assert told("next") not in page
    bank.post("/next")
    assert (bank.reply.status_code, scene.visit.month) == (400, add_months(before, 1))


def test_two_clicks_on_one_page_move_one_month(scene: Scene, bank: Browser) -> None:
    before = scene.visit.month
    assert f'name="month" value="{before}"' in bank.get("/")
    for _ in range(2):
        bank.post("/next", month=before)
    assert scene.visit.month == add_months(before, 1)
    bank.post("/next")  # the control: a click that says nothing
    assert scene.visit.month == add_months(before, 2)


def test_a_month_half_ended_is_closed_before_the_next_one_ends(
    scene: Scene, bank: Browser, bikes: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, month = scene.newcomer(), scene.visit.month
    linked(scene, bikes, holder)
    bikes.post("/rides")

    def fail(_: Source, month: Month) -> NoReturn:
        raise Unreachable("no network")

    with monkeypatch.context() as patched:
        patched.setattr(Source, "close", fail)
        with suppress(Unreachable):
            begin_next(scene.visit.stage, scene.visit.sources, month)
    assert scene.visit.month == add_months(month, 1)
    page = bank.post("/next")
    assert bank.reply.status_code == 200, page
    (link,) = holder.open_links()
    assert [close.month for close in link.closes][:2] == [month, add_months(month, 1)]


def test_the_audit_has_no_finding_after_a_visit(scene: Scene) -> None:
    assert scene.visit.stage.auditor().audit().findings == []


@pytest.mark.parametrize("page", ["bank", "bikes"])
def test_the_pages_speak_chinese_to_who_reads_it(scene: Scene, page: str, browse: Browse) -> None:
    url = scene.visit.bank_url if page == "bank" else scene.visit.bikes_url
    text = browse(url, "zh-CN,zh;q=0.9,en;q=0.5").get("/")
    assert '<html lang="zh-CN">' in text
    assert told(page, 1) in text
    assert told("demo", 1) in text


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("", "en"),
        ("fr", "en"),
        ("zh", "zh-CN"),
        ("zh-Hant-TW;q=0.4, en;q=0.9", "en"),
        ("fr, zh-CN;q=0.8, en;q=0.7", "zh-CN"),
        ("en;q=x, zh", "zh-CN"),
    ],
)
def test_the_language_is_the_one_that_is_wanted_most(header: str, locale: str) -> None:
    assert locale_of(header) == locale


def test_every_word_stands_in_both_languages_and_takes_the_same_members() -> None:
    for english, chinese in WORDS.values():
        assert re.search("[\\u4e00-\\u9fff]", chinese)
        assert not re.search("[\\u4e00-\\u9fff]", english)
        names = [sorted(re.findall(r"\{\w+\}", words)) for words in (english, chinese)]
        assert names[0] == names[1]


def test_a_page_allows_nothing_but_its_own_style_and_script(scene: Scene, bank: Browser) -> None:
    text = bank.get("/")
    policy = bank.reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert f"form-action 'self' {scene.visit.url};" in policy
    for tag in ("style", "script"):
        (body,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = b64encode(sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    assert not re.search(r"<[^>]+\s(?:style|on\w+)=", text)
    assert bank.reply.headers["cache-control"] == "no-store"


def test_a_form_of_another_page_and_another_host_are_refused(scene: Scene, bank: Browser) -> None:
    before = scene.visit.month
    for headers in ({"Origin": "http://localhost:1"}, {"Origin": "null"}, {"Host": "x.test"}):
        assert bank.client.post("/next", headers=headers).status_code == 404
    assert bank.client.get("/", headers={"Host": "x.test"}).status_code == 404
    assert scene.visit.month == before


def test_a_form_has_an_end(bank: Browser) -> None:
    bank.post("/connect", when="x" * (1 << 17))
    assert bank.reply.status_code == 400


def test_the_recovery_code_that_is_told_opens_the_first_persons_vault(scene: Scene) -> None:
    person = scene.played.people[0]
    assert recover(person.code, scene.visit.stage.wire()).value == person.root.value


def test_quarters_are_those_of_the_calendar() -> None:
    months = (Month("2026-04"), Month("2026-05"), Month("2026-06"))
    assert {quarters(month)[1] for month in months} == {months}
    assert [span(months), span(months[:1])] == ["2026-04 – 2026-06", "2026-04"]
    assert quarters(Month("2026-01"))[0] == (Month("2025-10"), Month("2025-11"), Month("2025-12"))
