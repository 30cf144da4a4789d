"""The web app in Chromium at a vault that lies: what a person reads, and that nothing was given.

T79 to T87 and T90 of docs/threat-model.md. Each attack is played in both languages. Its controls
are the same visit at an honest vault, and the same attack at an app without the check: there nobody
notices.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser

from consent.demo.cast import CITY
from consent.messages import Token as TokenText
from consent.site import SiteConfig
from consent.tokens import Granted, open_token
from tests.webapp.between import Answer, Change, Edit, make_other
from tests.webapp.driver import Look, chromium
from tests.webapp.place import MAY, Person, Town, wanted
from tests.webapp.visit import Visit
from tests.world import EAST, FEB, JAN, MAR, WEST, terms
from vault.crypto.commit import (
    ORDER,
    Scalar,
    add_points,
    check_point,
    commit,
    read_scalar,
    write_scalar,
)
from vault.crypto.keys import OpeningKey, account_key, read_code, wrap_id, wrap_root
from vault.encoding import b64u, compact_json, read_envelope, unb64u
from vault.errors import BadSeal, Locale
from vault.months import Category

BOTH = pytest.mark.parametrize("locale", ["zh-CN", "en"])
BOB = ("Bellwether Lane · 铃羊巷", "Quince Yard · 木瓜院")
DIRECTORY, STATE, CLOSES = "/v1/directory", "/v1/holder/state", "/closes"
GRANTS, RELEASES, ENTRIES = "/v1/holder/grants", "/v1/holder/releases", "/v1/holder/entries"
TOKENS, TIME, TEMPLATES = "/v1/holder/tokens", "/v1/time", "/v1/templates"
Body = dict[str, Any]


@dataclass
class Scene:
    """A vault with people in it in March 2026, and a browser to visit it."""

    town: Town
    browser: Browser
    count: int = 0

    def visit(self, locale: Locale, changes: Mapping[str, Change], *edits: Edit) -> Visit:
        """Give a new device at a vault with these answers; `edits` are taken out of its app."""
        pins = self.town.policy.auditor, self.town.log_vkey
        config = SiteConfig(self.town.url, *pins, demo=True)
        app = make_other(config, edits) if edits else None
        # An app without its checks goes on to what an honest vault refuses.
        allowed = ("Failed to load resource",) if edits else ()
        look, url = Look(locale), self.town.url
        return Visit(self.browser, url, look, allowed=allowed, changes=dict(changes), app=app)

    def got(self, person: Person, path: str) -> tuple[Body, str]:
        """Return what the vault answers a person, and its ETag."""
        answer = self.town.wire(account_key(person.root)).get(path)
        return dict(answer.body), answer.etag

    def somebody(self, *, shares: bool = False) -> Person:
        """Return somebody new with a link, who shares March to May with the city programme."""
        self.count += 1
        new = self.town.person(f"new-{self.count}", EAST)
        if shares:
            new.grants["city"] = new.holder.allow(terms(CITY, first=MAR, last=MAY), "en")
        return new

    @property
    def ann(self) -> Person:
        return self.town.people["ann"]

    def name(self, party: str) -> str:
        return self.town.directory().party(party).name


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with chromium() as browser, Town(tmp_path_factory.mktemp("hostile")) as town:
        town.move(JAN, day=2, hour=9)
        town.publish()
        town.sources = {name: town.source(name) for name in (EAST, WEST)}
        ann, bob = town.person("ann", EAST, WEST), town.person("bob", EAST)
        town.move(JAN, day=27, hour=20)
        for day in (3, 5, 9):
            town.book(ann, EAST, "travel.bike", {"m": 4_000, "s": 1_200}, day)
            town.book(bob, EAST, "travel.bike", {"m": 7_000, "s": 2_000}, day, places=BOB)
        town.book(ann, WEST, "travel.metro", {"m": 18_000, "s": 2_400}, 16)
        town.end(JAN, FEB)
        town.move(FEB, day=20, hour=9)
        town.book(ann, EAST, "travel.bike", {"m": 6_000, "s": 1_500}, 3)
        town.end(FEB, MAR)
        ann.grants["city"] = ann.holder.allow(terms(CITY), "en")
        ann.holder.mint(ann.grants["city"], 3)
        town.platform(CITY).total(ann.grants["city"].grant, (JAN,))
        yield Scene(town, browser)


# What a server changes, and what is found out


def edited(jws: str, edit: Callable[[Body], object]) -> str:
    """Return a signed message with another body under the same signature."""
    head, payload, signature = jws.split(".")
    body = json.loads(unb64u(payload))
    edit(body)
    return ".".join((head, b64u(compact_json(body)), signature))


def bent(proof: str) -> str:
    """Return a proof with another hash in its path."""
    lines = proof.split("\n")
    at = next(n for n, line in enumerate(lines) if line.startswith("index ")) + 1
    lines[at] = ("B" if lines[at][0] == "A" else "A") + lines[at][1:]
    return "\n".join(lines)


def bend(answer: Answer) -> None:
    """Change the path of the proof that comes with an answer."""
    if "proof" in answer.body:
        answer.body["proof"] = bent(answer.body["proof"])


def replaced(body: Body, etag: str = "") -> Change:
    """Return a server that gives an answer of before."""

    def change(answer: Answer) -> None:
        answer.body = body
        if etag:
            answer.headers["etag"] = etag

    return change


def typ_of(jws: str) -> str:
    head: Body = json.loads(unb64u(jws.split(".")[0]))
    return str(head["typ"])


def hidden(typ: str) -> Change:
    """Return a server that lists no entries of a kind."""

    def change(answer: Answer) -> None:
        listed = answer.body["entries"]
        answer.body["entries"] = [one for one in listed if typ_of(one["text"]) != typ]

    return change


def revived(answer: Answer) -> None:
    """List every consent as live, as if nobody had stopped it."""
    for one in answer.body.get("grants", []):
        one.update(state="live", n=0)


def acts(visit: Visit) -> list[str]:
    """Return what this device sent but for its own sealed state."""
    return [each.path for each in visit.between.sent if each.path != STATE]


# Another holder's batch


def of_bob(scene: Scene) -> dict[str, Change]:
    bob = scene.town.people["bob"]
    theirs, _ = scene.got(bob, f"/v1/holder/links/{bob.links[EAST].hex()}/batches?first=0")
    east = scene.ann.links[EAST].hex()

    def change(answer: Answer) -> None:
        if east in answer.path:
            answer.body["batches"][0] = theirs["batches"][0]

    return {"/batches": change}


UNOPENED = Edit(
    "recompute.js",
    "strictJson(text(unpad(await openSealed([key], sealed, batchInfo(link, seq)))));",
    "await openSealed([key], sealed, batchInfo(link, seq))"
    ".then((plain) => strictJson(text(unpad(plain))), () => []);",
)
NO_DIGEST = Edit("recompute.js", "b.receipt])) !== digest)", "b.receipt])) === 0)")
NO_BATCH_SIGNATURE = Edit("records.js", "      await checkBatch(origin, batch, receipt);\n", "")
NO_CLOSE_SIGNATURE = Edit("recompute.js", "    await checkClose(origin, text); // 1\n", "")
NO_REJECT_SIGNATURE = Edit(
    "holder.js",
    "    await checkClose({ directory: await this.directory(), link, source }, close);\n",
    "",
)
# Without the sums a figure that left is still held against them: another mechanism, T83.
NO_COUNT = Edit("background.js", '({ found }) => found === "other"', "({ found }) => !found")
NO_SUM = Edit("recompute.js", "if (!same(hide(settled", "if (false && !same(hide(settled")


@BOTH
def test_another_holders_batch_is_shown_to_nobody(scene: Scene, locale: Locale) -> None:
    with scene.visit(locale, of_bob(scene)) as visit:
        visit.enter(scene.ann.root)
        for route in ("home", "records"):
            visit.to(route)
            visit.sees("records.wrong.unsigned", name=scene.name(EAST))
            visit.sees("e.unsigned")
            assert not any(place[:6] in visit.text for place in BOB)
        assert acts(visit) == []


def test_another_holders_batch_changes_a_sum_once_nothing_is_checked(scene: Scene) -> None:
    with scene.visit("en", {}) as visit:
        visit.enter(scene.ann.root)
        true = visit.figures
        assert not visit.alarmed
    edits = (UNOPENED, NO_DIGEST, NO_SUM, NO_BATCH_SIGNATURE, NO_COUNT)
    with scene.visit("en", of_bob(scene), *edits) as visit:
        visit.enter(scene.ann.root)
        assert not visit.alarmed
        assert len(visit.figures) == len(true) == 2
        assert visit.figures != true


# A platform's key


class Thief:
    """A vault that lists its own key as the city programme's."""

    key = OpeningKey(b"\x2b" * 32)

    def __call__(self, answer: Answer) -> None:
        answer.body["directory"] = edited(answer.body["directory"], self._swap)

    def _swap(self, body: Body) -> None:
        [city] = [each for each in body["entries"] if each["id"] == CITY]
        city["hpke"][0]["pk"] = b64u(self.key.public)

    def opens(self, posted: bytes) -> bool:
        """Return whether a token opens with this key."""
        post: Body = json.loads(posted)
        token = TokenText.opened(read_envelope(post["token"], TokenText.typ))
        masks = open_token((self.key,), unb64u(post["sealed"]), Granted(token.grant, token.window))
        return masks.tau > 0


