"""The web app's holder against a real server: Python sources and platforms, devices of both kinds.

One vault over HTTP, its clock moved by hand; `node tests/web/play.mjs` plays what a browser does.
January is closed at both sources, February at EAST only.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import pytest

from consent.asking import Wanted
from consent.demo.cast import BANK, CITY
from consent.demo.stage import Stage
from consent.holder import Holder, recover
from consent.logged import check_logged
from consent.messages import Terms, Token
from consent.notices import render_notice
from consent.receipts import Receipt, verify_receipt
from consent.state import HolderState
from tests.web_vectors_sdk import FILE, text_of, vectors
from tests.world import APR, EAST, FEB, JAN, MAR, WEST, terms
from vault.compose import Booking
from vault.crypto.commit import Scalar
from vault.crypto.keys import Root, SigningKey, stream_key
from vault.crypto.meter import Cell, hide, masks_of
from vault.encoding import Envelope, read_envelope, text_hash
from vault.errors import Declined, Paused, Relink, Revoked, UnknownKey
from vault.messages import Close, Link
from vault.methodology.quantify import Act
from vault.months import Category, Grams, Month
from vault.source import Source

NODE = shutil.which("node")
PLAY = Path(__file__).parent / "web" / "play.mjs"
needs_node = pytest.mark.skipif(NODE is None, reason="node is not on this machine")


class Refused(Exception):
    """What the web app raised: a slug, and its detail."""

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(f"{slug}: {detail}")
        self.slug = slug


class Browser:
    """The web app's holders, one for each name, in one node process."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self._count = stage, 0
        self._node = subprocess.Popen(
            [str(NODE), "--no-warnings", str(PLAY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._node.stdin, self._node.stdout):
            if pipe is not None:
                pipe.close()
        self._node.terminate()
        self._node.wait(timeout=20)

    def send(self, do: str, who: str, **given: Any) -> None:
        """Send one command."""
        self._count += 1
        line = {"id": self._count, "do": do, "who": who, "now": self.stage.now(), **given}
        assert self._node.stdin is not None
        self._node.stdin.write(json.dumps(line) + "\n")
        self._node.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Return the next line: an answer, or an event."""
        assert self._node.stdout is not None
        found: dict[str, Any] = json.loads(self._node.stdout.readline())
        return found

    def result(self) -> Any:
        """Return what a command gave; raises Refused."""
        found = self.hear()
        if "error" in found:
            raise Refused(found["error"], found["detail"])
        return found["ok"]

    def ask(self, do: str, who: str, **given: Any) -> Any:
        """Send one command and return what it gave."""
        self.send(do, who, **given)
        return self.result()

    def open(self, who: str, root: Root, memory: object = None) -> None:
        """Open the vault of a root."""
        policy = self.stage.policy
        pins = {"auditor": policy.auditor.hex(), "log": policy.log, "demo": True, "fresh": 86400}
        self.ask("open", who, root=root.value.hex(), url=self.stage.url, policy=pins, memory=memory)

    @contextmanager
    def hostile(self, who: str, attack: str, given: object = None) -> Iterator[None]:
        """Let this person's server change its answers."""
        self.ask("become", who, attack=attack, given=given)
        yield
        self.ask("become", who)


@dataclass
class Play:
    """Everybody, in March 2026."""

    stage: Stage
    browser: Browser
    sources: dict[str, Source]
    roots: dict[str, Root] = field(default_factory=dict)
    links: dict[tuple[str, str], str] = field(default_factory=dict)
    older_directory: dict[str, Any] = field(default_factory=dict)
    given: str = ""  # Ira's grant to the city, which has January of it
    receipts: int = 0

    def person(self, who: str, *sources: str) -> None:
        """Let somebody open an account in the web app and link sources."""
        self.roots[who] = Root(self.stage.random(20))
        self.browser.open(who, self.roots[who])
        self.browser.ask("account", who)
        for source in sources:
            self.link(who, source)

    def link(self, who: str, name: str) -> None:
        """Link a person to a source: in the web app here, at a Python source there."""
        source = self.sources[name]
        nonce = source.offer(who)
        start = self.browser.ask("link", who, source=name, nonce=nonce.hex())
        answer = source.accept(who, nonce, bytes.fromhex(start["code"]))
        self.browser.ask("attach", who, start=start, answer=answer)
        source.check_attached()
        self.links[who, name] = start["link"]

    def python(self, who: str) -> Holder:
        """Return a Python device of the same person."""
        holder = self.stage.holder(self.roots[who])
        holder.load()
        return holder

    def ride(self, who: str, name: str, metres: int) -> None:
        """Book one ride of so many metres, starting now."""
        self.receipts += 1
        seconds, now = max(60, metres // 5), self.stage.now()
        act = Act("travel.bike", {"m": metres, "s": seconds}, now, now + seconds, "CN-ZJ-HZ")
        booking = Booking(act, f"R-{self.receipts:08d}", name, guessable=True)
        self.sources[name].book(who, [booking])

    def move(self, month: Month, day: int = 2) -> None:
        """Move the clock; the auditor publishes."""
        self.stage.move(month, day=day, hour=9)
        self.stage.publish()
        for source in self.sources.values():
            source.directory = self.stage.directory()

    def close(self, month: Month, *names: str) -> None:
        """Send batches, move to the next month, close at these sources."""
        for source in self.sources.values():
            source.send_batches()
        self.move({JAN: FEB, FEB: MAR, MAR: APR}[month])
        for name in names:
            self.sources[name].close(month)

    def total(self, platform: str, grant: str, *window: Month) -> int:
        """Return what the Python platform gets for a window."""
        return int(self.stage.platform(platform).total(bytes.fromhex(grant), window).grams)

    def own(self, who: str, *months: Month, sources: tuple[str, ...] = (EAST, WEST)) -> int:
        """Return what the Python records of a person say of these months."""
        return sum(
            sum(close.grams)
            for link in self.python(who).open_links()
            for close in link.closes
            if close.month in months and link.source in sources
        )


def plain(found: Terms) -> dict[str, Any]:
    return found.model_dump(mode="json")


CITY_TERMS = plain(terms(CITY))
BANK_TERMS = plain(terms(BANK))


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    folder = tmp_path_factory.mktemp("web")
    with Stage(folder, JAN, release="demo-1") as stage, Browser(stage) as browser:
        stage.move(JAN, day=2, hour=9)
        stage.publish()
        play = Play(stage, browser, {name: stage.source(name) for name in (EAST, WEST)})
        for who in ("ann", "cid", "dan", "fay", "gil", "ira"):
            play.person(who, EAST, *(() if who == "dan" else (WEST,)))
        play.person("eve")
        python_made(play)
        for number, (who, name) in enumerate(play.links):
            play.ride(who, name, 5_000 + 1_000 * number)
        play.close(JAN, EAST, WEST)
        play.older_directory = dict(stage.wire().get("/v1/directory").body)
        for number, (who, name) in enumerate(play.links):
            play.ride(who, name, 20_000 + 1_000 * number)
        for who in ("fay", "ira"):
            browser.ask("unlink", who, link=play.links[who, WEST])
        play.close(FEB, EAST)
        play.given = browser.ask("allow", "ira", terms=CITY_TERMS, locale="en")
        browser.ask("mint", "ira", grant=play.given)
        play.total(CITY, play.given, JAN)
        yield play


def python_made(play: Play) -> None:
    """Let Bob make his vault with a Python device, link it, and allow the city programme."""
    play.roots["bob"] = Root(play.stage.random(20))
    holder, source = play.stage.holder(play.roots["bob"]), play.sources[EAST]
    holder.open_account()
    start = holder.start_link(EAST, nonce := source.offer("bob"))
    holder.attach(start, source.accept("bob", nonce, start.code))
    source.check_attached()
    play.links["bob", EAST] = start.link.hex()
    holder.mint(holder.allow(terms(CITY), "zh-CN"))


def refused(slug: str) -> pytest.RaisesExc[Refused]:
    return pytest.raises(Refused, match=f"^{slug}:")


def test_the_committed_vectors_of_the_sdk_are_current() -> None:
    assert FILE.read_text(encoding="utf-8") == text_of(vectors())


@needs_node
def test_records_of_python_sources_open_and_add_up_in_the_app(play: Play) -> None:
    found = {link["link"]: link for link in play.browser.ask("records", "ann")}
    own = {link.link.hex(): link for link in play.python("ann").open_links()}
    assert found.keys() == own.keys() == {play.links["ann", EAST], play.links["ann", WEST]}
    for name, link in own.items():
        assert found[name]["records"] == sum(len(batch.records) for batch in link.batches) == 2
        closes = [(close.month, list(close.grams)) for close in link.closes]
        assert [(close["month"], close["grams"]) for close in found[name]["closes"]] == closes


@needs_node
def test_a_python_platform_gets_exactly_the_sum_of_what_the_app_allowed(play: Play) -> None:
    ask = play.browser.ask
    grant = ask("allow", "ann", terms=CITY_TERMS, locale="zh-CN")
    assert ask("mint", "ann", grant=grant) == [[JAN], [FEB], [MAR]]
    assert ask("mint", "ann", grant=grant) == []
    wanted = play.own("ann", JAN)
    assert (
        play.total(CITY, grant, JAN) == ask("ownTotal", "ann", grant=grant, window=[JAN]) == wanted
    )
    assert wanted > 0
    [use] = ask("uses", "ann")
    assert (use["grant"], use["window"]) == (grant, [JAN])
    with refused("bad-total"):
        ask("ownTotal", "ann", grant=grant, window=[FEB])  # WEST has not closed it
    with refused("not-found"):
        ask("ownTotal", "ann", grant=grant, window=[APR])


@needs_node
def test_the_notice_in_the_app_is_the_one_that_python_renders(play: Play) -> None:
    directory = play.stage.directory()
    for asked in (terms(CITY), terms(BANK)):
        told = play.browser.ask("notice", "ann", terms=plain(asked), locale="zh-CN")
        assert told == render_notice(asked, directory, "zh-CN")


@needs_node
def test_a_vault_made_in_python_opens_in_the_app(play: Play) -> None:
    play.browser.open("bob", play.roots["bob"])
    play.browser.ask("load", "bob")
    assert play.browser.ask("state", "bob").encode() == stored(play, "bob").write()
    [grant] = play.browser.ask("grants", "bob")
    assert (grant["state"], grant["count"]) == ("live", 0)
    assert play.browser.ask("mint", "bob", grant=grant["grant"]) == []
    # January was released to nobody, so there is a window left to ask for.
    assert play.total(CITY, grant["grant"], JAN) == play.own("bob", JAN) > 0
    watched = play.browser.ask("watch", "bob")
    assert watched["alarms"] == []
    assert watched["verified"] >= 6


@needs_node
def test_a_vault_made_in_the_app_opens_in_python(play: Play) -> None:
    grant = play.browser.ask("allow", "cid", terms=BANK_TERMS, locale="en")
    assert play.browser.ask("mint", "cid", grant=grant) == [[JAN, FEB, MAR]]
    holder = play.python("cid")
    assert shown(play, "cid") == unproved(stored(play, "cid"))
    assert {link.hex() for link in holder.known_links} == {
        play.links["cid", EAST],
        play.links["cid", WEST],
    }
    [own] = holder.grants()
    assert own.grant.grant.hex() == grant
    assert holder.mint(own.grant) == []
    assert holder.watch().alarms == ()
    assert play.browser.ask("watch", "cid")["alarms"] == []


def stored(play: Play, who: str) -> HolderState:
    """Return what the vault stores, as Python reads it."""
    return play.python(who)._device.state


def shown(play: Play, who: str) -> HolderState:
    """Return the app's state."""
    return unproved(HolderState.parse(play.browser.ask("state", who).encode()))


def unproved(state: HolderState) -> HolderState:
    """Return a state without the log's indexes: the next change takes them to the vault."""
    return state.model_copy(update={"made": dict.fromkeys(sorted(state.made), -1)})


@needs_node
def test_two_devices_that_make_tokens_at_once_cover_the_same_cells(play: Play) -> None:
    ask, holder = play.browser.ask, play.python("dan")
    grant = ask("allow", "dan", terms=CITY_TERMS, locale="en")
    ask("load", "dan")
    source = play.sources[WEST]
    start = holder.start_link(WEST, nonce := source.offer("dan"))
    play.browser.ask("become", "dan", holdUp=3)
    play.browser.send("mint", "dan", grant=grant)
    assert play.browser.hear() == {"event": "held-up"}
    # The app is about to store March without WEST; this device knows of it, and is faster.
    holder.load()
    holder.attach(start, source.accept("dan", nonce, start.code))
    [own] = holder.grants()
    assert holder.mint(own.grant) == [(MAR,)]
    play.browser.send("go", "dan")
    assert play.browser.result() == [[JAN], [FEB], [MAR]]
    ask("load", "dan")
    assert shown(play, "dan") == unproved(stored(play, "dan"))
    tokens = holder._tokens()
    assert {token.window: token.cells for token in tokens} == {
        entry.window: entry.cells for entry in stored(play, "dan").minted
    }
    assert {token.window: len(token.cells) for token in tokens} == {(JAN,): 1, (FEB,): 1, (MAR,): 2}
    assert play.total(CITY, grant, JAN) == play.own("dan", JAN) > 0
    source.check_attached()


@needs_node
def test_a_stopped_grant_gives_nothing_and_makes_no_token(play: Play) -> None:
    ask = play.browser.ask
    grant = ask("allow", "gil", terms=CITY_TERMS, locale="en")
    ask("mint", "gil", grant=grant)
    ask("pause", "gil", grant=grant)
    with pytest.raises(Paused):
        play.total(CITY, grant, JAN)
    with refused("paused"):
        ask("mint", "gil", grant=grant)
    ask("resume", "gil", grant=grant)
    assert play.total(CITY, grant, JAN) > 0
    ask("askDeletion", "gil", grant=grant)
    [own] = ask("grants", "gil")
    assert (own["state"], own["count"], own["deletion"]) == ("live", 2, "asked")
    ask("stop", "gil", grant=grant)
    with pytest.raises(Revoked):
        play.total(CITY, grant, FEB)
    with refused("revoked"):
        ask("mint", "gil", grant=grant)
    assert ask("mintAll", "gil") == {"made": [], "taken": [], "failed": []}
    with refused("revoked"):
        ask("resume", "gil", grant=grant)
    assert play.browser.ask("watch", "gil")["alarms"] == []


@needs_node
def test_the_guard_refuses_a_window_that_overlaps_another(play: Play) -> None:
    ask = play.browser.ask
    one = ask("allow", "fay", terms=CITY_TERMS, locale="en")
    more = {**CITY_TERMS, "categories": [2, 4]}
    [free, taken, _] = ask("figures", "fay", terms=CITY_TERMS)
    assert not free["taken"]
    assert free["grams"] == play.own("fay", JAN)
    assert [len(one["cells"]) for one in (free, taken)] == [2, 1]  # fay ended WEST in February
    ask("mint", "fay", grant=one)
    assert [figure["taken"] for figure in ask("figures", "fay", terms=more)] == [True] * 3
    other = ask("allow", "fay", terms=more, locale="en")
    with refused("atom-used"):
        ask("mint", "fay", grant=other)
    third = ask("allow", "fay", terms=BANK_TERMS, locale="en")
    done = ask("mintAll", "fay")
    assert done["failed"] == []
    assert done["taken"] == [{"grant": other, "window": [month]} for month in (JAN, FEB, MAR)]
    assert done["made"] == [{"grant": third, "window": [JAN, FEB, MAR]}]
    with refused("bad-shape"):
        ask("mintAll", "fay", ahead=13)
    [east, west] = sorted(ask("links", "fay"), key=lambda fact: str(fact["source"]))
    assert (east["ends"], west["ends"]) == (None, FEB)


@needs_node
def test_a_request_is_opened_by_its_code_answered_and_taken_back(play: Play) -> None:
    ask, platform = play.browser.ask, play.stage.platform(CITY)
    wanted = Wanted.under(
        "CITY-REWARD", MAR, APR, zh="用于发放奖励", en="to give the reward", required=(4,),
        optional=(2,), redirect_uri=f"https://{CITY}/back",
    )  # fmt: skip
    pushed, unwanted = platform.ask(wanted), platform.ask(wanted)
    with refused("bad-shape"):
        ask("request", "eve", name=pushed.code, client=BANK)
    asked = ask("request", "eve", name=pushed.code, client=CITY)
    assert (asked["state"], asked["client"], asked["hash"]) == ("open", CITY, pushed.hash.hex())
    handle = asked["handle"]
    assert ask("termsAsked", "eve", handle=handle, optional=[2], last=MAR)["categories"] == [2, 4]
    with refused("bad-shape"):
        ask("termsAsked", "eve", handle=handle, optional=[3])
    done = ask("accept", "eve", handle=handle, optional=[], locale="zh-CN", last=MAR)
    grant = platform.finish(pushed, dict(parse_qsl(urlsplit(done["redirect"]).query)))
    assert (grant.grant.hex(), grant.last, grant.categories) == (done["grant"], MAR, (4,))
    other = ask("request", "eve", name=unwanted.request_uri)
    back = ask("decline", "eve", handle=other["handle"])["redirect"]
    with pytest.raises(Declined):
        platform.finish(unwanted, dict(parse_qsl(urlsplit(back).query)))
    states = {one["handle"]: one["state"] for one in ask("requests", "eve")}
    assert states == {handle: "granted", other["handle"]: "declined"}
    with refused("not-found"):
        ask("request", "ann", name=pushed.code)
    assert ask("mint", "eve", grant=done["grant"]) == []  # Eve has no link: nothing to add up


@needs_node
def test_a_receipt_made_in_the_app_verifies_in_python(play: Play) -> None:
    grant = play.browser.ask("allow", "ann", terms=BANK_TERMS, locale="zh-CN")
    receipt = Receipt.parse(play.browser.ask("receipt", "ann", grant=grant).encode())
    assert verify_receipt(receipt, play.stage.policy).grant.hex() == grant
    assert receipt.notice == render_notice(terms(BANK), play.stage.directory(), "zh-CN")


@needs_node
def test_codes_of_one_kind_of_device_open_on_the_other(play: Play) -> None:
    code, url = play.browser.ask("addCode", "ann"), play.stage.url
    assert recover(code, play.stage.wire()) == play.roots["ann"]
    assert recover(play.browser.ask("deviceCode", "ann"), play.stage.wire()) == play.roots["ann"]
    code = play.python("ann").add_code()
    assert play.browser.ask("recover", "ann", code=code, url=url) == play.roots["ann"].value.hex()
    with refused("bad-code"):
        play.browser.ask("recover", "ann", code=code[:-1], url=url)


@needs_node
def test_a_lost_answer_is_asked_for_again(play: Play) -> None:
    play.browser.ask("become", "ann", lose=2)
    grant = play.browser.ask("allow", "ann", terms={**CITY_TERMS, "first": MAR}, locale="en")
    play.browser.ask("become", "ann", lose=3)
    with refused("unreachable"):
        play.browser.ask("stop", "ann", grant=grant)
    with refused("revoked"):  # it was taken
        play.browser.ask("stop", "ann", grant=grant)
    assert play.browser.ask("watch", "ann")["alarms"] == []


@needs_node
def test_a_stop_that_never_arrived_is_sent_again_and_a_release_before_is_an_alarm(
    play: Play,
) -> None:
    ask = play.browser.ask
    grant = ask("allow", "dan", terms=CITY_TERMS, locale="en")
    assert ask("mint", "dan", grant=grant)[0] == [JAN]
    ask("become", "dan", drop="/status")
    with refused("unreachable"):
        ask("stop", "dan", grant=grant, now=play.stage.now() - 700)
    ask("become", "dan")
    assert ask("standing", "dan", grant=grant) == "unconfirmed"
    assert play.total(CITY, grant, JAN) > 0  # so it was none
    alarms = ask("watch", "dan")["alarms"]
    [alarm] = [one for one in alarms if "had stopped" in one["detail"]]
    assert alarm["kind"] == "strange"
    with play.browser.hostile("dan", "revived-grants"):
        ask("confirm", "dan")
        assert ask("standing", "dan", grant=grant) == "revoked"  # the log holds it
    assert ask("standing", "dan", grant=grant) == "revoked"
    with pytest.raises(Revoked):
        play.total(CITY, grant, FEB)


@needs_node
@pytest.mark.parametrize("who_stops", ["this device", "another device"])
def test_no_token_is_made_after_a_stop_that_comes_meanwhile(play: Play, who_stops: str) -> None:
    root = play.roots["gil"]
    name = play.browser.ask("allow", "gil", terms={**CITY_TERMS, "categories": [1]}, locale="en")
    holder, posts = play.python("gil"), 0
    grant = next(own.grant for own in holder.grants() if own.grant.grant.hex() == name)
    post = holder._wire.post

    def slow(path: str, body: str) -> Any:
        nonlocal posts
        answer = post(path, body)
        if path == "/v1/holder/tokens":
            posts += 1
            (holder if who_stops == "this device" else other).stop(grant)
        return answer

    other = play.stage.holder(root)
    other.load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holder._wire, "post", slow)
        with pytest.raises(Revoked):
            holder.mint(grant)
    assert posts == 1
    assert len([one for one in holder._tokens() if one.grant.hex() == name]) == 1


@needs_node
@pytest.mark.parametrize(
    ("attack", "do", "slug"),
    [
        ("lower-counter", "load", "bad-shape"),
        ("other-counter", "load", "bad-seal"),
        ("no-counter", "load", "bad-shape"),
        ("platform-key", "refresh", "bad-directory"),
        ("older-directory", "refresh", "bad-directory"),
        ("directory-proof", "refresh", "bad-proof"),
        ("posted-proof", "allow", "bad-proof"),
        ("release-text", "uses", "bad-proof"),
        ("release-proof", "uses", "bad-proof"),
        ("release-text", "mint", "bad-proof"),
        ("token-text", "mint", "bad-jws"),
        ("grant-text", "grants", "bad-jws"),
        ("close-text", "records", "unsigned"),
        ("absent-proof", "links", "bad-proof"),
        ("absent-text", "links", "bad-proof"),
    ],
)
def test_what_a_hostile_server_shows_is_refused(
    play: Play, attack: str, do: str, slug: str
) -> None:
    given = play.older_directory if attack == "older-directory" else None
    more = {"terms": BANK_TERMS, "locale": "en", "grant": play.given}
    with play.browser.hostile("ira", attack, given), refused(slug):
        play.browser.ask(do, "ira", **more)
    play.browser.ask(do, "ira", **more)  # and taken when it is honest


@needs_node
def test_hiding_tokens_and_releases_gives_no_smaller_window(play: Play) -> None:
    before = {token.window: token.cells for token in listed(play, "ira")}
    play.browser.ask("posted", "ira")
    with play.browser.hostile("ira", "hidden-tokens"):
        made = play.browser.ask("mint", "ira", grant=play.given)
    assert made == [[JAN], [FEB], [MAR]]
    assert play.browser.ask("posted", "ira") == ["/v1/holder/tokens"] * 3
    assert {token.window: token.cells for token in listed(play, "ira")} == before


def listed(play: Play, who: str) -> list[Token]:
    """Return the tokens that the vault lists."""
    holder = play.python(who)
    return [token for token in holder._tokens() if token.grant.hex() == play.given]


@needs_node
def test_tokens_that_the_vault_lists_count_as_made_when_it_hides_the_state(play: Play) -> None:
    ask = play.browser.ask
    play.browser.open("fresh", play.roots["ira"])
    with play.browser.hostile("fresh", "hidden-state"):
        ask("load", "fresh")
        assert ask("mint", "fresh", grant=play.given) == []
    known = {entry.window: entry.cells for entry in shown(play, "fresh").minted}
    assert known == {token.window: token.cells for token in listed(play, "ira")}


@needs_node
def test_after_a_stop_nothing_is_sealed_whatever_the_vault_says(play: Play) -> None:
    ask = play.browser.ask
    grant = ask("allow", "eve", terms=BANK_TERMS, locale="en")
    ask("pause", "eve", grant=grant)
    with play.browser.hostile("eve", "revived-grants"), refused("paused"):
        ask("mint", "eve", grant=grant)
    ask("stop", "eve", grant=grant)
    play.browser.open("second", play.roots["eve"])
    ask("load", "second")
    for who in ("eve", "second"):
        ask("posted", who)
        with play.browser.hostile(who, "revived-grants"):
            with refused("revoked"):
                ask("mint", who, grant=grant)
            assert ask("mintAll", who)["made"] == []
        assert ask("posted", who) == []


@needs_node
def test_an_answer_of_other_months_or_to_another_code_makes_no_link(play: Play) -> None:
    ask, source = play.browser.ask, play.sources[EAST]
    nonce = source.offer("eve")
    start = ask("link", "eve", source=EAST, nonce=nonce.hex())
    text = source.accept("eve", nonce, bytes.fromhex(start["code"]))
    good = Link.opened(read_envelope(text, Link.typ))
    assert good.begins in (FEB, MAR)
    ask("posted", "eve")
    for changed, key, slug in (
        ({"begins": JAN}, source.identity.key, "bad-code"),
        ({"begins": APR}, source.identity.key, "bad-code"),
        ({"msg": bytes(32)}, source.identity.key, "bad-code"),
        ({"source": WEST}, source.identity.key, "bad-shape"),
        ({}, play.sources[WEST].identity.key, "bad-shape"),
        ({}, SigningKey(b"\7" * 32), "unknown-key"),
    ):
        with refused(slug):
            answer = good.model_copy(update=changed).signed(key)
            ask("attach", "eve", start=start, answer=answer)
    assert ask("posted", "eve") == []
    assert ask("links", "eve") == []
    ask("become", "eve", drop="/v1/holder/links")
    with refused("unreachable"):
        ask("attach", "eve", start=start, answer=text)
    ask("become", "eve")
    assert ask("links", "eve") == []  # known here, and nothing at the vault
    ask("attach", "eve", start=start, answer=text)
    source.check_attached()
    assert [fact["link"] for fact in ask("links", "eve")] == [start["link"]]
    assert ask("watch", "eve")["alarms"] == []


@needs_node
def test_a_close_that_opens_cannot_be_rejected(play: Play) -> None:
    [close, *_] = [c.text for link in play.python("gil").open_links() for c in link.closes]
    link = Close.opened(read_envelope(close, Close.typ)).link.hex()
    with refused("bad-total"):
        play.browser.ask("reject", "gil", link=link, close=close)


@needs_node
def test_a_close_that_does_not_open_is_rejected_and_its_month_is_absent(play: Play) -> None:
    ask, link = play.browser.ask, play.links["gil", WEST]
    before = [c for own in play.python("gil").open_links() for c in own.closes]
    last = next(c.text for c in before if Close.opened(envelope_of(c.text)).link.hex() == link)
    close = forge_close(play, "gil", Close.opened(envelope_of(last)).upto)
    with refused("bad-total"):
        ask("records", "gil")
    ask("reject", "gil", link=link, close=close)
    assert {fact["link"]: fact["absent"] for fact in ask("links", "gil")}[link] == [FEB]
    (seen,) = [own["closes"] for own in ask("records", "gil") if own["link"] == link]
    (own,) = [own.closes for own in play.python("gil").open_links() if own.source == WEST]
    assert [(c["month"], c["grams"], c["rejected"]) for c in seen] == [
        (c.month, [*c.grams], c.rejected) for c in own
    ]
    assert [c.rejected for c in own] == [False, True]
    assert ask("watch", "gil")["alarms"] == []


def envelope_of(text: str) -> Envelope:
    return read_envelope(text, Close.typ)


def forge_close(play: Play, who: str, upto: int) -> str:
    """Let WEST close February so that its third cell does not open."""
    link, actor = bytes.fromhex(play.links[who, WEST]), play.stage.cast.actors[WEST]
    key = stream_key(play.roots[who], link)
    cells = [hide(Grams(0), masks_of(key, category, FEB)) for category in Category]
    cells[2] = Cell(Scalar(7), cells[2].commitment)
    close = Close(
        iat=play.stage.now(),
        link=link,
        month=FEB,
        methodology="demo-1",
        cells=tuple(cells),
        upto=upto,
        batches=sha256().digest(),
    )
    play.stage.wire(actor.key).post("/v1/closes", text := close.signed(actor.key))
    return text


@needs_node
def test_a_device_that_starts_again_still_knows_the_newest_state_and_directory(play: Play) -> None:
    ask, root = play.browser.ask, play.roots["cid"]
    memory = ask("memory", "cid")
    assert memory["counter"] > 1
    play.browser.ask("begin", "again", attack="older-directory", given=play.older_directory)
    with refused("bad-directory"):
        play.browser.open("again", root, memory)
    play.browser.ask("begin", "again", attack="lower-counter", given=None)
    play.browser.open("again", root, memory)
    with refused("bad-shape"):
        ask("load", "again")
    ask("become", "again")
    ask("load", "again")
    assert ask("memory", "again")["counter"] >= memory["counter"]
    assert ask("watch", "again")["alarms"] == []


@needs_node
def test_a_notice_of_other_words_is_not_taken_by_the_vault(play: Play) -> None:
    play.browser.open("liar", play.roots["gil"])
    with play.browser.hostile("liar", "template-text"), refused("bad-shape"):
        play.browser.ask("allow", "liar", terms=BANK_TERMS, locale="en")


@needs_node
def test_an_erased_account_is_gone(play: Play) -> None:
    play.person("hal")
    play.browser.ask("allow", "hal", terms=CITY_TERMS, locale="en")
    done, directory = play.browser.ask("erase", "hal"), play.stage.directory()
    kept, told = done["receipt"], done["erased"]
    assert len(told["indexes"]) >= 3
    places = [
        check_logged(directory, kept[text], kept[proof], witnessed=False)
        for text, proof in (("erase", "proof"), ("erased", "erased_proof"))
    ]
    assert places[0].index < places[1].index
    assert text_hash(kept["erase"]).hex() == told["erase"]
    with pytest.raises(UnknownKey):
        play.python("hal")


@needs_node
def test_a_month_that_became_absent_is_left_out_of_a_token_made_again(play: Play) -> None:
    ask = play.browser.ask
    assert ask("mintAll", "cid") == {"made": [], "taken": [], "failed": []}
    [grant] = [own["grant"] for own in ask("grants", "cid")]
    play.sources[EAST].send_batches()
    play.move(APR)  # WEST never closed February
    play.sources[EAST].close(MAR)
    with suppress(Relink):  # Gil's link, whose close was forged; the others are closed all the same
        play.sources[WEST].close(MAR)
    ask("refresh", "cid")
    facts = {fact["source"]: fact["absent"] for fact in ask("links", "cid")}
    assert facts == {EAST: [], WEST: [FEB]}
    made = ask("mintAll", "cid")
    assert made["made"] == [{"grant": grant, "window": [JAN, FEB, MAR]}]
    assert made["taken"] == made["failed"] == []
    wanted = play.own("cid", JAN, FEB, MAR)
    assert play.total(BANK, grant, JAN, FEB, MAR) == wanted > 0
    assert ask("ownTotal", "cid", grant=grant, window=[JAN, FEB, MAR]) == wanted
    assert play.python("cid").watch().alarms == ()
