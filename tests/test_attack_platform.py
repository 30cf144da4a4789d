"""What a platform could try, alone or with the vault or a holder: T3 to T9, T13, T14, T29, T30.

Each test names the fact and the row of docs/threat-model.md, and has a control: the mechanism taken
out in a naive copy here, never in the product. An attack that succeeds nowhere would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from itertools import accumulate
from typing import NamedTuple

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.demo.cast import BANK, CITY
from consent.messages import (
    Grant,
    LinkMonths,
    NoticeRef,
    Release,
    Revoke,
    Token,
)
from consent.shown import hash_closes
from consent.tokens import Granted, cells_of, seal_token, sign_token
from tests.attacks import (
    QUARTER,
    STRANGER,
    Answer,
    Operator,
    Story,
    answered,
    body_of,
    checked,
    consent,
    every_close,
    found,
    masks_over,
    post_grant,
    post_token,
    resigned,
    restate_closes,
    restated,
    shifted,
    tell,
    total,
)
from tests.world import APR, EAST, FEB, JAN, MAR, TRAVEL, WEST, World, terms
from vault.crypto.commit import ORDER, Scalar
from vault.crypto.keys import OpeningKey, SigningKey, account_key, stream_key
from vault.crypto.meter import Cell, Masks, add_masks, hide, masks_of, reveal
from vault.crypto.seal import open_sealed, seal
from vault.directory import Directory
from vault.encoding import b64u, compact_json, read_envelope
from vault.errors import (
    AtomUsed,
    BadProof,
    BadShape,
    BadTotal,
    BeyondTemplate,
    DifferentBytes,
    Revoked,
    UnknownKey,
    VaultError,
    WrongPurpose,
)
from vault.messages import (
    Close,
)
from vault.months import Category, Grams, Month, Window, add_months
from vault.wire import text_of


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture
def story(world: World) -> Story:
    return tell(world)


@pytest.fixture(scope="module")
def told() -> Iterator[Story]:
    """One story for tests that only read it, or add to its log."""
    with World(seed=b"told") as world:
        yield tell(world)


# Property 1


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from([EAST, WEST]), st.integers(0, 2), st.integers(1, 500_000)),
        max_size=10,
    ),
    st.sampled_from([(BANK, QUARTER), (CITY, (JAN,)), (CITY, (FEB,)), (CITY, (MAR,))]),
    st.sets(st.sampled_from([1, 3, 5, 6, 7]), max_size=3),
    st.sets(st.sampled_from([EAST, WEST]), min_size=1),
)
def test_platform_gets_exactly_the_sum(
    rides: list[tuple[str, int, int]],
    wanted: tuple[str, Window],
    more: set[int],
    linked: set[str],
) -> None:
    """Property 1: any rides, scope and window; the sum is made here from milligrams alone."""
    platform, window = wanted
    with World() as world:
        ann = world.person("ann", *sorted(linked))
        scope = {} if platform == BANK else {"categories": tuple(sorted({4, *more}))}
        grant = world.allow(ann, platform, **scope)
        sums = {(name, month): 0 for name in linked for month in QUARTER}
        for month in QUARTER:
            for name, number, metres in rides:
                if QUARTER[number] == month and name in linked:
                    sums[name, month] += sum(b.credit.mg for b in world.ride(ann, name, metres))
            world.close_month(month)
        got = world.platform(platform).total(grant.grant, window)
        assert got.grams == sum(grams_of(sums, name, window) for name in linked)
        assert world.auditor().audit().findings == []


def grams_of(sums: dict[tuple[str, Month], int], name: str, window: Window) -> int:
    """Whole grams of a source's months: what the running milligrams pass, month by month."""
    running = [0, *accumulate(sums[name, month] for month in QUARTER)]
    whole = {month: running[i + 1] // 1000 - running[i] // 1000 for i, month in enumerate(QUARTER)}
    return sum(whole[month] for month in window)


# Property 2

Change = Callable[[Story, Answer, int], Answer]


def _other_tau(_: Story, answer: Answer, by: int) -> Answer:
    tau = Scalar((answer.masks.tau + by) % ORDER)
    return replace(answer, masks=Masks(tau, answer.masks.rho))


def _other_rho(_: Story, answer: Answer, by: int) -> Answer:
    rho = Scalar((answer.masks.rho + by) % ORDER)
    return replace(answer, masks=Masks(answer.masks.tau, rho))


def _other_c(_: Story, answer: Answer, by: int) -> Answer:
    return restated(answer, c=Scalar((answer.release.c + by) % ORDER))


def _other_commitment(_: Story, answer: Answer, by: int) -> Answer:
    return restated(answer, C=shifted(answer.release.C, by))


def _other_sum(_: Story, answer: Answer, by: int) -> Answer:
    return _other_commitment(_, _other_c(_, answer, by), by)


def _other_close(answer: Answer, place: int, text: str) -> Answer:
    texts = list(answer.closes)
    texts[place % len(texts)] = text
    return replace(answer, closes=tuple(texts))


def _close(answer: Answer, place: int) -> str:
    return answer.closes[place % len(answer.closes)]


def _other_cell(story: Story, answer: Answer, by: int) -> Answer:
    """The source itself signs another cell; the hash in the statement is the old one's or new."""
    close = Close.opened(read_envelope(_close(answer, by), Close.typ))
    cells = list(close.cells)
    category = answer.grant.scope[by % len(answer.grant.scope)] - 1
    old = cells[category]
    cells[category] = Cell(Scalar((old.masked + by) % ORDER), shifted(old.commitment, by))
    changed = _other_close(answer, by, resigned(story, _close(answer, by), cells=tuple(cells)))
    return changed if by % 2 else restated(changed, closes=hash_closes(list(changed.closes)))


def _other_link(story: Story, answer: Answer, by: int) -> Answer:
    other = ((by % 2**128) or 1).to_bytes(16, "big")
    changed: dict[str, object] = {"link": other} if by else {}
    return _other_close(answer, by, resigned(story, _close(answer, by), None, **changed))


def _other_month(story: Story, answer: Answer, by: int) -> Answer:
    close = Close.opened(read_envelope(_close(answer, by), Close.typ))
    month = add_months(close.month, 1 + by % 11) if by else close.month
    return _other_close(answer, by, resigned(story, _close(answer, by), month=month))


def _other_signer(story: Story, answer: Answer, by: int) -> Answer:
    key = STRANGER if by else None
    return _other_close(answer, by, resigned(story, _close(answer, by), key))


def _other_grant(_: Story, answer: Answer, by: int) -> Answer:
    """Another grant id: in the statement, in the grant itself, or in the token's context."""
    grant = answer.ask.grant if not by else sha256(str(by).encode()).digest()[:16]
    if by % 3 == 0:
        return restated(answer, grant=grant)
    if by % 3 == 1:
        return replace(answer, grant=answer.grant.model_copy(update={"grant": grant}))
    return replace(answer, granted=answer.granted._replace(grant=grant))


def _other_window(_: Story, answer: Answer, by: int) -> Answer:
    window = tuple(add_months(month, by % 7) for month in answer.ask.window)
    if window == answer.ask.window:
        window = window if not by else (add_months(window[-1], 1),)
    if by % 2:
        return restated(answer, window=window)
    return replace(answer, granted=answer.granted._replace(window=window))


def _other_platform_key(_: Story, answer: Answer, by: int) -> Answer:
    key = OpeningKey(sha256(str(by).encode()).digest()).public
    return replace(answer, sealed_to=key) if by else answer


def _other_platform(_: Story, answer: Answer, by: int) -> Answer:
    other = CITY if answer.grant.platform == BANK else BANK
    changed = {"platform": other, "org": other} if by else {}
    return replace(answer, grant=answer.grant.model_copy(update=changed))


ALWAYS: dict[str, Change] = {
    "tau": _other_tau,
    "rho": _other_rho,
    "c": _other_c,
    "C": _other_commitment,
    "grant": _other_grant,
    "window": _other_window,
    "platform key": _other_platform_key,
    "platform": _other_platform,
}
SHOWN: dict[str, Change] = {
    "c and C": _other_sum,
    "cell": _other_cell,
    "link": _other_link,
    "month": _other_month,
    "signer": _other_signer,
}


def changes_of(story: Story) -> list[tuple[Grant, Window, Change]]:
    """Return what can be changed: for the bank everything, for the city what it can see."""
    bank = [(story.bank, QUARTER, change) for change in {**ALWAYS, **SHOWN}.values()]
    return [*bank, *((story.city, (FEB,), change) for change in ALWAYS.values())]


@settings(max_examples=150)
@given(st.integers(0, 20), st.one_of(st.integers(1, 50), st.integers(1, ORDER - 1)))
def test_any_one_change_of_an_answer_gives_no_number(told: Story, place: int, by: int) -> None:
    """Property 2; T5, T6, T13: signed, sealed and logged anew by whoever could, and refused."""
    grant, window, change = changes_of(told)[place]
    honest = answered(told, grant, window)
    with pytest.raises((BadTotal, BadShape, UnknownKey)):
        checked(told, change(told, honest, by))


def test_answer_put_together_anew_without_a_change_gives_the_number(told: Story) -> None:
    """Property 2, control: it is the change that is refused, not who put the answer together."""
    assert len(changes_of(told)) == 21
    for grant, window, change in changes_of(told):
        honest = answered(told, grant, window)
        got = checked(told, change(told, honest, 0))
        assert got.grams == reveal(honest.cell, honest.masks) == total(told, grant, window).grams


def test_statement_of_another_signer_or_without_its_proof_gives_no_number(told: Story) -> None:
    """Property 2: not the vault's signature, not in the log, or the proof of another entry."""
    honest = answered(told, told.bank, QUARTER)
    platform, body = told.world.platform(BANK), body_of(told, honest)
    assert platform.check(honest.ask, body).grams > 0
    forged = honest.release.signed(STRANGER)
    with pytest.raises(UnknownKey):
        platform.check(
            honest.ask, {**body, "release": forged, "proof": Operator(told.world).log(forged)}
        )
    proof = text_of(body, "proof")
    changed = restated(honest, iat=1).release.signed(told.world.place.vault_key)
    for bad in ({"proof": proof.replace("index ", "index 1")}, {"release": changed}):
        with pytest.raises(BadProof):
            platform.check(honest.ask, {**body, **bad})


# T3, the guard


def test_overlapping_window_past_the_app_is_refused_by_the_vault(story: Story) -> None:
    """T3: February to April for a bank that has January to March."""
    second = post_grant(story.world, story.ann, terms(BANK, first=FEB, last=APR))
    with pytest.raises(AtomUsed):
        post_token(story, second, (FEB, MAR, APR))


def test_without_the_guard_two_totals_show_january(story: Story) -> None:
    """T3, control: a vault that forgets what was used; the audit finds it by the same rule."""
    second = post_grant(story.world, story.ann, terms(BANK, first=FEB, last=APR))
    Operator(story.world).run("DELETE FROM atoms")
    post_token(story, second, (FEB, MAR, APR))
    story.world.close_month(APR)
    first = total(story, story.bank, QUARTER).grams
    january = total(story, story.city, (JAN,)).grams
    assert first - total(story, second, (FEB, MAR, APR)).grams == january
    assert [rule for _, rule in found(story.world)] == ["token", "release"]


# T4, T5: tokens


def test_token_by_a_stranger_is_refused(world: World) -> None:
    """T4: the control is the same token under the holder's consent key."""
    ann = world.person("ann", EAST)
    story = Story(
        world, ann, ann.holder.allow(terms(BANK), "en"), ann.holder.allow(terms(CITY), "en")
    )
    for key in (STRANGER, account_key(ann.root), consent(ann, story.bank)):
        with pytest.raises(UnknownKey):
            post_token(story, story.city, (JAN,), key=key)
    post_token(story, story.city, (JAN,), key=consent(ann, story.city))
    world.close_month(JAN)
    assert total(story, story.city, (JAN,)).grams == 0


def test_masks_made_without_k_take_nothing_off(told: Story) -> None:
    """T4: vault and platform together know c and C of all cells, and still need k."""
    honest = answered(told, told.city, (JAN,))
    grams = reveal(honest.cell, honest.masks)
    for guess in (
        Masks(Scalar(0), Scalar(0)),
        masks_over(told.ann, (LinkMonths(bytes(16), (JAN,)),), (TRAVEL,)),
    ):
        with pytest.raises(BadTotal):
            reveal(honest.cell, guess)
    facts = told.ann.holder.link_facts()
    own = masks_over(told.ann, cells_of(facts, CITY, (JAN,)), told.city.scope)
    assert reveal(honest.cell, own) == grams  # the control: with k it is one subtraction


def test_token_of_another_window_does_not_open(story: Story) -> None:
    """T5: the vault swaps the sealed bytes of two windows of one grant."""
    operator = Operator(story.world)
    january = total(story, story.city, (JAN,)).grams
    swap = (
        "UPDATE tokens SET sealed = (SELECT sealed FROM tokens WHERE months = ?) WHERE months = ?"
    )
    operator.run(swap, JAN, FEB)
    with pytest.raises(BadTotal):
        total(story, story.city, (FEB,))
    # The control: bytes sealed without context are January's number wherever they are put.
    actor = story.world.cast.actors[CITY]
    honest = answered(story, story.city, (JAN,))
    bare = seal(actor.opening.public, _scalars(honest.masks), b"")
    assert reveal(honest.cell, _open_bare(actor.opening, bare)) == january


def _scalars(masks: Masks) -> bytes:
    return masks.tau.to_bytes(32, "little") + masks.rho.to_bytes(32, "little")


def _open_bare(key: OpeningKey, sealed: bytes) -> Masks:
    plain = open_sealed((key,), sealed, b"")
    return Masks(*(Scalar(int.from_bytes(part, "little")) for part in (plain[:32], plain[32:])))


def test_sealed_bytes_that_are_not_the_tokens_are_refused(world: World) -> None:
    """T5, T6: a token names the hash of its sealed bytes; the control is the honest post."""
    ann = world.person("ann", EAST)
    grant = ann.holder.allow(terms(CITY), "en")
    cells = cells_of(ann.holder.link_facts(), CITY, (JAN,))
    granted = Granted(grant.grant, (JAN,))
    public = world.cast.actors[CITY].opening.public
    sealed = seal_token(masks_over(ann, cells, grant.scope), public, granted)
    post = sign_token(consent(ann, grant), world.now(), granted, cells, sealed)
    wire = world.wire(account_key(ann.root))
    for place in (0, 40, 111):
        other = bytearray(sealed)
        other[place] ^= 1
        changed = post.model_copy(update={"sealed": bytes(other)})
        with pytest.raises(DifferentBytes):
            wire.post("/v1/holder/tokens", compact_json(changed.plain()))
    wire.post("/v1/holder/tokens", compact_json(post.plain()))


# T6, T14, T26: a holder who lies


def lying_token(world: World, lie: Callable[[Masks], Masks]) -> tuple[Story, Window]:
    """Return a story whose only token for the city holds other masks."""
    ann = world.person("ann", EAST, WEST)
    grant = ann.holder.allow(terms(CITY), "en")
    story = Story(world, ann, grant, grant)
    cells = cells_of(ann.holder.link_facts(), CITY, (JAN,))
    post_token(story, grant, (JAN,), cells, lie(masks_over(ann, cells, grant.scope)))
    world.ride(ann, EAST, 20_000)
    world.close_month(JAN)
    return story, (JAN,)


def test_holder_who_shifts_the_masks_gives_no_total(world: World) -> None:
    """T6: a thousand grams more; the control is a platform that skips the commitment."""
    more = 1_000

    def lie(masks: Masks) -> Masks:
        return Masks(Scalar((masks.tau - more) % ORDER), masks.rho)

    story, window = lying_token(world, lie)
    with pytest.raises(BadTotal):
        total(story, story.city, window)
    honest = answered(story, story.city, window)
    naive = (honest.release.c - honest.masks.tau) % ORDER
    assert naive == 974 + more


def test_masks_of_cells_that_the_token_leaves_out_give_no_total(world: World) -> None:
    """T6: cells left out with their masks only lower the total, and never without."""
    ann = world.person("ann", EAST, WEST)
    grants = [ann.holder.allow(terms(CITY), "en"), ann.holder.allow(terms(BANK), "en")]
    story = Story(world, ann, grants[1], grants[0])
    every = cells_of(ann.holder.link_facts(), CITY, (JAN,))
    left = tuple(cell for cell in every if cell.link == ann.links[EAST])
    post_token(story, story.city, (JAN,), left, masks_over(ann, every, story.city.scope))
    quarter = cells_of(ann.holder.link_facts(), BANK, QUARTER)
    fewer = tuple(cell for cell in quarter if cell.link == ann.links[EAST])
    post_token(story, story.bank, QUARTER, fewer)
    for month in QUARTER:
        world.ride(ann, EAST, 10_000)
        world.ride(ann, WEST, 10_000)
        world.close_month(month)
    with pytest.raises(BadTotal):
        total(story, story.city, (JAN,))
    assert total(story, story.bank, QUARTER).grams == 3 * 487  # the control: half of it is true


# T7 to T9: the stop


def sealed_of(world: World, grant: Grant) -> list[bytes | None]:
    rows = world.database.read(
        lambda tx: tx.all(_Sealed, "SELECT sealed FROM tokens WHERE grant_id = ?", grant.grant)
    )
    return [row.sealed for row in rows]


class _Sealed(NamedTuple):
    sealed: bytes | None


def everything_answered(story: Story) -> list[bytes]:
    """Return the bytes of every GET that holder, platform and auditor can make of a grant."""
    world, answers = story.world, list[bytes]()

    def keep(response: httpx2.Response) -> None:
        answers.append(response.read())

    world.client.event_hooks = {"response": [keep]}
    holder = world.wire(account_key(story.ann.root))
    for name in ("grants", "tokens", "entries", "links"):
        holder.get(f"/v1/holder/{name}")
    world.wire(world.cast.actors[CITY].key).get(f"/v1/grants/{story.city.grant.hex()}")
    world.auditor().audit()
    world.client.event_hooks = {}
    return answers


def test_after_the_stop_no_sealed_bytes_are_left_and_none_leave(story: Story) -> None:
    """T7, property 9: not released, not answered anywhere, not in the table."""
    operator, world = Operator(story.world), story.world
    total(story, story.city, (JAN,))
    before = [sealed for sealed in sealed_of(world, story.city) if sealed]
    assert len(before) == 3  # the control: until then they are there, and are answered
    story.ann.holder.stop(story.city)
    stopped = len(operator.rows())
    assert sealed_of(world, story.city) == [None] * 3
    for month in QUARTER:
        with pytest.raises(Revoked):
            total(story, story.city, (month,))
    with pytest.raises(Revoked):
        post_token(story, story.city, (APR,))
    answers = everything_answered(story)
    assert len(answers) > 6
    assert not [s for s in before for body in answers if b64u(s).encode() in body]
    later = [entry.kind for entry in operator.entries()[stopped:]]
    assert set(later) == {"refusal"}


def test_control_the_release_itself_carries_the_sealed_bytes(story: Story) -> None:
    """T7, control: the search above would see them."""
    answers: list[bytes] = []
    story.world.client.event_hooks = {"response": [lambda reply: answers.append(reply.read())]}
    total(story, story.city, (JAN,))
    story.world.client.event_hooks = {}
    found_in = [
        s for s in sealed_of(story.world, story.city) if s and b64u(s).encode() in answers[-1]
    ]
    assert len(found_in) == 1


def test_stop_is_taken_once_for_its_own_grant_by_its_own_key(story: Story) -> None:
    """T8: replayed, moved to another grant, numbered anew or signed by another: nothing changes."""
    world, ann = story.world, story.ann
    wire = world.wire(account_key(ann.root))
    key, grant = consent(ann, story.city), story.city.grant

    def post(revoke: Revoke, at: bytes = grant, by: SigningKey = key) -> None:
        wire.post(f"/v1/holder/grants/{at.hex()}/status", revoke.signed(by))

    stop = Revoke(iat=world.now(), grant=grant, n=1)
    with pytest.raises(BadShape):
        post(stop.model_copy(update={"n": 2}))
    with pytest.raises(UnknownKey):
        post(stop, at=story.bank.grant)
    with pytest.raises(BadShape):
        post(stop.model_copy(update={"grant": story.bank.grant}))
    with pytest.raises(UnknownKey):
        post(stop, by=STRANGER)
    assert total(story, story.city, (JAN,)).grams > 0  # the control: it was live all along
    post(stop)
    post(stop)  # the same bytes: the same answer, and nothing more
    with pytest.raises(Revoked):
        post(stop.model_copy(update={"n": 2}))
    kinds = [entry.kind for entry in Operator(world).entries()]
    assert kinds.count("revoke") == 1


def test_release_after_the_stop_is_found_by_the_audit(story: Story) -> None:
    """T9: the operator keeps a release back until after the stop; the control logs it in time."""
    operator = Operator(story.world)
    release = signed(story, answered(story, story.city, (FEB,)).release)
    assert found(story.world) == []
    operator.rewrite([entry for entry in operator.entries() if entry.text != release])
    story.ann.holder.stop(story.city)
    assert found(story.world) == []
    operator.log(release)
    assert found(story.world) == [(len(operator.rows()) - 1, "release")]


def signed(story: Story, release: Release) -> str:
    return release.signed(story.world.place.vault_key)


# T13, T14: what a platform is shown


def test_wrong_sum_is_refused_where_sources_are_shown(story: Story) -> None:
    """T13: c and C moved together, signed and logged; the control is the check left out."""
    honest = answered(story, story.bank, QUARTER)
    wrong = _other_sum(story, honest, 1_000)
    with pytest.raises(BadTotal, match="add up"):
        checked(story, wrong)
    assert reveal(wrong.cell, wrong.masks) == reveal(honest.cell, honest.masks) + 1_000
    assert {rule for _, rule in found(story.world)} == {"release"}


def test_wrong_sum_is_found_by_the_audit_where_no_sources_are_shown(world: World) -> None:
    """T13: the platform takes it as the vault's word, which is all it says; the audit does not."""
    ann = world.person("ann", EAST)
    grant = world.allow(ann, CITY)
    story = Story(world, ann, grant, grant)
    world.ride(ann, EAST, 20_000)
    world.close_month(JAN)
    operator = Operator(world)
    honest = answered(story, grant, (JAN,))
    assert found(world) == []
    operator.rewrite([e for e in operator.entries() if e.kind != "release"])
    got = checked(story, _other_sum(story, honest, 1_000))
    assert (got.grams, got.checked) == (974 + 1_000, "vault")
    assert found(world) == [(len(operator.rows()) - 1, "release")]


def test_close_counted_twice_is_refused(story: Story) -> None:
    """T14, property 17: holder and vault together; the control adds up without looking."""
    honest = answered(story, story.bank, QUARTER)
    grams = reveal(honest.cell, honest.masks)
    twice = restate_closes(honest, (*honest.closes, honest.closes[0]))
    close = Close.opened(read_envelope(honest.closes[0], Close.typ))
    more = masks_over(story.ann, (LinkMonths(close.link, (close.month,)),), honest.grant.scope)
    twice = replace(twice, masks=add_masks([honest.masks, more]))
    with pytest.raises(BadTotal, match="twice"):
        checked(story, twice)
    assert reveal(twice.cell, twice.masks) > grams


def test_token_cannot_name_a_cell_twice(story: Story) -> None:
    """T14, property 17: neither a link nor a month stands twice in a token's only form."""
    link = story.ann.links[EAST]
    for cells in (
        (LinkMonths(link, (JAN,)), LinkMonths(link, (JAN,))),
        (LinkMonths(link, (JAN, JAN)),),
    ):
        token = Token.model_construct(
            iat=0, grant=bytes(16), window=(JAN,), cells=cells, sealed=bytes(32)
        )
        with pytest.raises(BadShape):
            Token.parse(compact_json(token.plain()))
    once = Token(
        iat=0, grant=bytes(16), window=(JAN,), cells=(LinkMonths(link, (JAN,)),), sealed=bytes(32)
    )
    assert Token.parse(compact_json(once.plain())) == once


def april(story: Story) -> tuple[str, Masks]:
    """Return a close of April over 500 g, truly signed by its source, and its masks."""
    cells = (LinkMonths(story.ann.links[EAST], (APR,)),)
    key = stream_key(story.ann.root, cells[0].link)
    hidden = tuple(hide(Grams(500 * (c == TRAVEL)), masks_of(key, c, APR)) for c in Category)
    text = next(
        t
        for t in every_close(story)
        if Close.opened(read_envelope(t, Close.typ)).link == cells[0].link
    )
    return resigned(story, text, month=APR, cells=hidden), masks_over(
        story.ann, cells, tuple(Category)
    )


def test_close_of_a_month_outside_the_window_is_refused(story: Story) -> None:
    """T13: everybody but the platform agrees on it; the control adds up without looking."""
    honest = answered(story, story.bank, QUARTER)
    text, masks = april(story)
    more = restate_closes(honest, (*honest.closes, text))
    more = replace(more, masks=add_masks([honest.masks, masks]))
    with pytest.raises(BadTotal, match="outside the window"):
        checked(story, more)
    assert reveal(more.cell, more.masks) == reveal(honest.cell, honest.masks) + 500


def test_close_by_another_methodology_than_the_stated_ones_is_refused(story: Story) -> None:
    """T13: one close by other rules; the control states them, and the audit decides."""
    honest = answered(story, story.bank, QUARTER)
    text = resigned(story, honest.closes[0], methodology="demo-0")
    stated = restate_closes(honest, (text, *honest.closes[1:]))
    hidden = restated(stated, methodology=honest.release.methodology)
    with pytest.raises(BadTotal, match="methodology"):
        checked(story, hidden)
    assert checked(story, stated).methodology == ("demo-0", "demo-1")
    assert {rule for _, rule in found(story.world)} == {"release"}


def test_close_of_the_platforms_own_organisation_is_refused(story: Story) -> None:
    """T13: under a directory in which the first source is the bank's; the control is ours."""
    honest = answered(story, story.bank, QUARTER)
    body = body_of(story, honest)
    platform = story.world.platform(BANK)
    assert platform.check(honest.ask, body).grams > 0
    held = platform.directory
    entries = tuple(
        party.model_copy(update={"org": BANK}) if party.id == EAST else party
        for party in held.listing.entries
    )
    listing = held.listing.model_copy(update={"entries": entries})
    platform._current._held = Directory(held.text, listing, held.signer_key)
    with pytest.raises(BadTotal, match="own organisation"):
        platform.check(honest.ask, body)


# T29: what may be asked


def test_grant_beyond_its_template_past_the_app_is_refused_by_the_vault(world: World) -> None:
    """T29: signed by the holder all the same; the control is the grant within its template."""
    ann = world.person("ann", EAST)
    world.allow(ann, BANK)
    for changed in ({"data_life_days": 91}, {"purposes": ("Marketing",)}, {"step": 1}):
        with pytest.raises(BeyondTemplate):
            ann.holder.allow(terms(BANK, **changed), "en")
        with pytest.raises(BeyondTemplate):
            post_grant(world, ann, terms(BANK, **changed))
    other = NoticeRef(sha256=sha256(b"You receive a free bicycle.").digest(), locale="en")
    with pytest.raises(BadShape, match="notice"):
        post_grant(world, ann, terms(BANK), notice=other)
    post_grant(world, ann, terms(BANK))


def test_platform_cannot_ask_for_another_purpose_than_the_grant_lists(told: Story) -> None:
    """T29: refused by the vault, and by the platform's own SDK were the vault to release it."""
    honest = answered(told, told.city, (JAN,))
    for purpose in ("TargetedAdvertising", "PersonalisedBenefits"):
        with pytest.raises(WrongPurpose):
            told.world.platform(CITY).total(told.city.grant, (JAN,), purpose)
        ask = honest.ask.model_copy(update={"purpose": purpose})
        with pytest.raises(WrongPurpose):
            checked(told, replace(restated(honest, purpose=purpose), ask=ask))
    assert checked(told, honest).purpose == "PublicBenefit"


# T30: what errors tell


def problems(world: World, calls: list[Callable[[], object]]) -> list[tuple[int, bytes]]:
    """Return status and body of what each call is refused with."""
    found: list[tuple[int, bytes]] = []
    for call in calls:
        replies: list[tuple[int, bytes]] = []

        def keep(reply: httpx2.Response, into: list[tuple[int, bytes]] = replies) -> None:
            into.append((reply.status_code, reply.read()))

        world.client.event_hooks = {"response": [keep]}
        with pytest.raises(VaultError):
            call()
        found.append(replies[-1])
    world.client.event_hooks = {}
    return found


def test_refusals_do_not_tell_which_source_is_missing(world: World) -> None:
    """T30: either source has not closed, or both; the control closes both."""
    ann = world.person("ann", EAST, WEST)
    grant = world.allow(ann, CITY)
    world.close_month(JAN)
    city = world.platform(CITY)
    bodies = set()
    for month, closing in ((FEB, [EAST]), (MAR, [WEST])):
        world.move(add_months(month, 1))
        for name in closing:
            world.sources[name].send_batches()
            world.sources[name].close(month)
        bodies |= set(problems(world, [partial(city.total, grant.grant, (month,))]))
    assert len(bodies) == 1
    assert city.total(grant.grant, (JAN,)).grams == 0


def test_unknown_and_not_yours_are_one_answer(told: Story) -> None:
    """T30: a grant, link and account of somebody else and of nobody; the control has its own."""
    world, ann = told.world, told.ann
    wires = {name: world.wire(world.cast.actors[name].key) for name in (BANK, WEST)}
    mine = ann.links[EAST].hex()
    paths = [
        (BANK, f"/v1/grants/{told.city.grant.hex()}"),
        (BANK, f"/v1/grants/{'0' * 32}"),
        (WEST, f"/v1/links/{mine}"),
        (WEST, f"/v1/links/{'0' * 32}"),
    ]
    found = problems(world, [partial(wires[name].get, path) for name, path in paths])
    assert len(set(found)) == 1
    wires[BANK].get(f"/v1/grants/{told.bank.grant.hex()}")
    wires[WEST].get(f"/v1/links/{ann.links[WEST].hex()}")