NO_SIGNATURE = Edit("directory.js", "  await verify(envelope, auditor);\n", "")
NO_PROOF = Edit(
    "proof.js", "  await verifyInclusion(index, head.size, leaf, path, head.root);\n", ""
)


@BOTH
def test_a_directory_with_another_key_of_a_platform_opens_nothing(
    scene: Scene, locale: Locale
) -> None:
    with scene.visit(locale, {DIRECTORY: Thief()}) as visit:
        visit.type_code(scene.ann.code)
        visit.sees("e.other-vault")
        assert visit.figures == []
        assert visit.between.sent == []


def test_another_key_opens_every_token_once_no_directory_is_checked(scene: Scene) -> None:
    """At an honest vault the same three tokens are the city programme's alone."""
    tokens = {}
    for honest in (True, False):
        changes, edits = ({}, ()) if honest else ({DIRECTORY: Thief()}, (NO_SIGNATURE, NO_PROOF))
        with scene.visit("en", changes, *edits) as visit:
            visit.enter(scene.somebody().root)
            allow(scene, visit)
            visit.sees("consents.minted", n=3, name=scene.name(CITY))
            tokens[honest] = visit.between.posted(TOKENS)
    assert [len(found) for found in tokens.values()] == [3, 3]
    assert all(map(Thief().opens, tokens[False]))
    for posted in tokens[True]:
        with pytest.raises(BadSeal):
            Thief().opens(posted)


