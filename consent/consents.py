"""The consents of a holder: allow, make tokens, pause, stop (docs/protocol.md section 5).

    grant = holder.allow(terms, "zh-CN")     # the notice of these terms was read in this locale
    holder.mint(grant)                       # tokens, also for months to come
    holder.stop(grant)

The guard is kept here first: a window is in the holder's state before its token is sealed.
"""

from __future__ import annotations

from collections.abc import Iterable

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
from consent.policy import check_logged
from consent.records import OwnLink, add_closes
from consent.side import Side
from consent.state import Minted, WindowName
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
from vault.encoding import compact_json, read_envelope
from vault.errors import Locale, NotFound, NotMinted
from vault.months import Grams, Window, add_months
from vault.wire import objects_of, text_of

AHEAD = 3


class Consents(Side):
    """What a holder allows, and until when."""

    def notice(self, terms: Terms, locale: Locale) -> str:
        """Return what the person reads before they allow these terms."""
        return render_notice(terms, self.directory, locale)

    def allow(self, terms: Terms, locale: Locale, replaces: Grant | None = None) -> Grant:
        """Give the consent whose notice the person read in this locale; return the grant.

        `replaces` is the grant that ends with it, when terms change.

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
            replaces=replaces.grant if replaces else None,
        )
        check_grant(grant, self.directory, self._now())
        self._bind(org)
        self._post("/v1/holder/grants", grant.signed(key))
        return grant

    def _bind(self, org: str) -> None:
        if org in self._device.state.orgs:
            return
        pk = keys.consent_key(self._root, org).public
        bind = Bind(iat=self._now(), org=org, pk=pk)
        self._post("/v1/holder/binds", bind.signed(self._key))
        self._device.save(lambda state: state.with_org(org))

    def stop(self, grant: Grant) -> None:
        """Stop sharing: after this returns, no release of the grant succeeds."""
        self._change(grant, Revoke)

    def pause(self, grant: Grant) -> None:
        """Pause sharing: releases wait, also for the months in between, until it goes on."""
        self._change(grant, Pause)

    def resume(self, grant: Grant) -> None:
        """Let a paused grant go on."""
        self._change(grant, Resume)

    def _change(self, grant: Grant, kind: type[Revoke]) -> None:
        count = next((g.count for g in self.grants() if g.grant.grant == grant.grant), None)
        if count is None:
            raise NotFound("no such grant of yours")
        message = kind(iat=self._now(), grant=grant.grant, n=count + 1)
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
            AtomUsed: the organisation already has another total over part of a window.
        """
        latest = add_months(self.directory.month_at(self._now()), ahead)
        self._device.load()
        tokens = self._tokens()
        self._recall(tokens)
        held = {(token.grant, token.window): token.cells for token in tokens}
        facts, released = self.link_facts(), self._released()
        made = []
        for window in grant.windows:
            if window[0] > latest:
                continue
            try:
                cells = self._due(grant, window, facts, released)
            except NotMinted:
                continue  # there is nothing to add up
            if held.get((grant.grant, window)) != cells:
                self._mint(grant, window, cells)
                made.append(window)
        return made

    def _due(
        self,
        grant: Grant,
        window: Window,
        facts: list[LinkFact],
        released: set[WindowName],
    ) -> tuple[LinkMonths, ...]:
        """Return the cells that the window's token must cover; raises NotMinted for none."""
        name = (grant.org, grant.categories, window)
        last = self._device.state.last_of(name)
        if last is None:
            return cells_of(facts, grant.org, window)
        known = {fact.link: fact for fact in facts}
        cells = less_absent(
            last.cells, lambda link, month: link in known and not known[link].has(month)
        )
        if not cells or (cells != last.cells and name in released):
            raise NotMinted("every month is absent, or the window was released and stays as it was")
        return cells

    def _mint(self, grant: Grant, window: Window, cells: tuple[LinkMonths, ...]) -> None:
        check_count(cells, grant.scope)
        entry = Minted(
            grant=grant.grant,
            org=grant.org,
            categories=grant.categories,
            window=window,
            cells=cells,
        )
        self._device.save(lambda state: state.with_minted(entry))
        kept = self._device.state.minted_for(grant.grant, window) or entry
        self._seal(grant, kept)

    def _seal(self, grant: Grant, entry: Minted) -> None:
        granted = Granted(grant.grant, entry.window)
        masks = sum_masks(lambda link: keys.stream_key(self._root, link), entry.cells, grant.scope)
        platform = self.directory.sealing_key(grant.platform, self._now())
        sealed = seal_token(masks, platform, granted)
        key = keys.consent_key(self._root, grant.org)
        post = sign_token(key, self._now(), granted, entry.cells, sealed)
        answer = self._wire.post("/v1/holder/tokens", compact_json(post.plain())).body
        check_logged(self.directory, post.token, text_of(answer, "proof"))

    def _released(self) -> set[WindowName]:
        """Return the windows of which an organisation has a total already."""
        own = {one.grant.grant: one.grant for one in self.grants()}
        body = self._wire.get("/v1/holder/releases").body
        found = set()
        for item in objects_of(body, "releases"):
            release = Release.opened(read_envelope(text_of(item, "release"), Release.typ))
            given = own.get(release.grant)
            if given is not None:
                found.add((given.org, given.categories, release.window))
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
            if token.grant in known
        )
        self._device.recall(listed)

    def _tokens(self) -> list[Token]:
        body = self._wire.get("/v1/holder/tokens").body
        texts = [text_of(item, "token") for item in objects_of(body, "tokens")]
        return [Token.opened(read_envelope(text, Token.typ)) for text in texts]
