"""The consents of a holder: allow, make tokens, pause, stop (docs/protocol.md section 5).

    grant = holder.allow(terms, "zh-CN")     # the notice of these terms was read in this locale
    holder.mint(grant)                       # tokens, also for months to come
    holder.stop(grant)

The guard is kept here first: a window is in the holder's state before its token is sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from consent.log.proof import Logged
from consent.messages import (
    Bind,
    Grant,
    LinkMonths,
    NoticeRef,
    Pause,
    Release,
    Resume,
    Revoke,
    Terms,
    Token,
)
from consent.notices import notice_hash, render_notice
from consent.records import OwnLink, add_closes
from consent.side import Side
from consent.state import ENDED, UNPROVED, HolderState, Minted, Status, WindowName, mark
from consent.templates import check_grant
from consent.tokens import (
    Granted,
    LinkFact,
    cells_of,
    check_count,
    less_absent,
    seal_token,
    sign_token,
    sum_masks,
)
from vault.crypto import keys
from vault.encoding import Json, compact_json, read_envelope
from vault.errors import (
    AtomUsed,
    BadShape,
    DifferentBytes,
    Expired,
    Locale,
    NotFound,
    NotMinted,
    Paused,
    Revoked,
)
from vault.months import Grams, Month, Window, add_months, join_window
from vault.wire import objects_of, text_of

AHEAD = 3
MOST_AHEAD = 12
Facts = Mapping[bytes, LinkFact]
Released = set[WindowName]


@dataclass(frozen=True)
class Use:
    """A release as the log holds it: what left, and when."""

    release: Release
    place: Logged


class Consents(Side):
    """What a holder allows, and until when."""

    def notice(self, terms: Terms, locale: Locale) -> str:
        """Return what the person reads before they allow these terms."""
        return render_notice(terms, self.directory, locale)

    def allow(
        self,
        terms: Terms,
        locale: Locale,
        replaces: Grant | None = None,
        request: bytes | None = None,
    ) -> Grant:
        """Give the consent whose notice the person read in this locale; return the grant.

        `replaces` is the grant that ends with it, when terms change; `request` the hash of the
        platform's request that it answers.

        Raises:
            BeyondTemplate, NotOffered: the terms ask for more than their template allows.
        """
        org = self.directory.org_of(terms.platform)
        key = keys.consent_key(self._root, org)
        notice = NoticeRef(sha256=notice_hash(self.notice(terms, locale)), locale=locale)
        grant = Grant(
            **dict(terms),
            iat=self._now(),
            type="carbon_reduction_total",
            grant=self._random(16),
            pk=key.public,
            org=org,
            notice=notice,
            request=request,
            replaces=replaces.grant if replaces else None,
        )
        check_grant(grant, self.directory, self._now())
        bind = Bind(iat=self._now(), org=org, pk=key.public)
        self._record(bind, grant)
        self._bind(bind)
        self._post("/v1/holder/grants", grant.signed(key))
        if replaces:
            self._device.save(lambda state: state.with_status(replaces.grant, "replaced"))
        return grant

    def _bind(self, bind: Bind) -> None:
        if bind.org in self._device.state.orgs:
            return
        # Taken already, by a bind whose answer was lost or by another device: the key is the same.
        with suppress(DifferentBytes):
            self._post("/v1/holder/binds", bind.signed(self._key))
        self._device.save(lambda state: state.with_org(bind.org))

    def stop(self, grant: Grant) -> None:
        """Stop sharing: after this returns, no release of the grant succeeds."""
        self._change(grant, Revoke, "revoked")

    def pause(self, grant: Grant) -> None:
        """Pause sharing: releases wait, also for the months in between, until it goes on."""
        self._change(grant, Pause, "paused")

    def resume(self, grant: Grant) -> None:
        """Let a paused grant go on; raises BadDirectory when the directory has expired."""
        _ = self.directory
        self._change(grant, Resume, "live")

    def _change(self, grant: Grant, kind: type[Revoke], status: Status) -> None:
        count = next((g.count for g in self.grants() if g.grant.grant == grant.grant), None)
        if count is None:
            raise NotFound("no such grant of yours")
        message = kind(iat=self._now(), grant=grant.grant, n=count + 1)
        # Remembered here first: no token is made again, whatever the vault says of the grant.
        self._record(message, also=lambda state: state.with_status(grant.grant, status))
        self._post(
            f"/v1/holder/grants/{grant.grant.hex()}/status",
            message.signed(keys.consent_key(self._root, grant.org)),
        )

    def mint(self, grant: Grant, ahead: int = AHEAD) -> list[Window]:
        """Make the tokens that are due: every window that starts at most `ahead` months from now.

        Missed windows are due too; a window whose token counts on a month that has become absent
        is made again without it, unless it was released. Returns the windows made now.

        The guard is kept here first: a window is in the state before it is sealed.

        Raises:
            AtomUsed: the organisation already has another total over part of these windows; the
                others were made.
            Revoked, Paused, Expired: the grant has ended, is paused, or its time is over.
            BadShape: `ahead` is not 0..12.
        """
        made, taken = self.mint_free(grant, ahead)
        if taken:
            names = ", ".join(join_window(window) for window in taken)
            raise AtomUsed(f"{grant.org} has other totals over part of {names}")
        return made

    def mint_free(self, grant: Grant, ahead: int = AHEAD) -> tuple[list[Window], list[Window]]:
        """As `mint`, but return the windows made now, and the due ones that are taken.

        Taken: the organisation has another total over part of it, mostly by another consent.
        """
        if not 0 <= ahead <= MOST_AHEAD:
            raise BadShape(f"tokens are made 0 to {MOST_AHEAD} months ahead, found {ahead}")
        latest = add_months(self.directory.month_at(self._now()), ahead)
        self._device.load()
        self._check_live(grant)
        tokens = self._tokens()
        self._recall(tokens)
        held = {(token.grant, token.window): token.cells for token in tokens}
        facts, released = {fact.link: fact for fact in self.link_facts()}, self._released()
        made, taken = [], []
        for window in (w for w in grant.windows if w[0] <= latest):
            try:
                due = self._due(self._device.state, grant, window, facts, released)
                if held.get((grant.grant, window)) != due.cells:
                    self._mint(grant, window, facts, released)
                    made.append(window)
            except NotMinted:
                continue  # there is nothing to add up
            except AtomUsed:
                taken.append(window)
        return made, taken

    def _check_live(self, grant: Grant) -> None:
        status = self._device.state.statuses.get(grant.grant.hex())
        told = next((own.state for own in self.grants() if own.grant.grant == grant.grant), status)
        self._check_goes_on(grant, {status, told})

    def _check_goes_on(self, grant: Grant, said: set[str | None]) -> None:
        if said & ENDED:
            raise Revoked("this grant was stopped")
        if "paused" in said:
            raise Paused("this grant is paused")
        if self._now() >= grant.until:
            raise Expired("the grant's until has passed")

    def _due(
        self, state: HolderState, grant: Grant, window: Window, facts: Facts, released: Released
    ) -> Minted:
        """Return what the window's token must cover by this state; raises NotMinted for nothing."""
        cells = self._due_cells(state, (grant.org, grant.categories, window), facts, released)
        check_count(cells, grant.scope)
        return Minted(
            grant=grant.grant,
            org=grant.org,
            categories=grant.categories,
            window=window,
            cells=cells,
        )

    def _due_cells(
        self, state: HolderState, name: WindowName, facts: Facts, released: Released
    ) -> tuple[LinkMonths, ...]:
        """Return the cells of a window that is new, or made again; raises NotMinted for nothing."""
        last = state.last_of(name)
        if last is None:
            return cells_of(facts.values(), name[0], name[2])
        cells = less_absent(last.cells, partial(_absent, facts))
        if not cells or (cells != last.cells and name in released):
            raise NotMinted("all of it is absent, or it was released and stays as it was")
        return cells

    def _would_give(self, org: str, terms: Terms, window: Window) -> tuple[LinkMonths, ...]:
        """Return the cells that a token of these terms would be over, as they stand.

        Raises:
            NotMinted: there is nothing to add up.
            AtomUsed: the organisation has another total over part of it; nothing can leave.
        """
        facts = {fact.link: fact for fact in self.link_facts()}
        name, state = (org, terms.categories, window), self._device.state
        cells = self._due_cells(state, name, facts, self._released())
        entry = Minted(
            grant=bytes(16), org=org, categories=terms.categories, window=window, cells=cells
        )
        state.with_minted(entry, partial(_absent, facts))
        return cells

    def _mint(self, grant: Grant, window: Window, facts: Facts, released: Released) -> None:
        def change(state: HolderState) -> HolderState:
            # Once more over what another device may have stored: its cells are the window's.
            self._check_goes_on(grant, {state.statuses.get(grant.grant.hex())})
            entry = self._due(state, grant, window, facts, released)
            named = state.with_made(self._now(), _mark_token(entry))
            return named.with_minted(entry, partial(_absent, facts))

        self._device.save(change)
        kept = self._device.state.minted_for(grant.grant, window)
        if kept is not None:
            self._made.setdefault(_mark_token(kept), UNPROVED)
            self._seal(grant, kept)

    def _seal(self, grant: Grant, entry: Minted) -> None:
        granted = Granted(grant.grant, entry.window)
        masks = sum_masks(lambda link: keys.stream_key(self._root, link), entry.cells, grant.scope)
        platform = self.directory.sealing_key(grant.platform, self._now())
        sealed = seal_token(masks, platform, granted)
        key = keys.consent_key(self._root, grant.org)
        post = sign_token(key, self._now(), granted, entry.cells, sealed)
        # Right before the sending: it may have been stopped while others were made.
        self._check_goes_on(grant, {self._device.state.statuses.get(grant.grant.hex())})
        answer = self._wire.post("/v1/holder/tokens", compact_json(post.plain())).body
        place = self._place_of(post.token, text_of(answer, "proof"))
        self._prove(post.token, place.index)

    def uses(self) -> list[Use]:
        """Return every release of this person's grants, its place in the log proved.

        Raises:
            BadProof, UnknownKey: the vault shows one that it did not sign and log.
        """
        body = self._wire.get("/v1/holder/releases").body
        return [self._use(item) for item in objects_of(body, "releases")]

    def _use(self, item: Mapping[str, Json]) -> Use:
        text = text_of(item, "release")
        # Also before witnesses saw it: the person is told, and no window is made smaller after it.
        place = self._place_of(text, text_of(item, "proof"))
        envelope = read_envelope(text, Release.typ)
        envelope.verify(self.directory.vault_key_ever(envelope.kid))
        return Use(Release.opened(envelope), place)

    def _released(self) -> Released:
        """Return the windows of which an organisation has a total already."""
        own = {one.grant.grant: one.grant for one in self.grants()}
        found = set()
        for use in self.uses():
            given = own.get(use.release.grant)
            if given is not None:
                found.add((given.org, given.categories, use.release.window))
        return found

    def own_total(self, grant: Grant, window: Window, links: Iterable[OwnLink]) -> Grams:
        """Return the figure that a window's token uncovers, from this holder's own records.

        Raises:
            NotFound: no token was made for the window.
            BadTotal: a close of it is not there yet.
        """
        entry = self._device.state.minted_for(grant.grant, window)
        if entry is None:
            raise NotFound("no token was made for this window")
        return add_closes(links, entry.cells, grant.scope)

    def _recall(self, tokens: Iterable[Token]) -> None:
        # A fresh device takes as used every token the vault lists, whatever state it was given.
        known = {own.grant.grant: own.grant for own in self.grants()}
        listed = tuple(
            Minted(
                grant=token.grant,
                org=known[token.grant].org,
                categories=known[token.grant].categories,
                window=token.window,
                cells=token.cells,
            )
            for token in tokens
        )
        self._device.recall(listed)

    def _tokens(self) -> list[Token]:
        """Return every token the vault lists, each one signed by this person's own key.

        Raises:
            NotFound, BadJws, BadShape: it lists one that no device of this person made.
        """
        known = {own.grant.grant: own.grant for own in self.grants()}
        body = self._wire.get("/v1/holder/tokens").body
        return [self._token(text_of(i, "token"), known) for i in objects_of(body, "tokens")]

    def _token(self, text: str, known: Mapping[bytes, Grant]) -> Token:
        envelope = read_envelope(text, Token.typ)
        token = Token.opened(envelope)
        grant = known.get(token.grant)
        if grant is None:
            raise NotFound("the vault lists a token of no grant of yours")
        envelope.verify(keys.consent_key(self._root, grant.org).public)
        grant.check_window(token.window)
        return token


def _mark_token(entry: Minted) -> str:
    """Return the name of making a window's token: the sealed bytes are no part of it."""
    token = Token(
        iat=0, grant=entry.grant, window=entry.window, cells=entry.cells, sealed=bytes(32)
    )
    return mark(token)


def _absent(facts: Facts, link: bytes, month: Month) -> bool:
    return link in facts and not facts[link].has(month)