def allow(scene: Scene, visit: Visit) -> None:
    """Allow three months on the screen."""
    asked = wanted("CITY-REWARD", MAR, MAY, required=(int(Category.FOOD),))
    visit.to(f"request?code={scene.town.ask(CITY, asked).code}")
    visit.page.locator("main input[type=checkbox]").first.check()
    visit.settle()
    visit.push("consents.allow")


# An older directory


NO_ORDER = Edit(
    "directory.js", "  if (held && text !== held.text) checkSuccessor(held, fresh);\n", ""
)


def gone_back(scene: Scene, visit: Visit, *, opens: bool) -> None:
    """Open, and come back to a vault that shows the directory of before."""
    older, _ = scene.got(scene.ann, DIRECTORY)
    scene.town.publish()
    visit.enter(scene.ann.root)
    visit.between.changes[DIRECTORY] = replaced(older)
    visit.again(opens=opens)


@BOTH
def test_an_older_directory_than_this_device_saw_opens_nothing(
    scene: Scene, locale: Locale
) -> None:
    with scene.visit(locale, {}) as visit:
        gone_back(scene, visit, opens=False)
        visit.sees("e.older-state")
        assert visit.figures == []
        assert acts(visit) == []


def test_an_older_directory_is_taken_once_none_must_follow(scene: Scene) -> None:
    with scene.visit("en", {}, NO_ORDER) as visit:
        gone_back(scene, visit, opens=True)
        assert not visit.alarmed
        assert len(visit.figures) == 2


@BOTH
def test_an_expired_directory_opens_nothing_on_a_new_device(scene: Scene, locale: Locale) -> None:
    def later(answer: Answer) -> None:
        answer.body["now"] += 60 * 86400

    with scene.visit(locale, {TIME: later}) as visit:
        visit.type_code(scene.ann.code)
        visit.sees("e.old-directory")
        assert visit.between.sent == []


# A proof that was changed


@BOTH
def test_a_directory_whose_proof_was_changed_opens_nothing(scene: Scene, locale: Locale) -> None:
    with scene.visit(locale, {DIRECTORY: bend}) as visit:
        visit.type_code(scene.ann.code)
        visit.sees("e.bad-proof")
        assert visit.figures == []
        assert visit.between.sent == []


def test_a_changed_proof_is_taken_once_paths_are_not_followed(scene: Scene) -> None:
    with scene.visit("en", {DIRECTORY: bend}, NO_PROOF) as visit:
        visit.enter(scene.ann.root)
        assert not visit.alarmed
        assert len(visit.figures) == 2


@BOTH
def test_a_consent_whose_proof_was_changed_is_not_followed_by_a_token(
    scene: Scene, locale: Locale
) -> None:
    with scene.visit(locale, {}) as visit:
        visit.enter(scene.somebody().root)
        visit.between.changes[GRANTS] = bend
        allow(scene, visit)
        visit.sees("unproved")
        assert visit.words("failed") not in visit.text
        visit.sees("e.sent")
        assert visit.between.posted(TOKENS) == []


def test_a_consent_with_a_changed_proof_is_followed_by_tokens_without_the_check(
    scene: Scene,
) -> None:
    with scene.visit("en", {GRANTS: bend}, NO_PROOF) as visit:
        visit.enter(scene.somebody().root)
        allow(scene, visit)
        visit.sees("consents.minted", n=3, name=scene.name(CITY))
        assert len(visit.between.posted(TOKENS)) == 3


# A release, and a close


def moved(answer: Answer) -> None:
    """Say of every release that it was of February."""
    for one in answer.body["releases"]:
        one["release"] = edited(one["release"], lambda body: body.update(window=[FEB]))


NO_RELEASE_SIGNATURE = Edit(
    "consents.js",
    "      await verify(envelope, this.current.newest.vaultKeyEver(envelope.kid));\n",
    "",
)


@BOTH
def test_a_release_that_was_changed_is_not_shown_as_one(scene: Scene, locale: Locale) -> None:
    with scene.visit(locale, {RELEASES: moved}) as visit:
        visit.enter(scene.ann.root)
        visit.to(f"grant?id={scene.ann.grants['city'].grant.hex()}")
        visit.sees("e.bad-proof")
        headings = visit.page.locator("h2").all_inner_texts()
        assert visit.words("consents.left") not in headings
        assert visit.between.posted(TOKENS) == []


NO_COMPARING = Edit(
    "reading.js",
    'const other = { grams: null, found: "other" };',
    'const other = { grams: null, found: /** @type {const} */ ("equal") };',
)


@BOTH
def test_a_release_that_somebody_could_prove_is_still_held_against_the_own_token(
    scene: Scene, locale: Locale
) -> None:
    """As if the vault had signed and logged a figure that nobody allowed."""
    with scene.visit(locale, {RELEASES: moved}, NO_PROOF, NO_RELEASE_SIGNATURE) as visit:
        visit.enter(scene.ann.root)
        visit.to(f"grant?id={scene.ann.grants['city'].grant.hex()}")
        visit.sees("consents.leftwrong")
        visit.sees("consents.notyours")


def test_a_changed_release_is_shown_once_nothing_is_checked(scene: Scene) -> None:
    """The honest vault shows January as fetched, the other one February."""
    route = f"grant?id={scene.ann.grants['city'].grant.hex()}"
    for changes, edits, month in (
        ({}, (), "January"),
        ({RELEASES: moved}, (NO_PROOF, NO_RELEASE_SIGNATURE, NO_COMPARING), "February"),
    ):
        with scene.visit("en", changes, *edits) as visit:
            visit.enter(scene.ann.root)
            visit.to(route)
            assert not visit.alarmed, visit.text
            gone = visit.page.locator("section.card", has_text=visit.words("consents.left"))
            assert month in gone.first.inner_text()


def checked(visit: Visit) -> int:
    """Return how many closes Home marks as checked."""
    return visit.page.locator(".badge.good", has_text=visit.words("home.checked")).count()


def one_more(answer: Answer) -> None:
    """Add a gram to each close's travel, as a vault can without opening anything."""

    def add(body: Body) -> None:
        masked, commitment = map(unb64u, body["cells"][Category.TRAVEL - 1])
        more = write_scalar(Scalar((read_scalar(masked) + 1) % ORDER))
        point = add_points([check_point(commitment), commit(1, Scalar(0))])
        body["cells"][Category.TRAVEL - 1] = [b64u(more), b64u(point)]

    for one in answer.body["closes"]:
        one["close"] = edited(one["close"], add)


def turned(answer: Answer) -> None:
    """Give every close its cells in another order."""
    for one in answer.body["closes"]:
        one["close"] = edited(one["close"], lambda body: body["cells"].reverse())


@BOTH
@pytest.mark.parametrize(("change", "kind"), [(one_more, "unfit"), (turned, "unreadable")])
def test_a_close_that_was_changed_is_shown_as_the_vaults_doing(
    scene: Scene, locale: Locale, change: Change, kind: str
) -> None:
    month = "January 2026" if locale == "en" else "2026年1月"
    with scene.visit(locale, {CLOSES: change}) as visit:
        visit.enter(scene.ann.root)
        for name in (EAST, WEST):
            visit.sees("records.wrong.unsigned", name=scene.name(name))
            visit.sees("e.unsigned")
            said = visit.words(f"records.wrong.{kind}", name=scene.name(name), month=month)
            assert said not in visit.text
        assert checked(visit) == 0
        assert visit.button(visit.words("records.reject")).count() == 0
        visit.to("sources")
        visit.sees("e.unsigned")
        assert acts(visit) == []


def unsigned_batch(answer: Answer) -> None:
    """Date each batch otherwise, as a vault can that has no key of its source."""
    for one in answer.body["batches"]:
        one["batch"] = edited(one["batch"], lambda body: body.update(iat=body["iat"] + 1))


@BOTH
def test_a_batch_that_was_changed_is_shown_as_the_vaults_doing(
    scene: Scene, locale: Locale
) -> None:
    with scene.visit(locale, {"/batches": unsigned_batch}) as visit:
        visit.enter(scene.ann.root)
        for name in (EAST, WEST):
            visit.sees("records.wrong.unsigned", name=scene.name(name))
        assert checked(visit) == 0
        assert acts(visit) == []


@BOTH
@pytest.mark.parametrize(("change", "kind"), [(one_more, "unfit"), (turned, "unreadable")])
def test_a_changed_close_is_blamed_on_its_source_once_nobody_asks_who_signed_it(
    scene: Scene, locale: Locale, change: Change, kind: str
) -> None:
    """The same words as for a source that did close wrongly, and a reject against it."""
    month = "January 2026" if locale == "en" else "2026年1月"
    edits = (NO_CLOSE_SIGNATURE, NO_REJECT_SIGNATURE)
    with scene.visit(locale, {CLOSES: change}, *edits) as visit:
        visit.enter(scene.ann.root)
        for name in (EAST, WEST):
            visit.sees(f"records.wrong.{kind}", name=scene.name(name), month=month)
            visit.sees(f"records.means.{kind}", month=month)
        assert checked(visit) == 0
        if kind == "unreadable":
            visit.button(visit.words("records.reject")).first.click()
            visit.push("records.reject", "dialog")
            visit.settle()
            assert any(path.endswith("/reject") for path in acts(visit))


def test_a_changed_batch_is_blamed_on_its_source_once_nobody_asks_who_signed_it(
    scene: Scene,
) -> None:
    month = "January 2026"
    with scene.visit("en", {"/batches": unsigned_batch}, NO_BATCH_SIGNATURE) as visit:
        visit.enter(scene.ann.root)
        for name in (EAST, WEST):
            visit.sees("records.wrong.unfit", name=scene.name(name), month=month)


def test_a_changed_close_is_shown_as_checked_once_nothing_adds_up(scene: Scene) -> None:
    honest: tuple[Mapping[str, Change], tuple[Edit, ...]] = ({}, ())
    lie = {CLOSES: one_more}, (NO_SUM, NO_CLOSE_SIGNATURE, NO_COUNT)
    for changes, edits in (honest, lie):
        with scene.visit("en", changes, *edits) as visit:
            visit.enter(scene.ann.root)
            assert not visit.alarmed
            assert checked(visit) == 2


def last_of_east(scene: Scene) -> Change:
    """Return a server that adds a gram to the newest close of one of Ann's links."""
    east = scene.ann.links[EAST].hex()

    def change(answer: Answer) -> None:
        if east in answer.path:
            whole = answer.body["closes"]
            answer.body["closes"] = whole[-1:]
            one_more(answer)
            answer.body["closes"] = [*whole[:-1], *answer.body["closes"]]

    return change


@BOTH
def test_one_wrong_close_takes_no_other_figure_and_each_screen_says_so(
    scene: Scene, locale: Locale
) -> None:
    grant = f"grant?id={scene.ann.grants['city'].grant.hex()}"
    left: list[str] = []
    for changes in ({}, {CLOSES: last_of_east(scene)}):
        with scene.visit(locale, changes) as visit:
            visit.enter(scene.ann.root)
            said = visit.words("e.unsigned")
            for route in ("consents", "activity", "settings", grant):
                visit.to(route)
                if changes:
                    visit.sees("e.unsigned")
                    visit.sees("consents.unsurewhy")
                else:
                    assert said not in visit.text
            row = visit.page.locator("section.card", has_text=visit.words("consents.left")).first
            left.append(row.locator(".num").first.inner_text())
    assert left[0] == left[1]  # January's, from both sources
    assert any(char.isdigit() for char in left[0])


# What the frame tells


NO_TOKEN = Edit("reading.js", "tokens ? tokens.get(release.token)", "tokens ? null")
NOT_DEMO = Edit("session.js", "return this.config.demo ? 0 : ", "return ")
NO_STORE = Edit("store.js", 'indexedDB.open("carbonvault", 1)', 'indexedDB.open("carbonvault", 0)')


@BOTH
def test_a_figure_that_is_not_the_own_one_counts_among_the_alarms(
    scene: Scene, locale: Locale
) -> None:
    """As if it had left by a token that nobody made; an honest vault raises none."""
    for edits in ((), (NO_TOKEN,)):
        with scene.visit(locale, {}, *edits) as visit:
            visit.enter(scene.ann.root)
            if edits:
                visit.sees("alarm")
            assert visit.page.locator("nav .dot").count() == len(
                edits
            )  # on the screen that is open
            visit.to("records")
            assert visit.page.locator("nav .dot").count() == len(edits)
            visit.to("activity")
            visit.sees("activity.summary" if edits else "activity.fine")
            assert (visit.words("activity.fine") in visit.text) is not bool(edits)


@BOTH
def test_a_clock_that_is_far_away_and_a_store_that_is_lost_are_told(
    scene: Scene, locale: Locale
) -> None:
    def late(answer: Answer) -> None:
        answer.headers["date"] = "Thu, 01 Jan 2026 00:00:00 GMT"

    with scene.visit(locale, {}, NOT_DEMO) as visit:
        visit.enter(scene.ann.root)
        said = visit.words("apart", n=2).split("2")[0].strip()
        assert said not in visit.text
        assert visit.words("lost") not in visit.text
    clocks = dict.fromkeys((ENTRIES, GRANTS, TOKENS, CLOSES), late)
    with scene.visit(locale, clocks, NOT_DEMO, NO_STORE) as visit:
        visit.type_code(scene.ann.code)
        visit.rest()
        visit.sees("lost")
        assert said in visit.text


# A stop that is withheld


NO_LOOK_BACK = Edit(
    "monitor.js",
    '    for (const [index, why] of missing) this.#raise(index, "withheld", why);\n',
    "",
)
VAULT_ALONE = Edit("consents.js", "[state.statuses[grant], told]", "[told]")


def stopped_then_hidden(visit: Visit, person: Person) -> None:
    """Stop sharing on the screen, and come back to a vault that never heard of it."""
    visit.enter(person.root)
    visit.to(f"grant?id={person.grants['city'].grant.hex()}")
    visit.push("consents.stop")
    visit.push("consents.stop", "dialog")
    visit.sees("consents.stopped")
    visit.push("ok", "dialog")
    visit.between.changes |= {ENTRIES: hidden("cv1-revoke"), GRANTS: revived}
    visit.again()


@BOTH
def test_a_stop_that_the_vault_withholds_raises_an_alarm(scene: Scene, locale: Locale) -> None:
    person = scene.somebody(shares=True)
    with scene.visit(locale, {}) as visit:
        stopped_then_hidden(visit, person)
        visit.sees("alarm")
        visit.to("home")
        visit.sees("home.alarms", n=1)
        visit.to(f"grant?id={person.grants['city'].grant.hex()}")
        visit.sees("consents.state.revoked")


def test_a_withheld_stop_is_not_noticed_once_nothing_is_remembered(scene: Scene) -> None:
    with scene.visit("en", {}, NO_LOOK_BACK) as visit:
        stopped_then_hidden(visit, scene.somebody(shares=True))
        assert visit.words("alarm") not in visit.text
        assert not visit.alarmed, visit.page.inner_text("body")


@BOTH
def test_a_figure_that_left_and_is_withheld_later_raises_an_alarm(
    scene: Scene, locale: Locale
) -> None:
    with scene.visit(locale, {}) as visit:
        visit.enter(scene.ann.root)
        visit.again()
        assert visit.words("alarm") not in visit.text
        visit.between.changes[ENTRIES] = hidden("cv1-release")
        visit.again()
        visit.sees("alarm")


@BOTH
def test_a_stop_that_the_vault_denies_stays_a_stop(scene: Scene, locale: Locale) -> None:
    person = scene.somebody(shares=True)
    person.holder.stop(person.grants["city"])
    with scene.visit(locale, {GRANTS: revived}) as visit:
        visit.allowed += ("Failed to load resource",)
        visit.enter(person.root)
        visit.to(f"grant?id={person.grants['city'].grant.hex()}")
        # Until this device finds its proof in the log it says so, and sends the stop again: the
        # vault answers 403, which Chromium writes down.
        visit.sees_one("consents.state.revoked", "consents.state.unconfirmed")
        assert [path for path in acts(visit) if not path.endswith("/status")] == []


def test_a_denied_stop_would_be_followed_by_tokens_if_the_vault_were_believed(
    scene: Scene,
) -> None:
    person = scene.somebody(shares=True)
    person.holder.stop(person.grants["city"])
    with scene.visit("en", {GRANTS: revived}, VAULT_ALONE) as visit:
        visit.enter(person.root)
        assert len(visit.between.posted(TOKENS)) >= 1


# A lower counter of the state


NO_COUNTER = Edit("device.js", "    if (counter < this.seen)\n", "    if (counter < 0)\n")


def forgotten(scene: Scene, visit: Visit, *, opens: bool) -> str:
    """Stop sharing, and come back to a vault with the state of before; the consent's route."""
    person = scene.somebody(shares=True)
    route = f"grant?id={person.grants['city'].grant.hex()}"
    visit.enter(person.root)
    older = scene.got(person, STATE)
    visit.to(route)
    visit.push("consents.stop")
    visit.push("consents.stop", "dialog")
    visit.sees("consents.stopped")
    visit.push("ok", "dialog")
    visit.between.changes |= {STATE: replaced(*older), GRANTS: revived}
    visit.again(opens=opens)
    return route


@BOTH
def test_a_state_that_went_back_opens_nothing(scene: Scene, locale: Locale) -> None:
    with scene.visit(locale, {}) as visit:
        route = forgotten(scene, visit, opens=False)
        visit.sees("e.older-state")
        visit.to(route)
        assert visit.words("consents.state.live") not in visit.text


def test_a_state_that_went_back_brings_a_stopped_consent_back_without_the_check(
    scene: Scene,
) -> None:
    with scene.visit("en", {}, NO_COUNTER) as visit:
        visit.to(forgotten(scene, visit, opens=True))
        visit.sees("consents.state.live")


# What opens a vault


@BOTH
def test_what_opens_another_vault_opens_nothing(scene: Scene, locale: Locale) -> None:
    """The vault gives somebody else's sealed root for this code."""
    path = f"/v1/wraps/{wrap_id(read_code(scene.ann.code)).hex()}"
    other = {"blob": b64u(wrap_root(b"\x05" * 20, scene.ann.root, b"\x06" * 12))}
    with scene.visit(locale, {path: replaced(other)}) as visit:
        visit.type_code(scene.ann.code)
        visit.sees("e.wrong-wrap")
        assert visit.between.sent == []


# What a person reads before they allow


NO_TEMPLATES = Edit("templates.js", "if (wire.templates && ", "if (!wire && ")
OTHER_WORDS = "to plant a tree in your name"


def reworded(answer: Answer) -> None:
    """Tell another purpose than the template's."""
    for template in answer.body.values():
        template["text"] = {
            locale: {**told, "purpose": OTHER_WORDS} for locale, told in template["text"].items()
        }


def asked_for(scene: Scene, visit: Visit) -> None:
    visit.enter(scene.somebody().root)
    asked = wanted("CITY-REWARD", MAR, MAY, required=(int(Category.FOOD),))
    visit.to(f"request?code={scene.town.ask(CITY, asked).code}")


@BOTH
def test_other_words_for_a_purpose_are_not_shown(scene: Scene, locale: Locale) -> None:
    with scene.visit(locale, {TEMPLATES: reworded}) as visit:
        asked_for(scene, visit)
        visit.sees("e.other-texts")
        assert OTHER_WORDS not in visit.text
        assert visit.button(visit.words("consents.allow")).count() == 0


def test_other_words_for_a_purpose_are_shown_once_they_are_not_compared(scene: Scene) -> None:
    for edits, there in (((), False), ((NO_TEMPLATES,), True)):
        with scene.visit("en", {TEMPLATES: reworded} if edits else {}, *edits) as visit:
            asked_for(scene, visit)
            assert (OTHER_WORDS in visit.text.lower()) == there
            assert visit.button(visit.words("consents.allow")).count() == 1
