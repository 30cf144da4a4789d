"""The SDK of a holder: open a vault, link sources, allow totals, stop (docs/protocol.md section 5).

    holder = Holder(root, wire, policy, now, random)
    holder.open_account(); code = holder.add_code()      # the recovery code, shown once
    start = holder.start_link("bike.example", nonce)     # start.code goes to the source
    holder.attach(start, answer)                         # the source's cv1-link
    grant = holder.allow(terms, "zh-CN")
    holder.mint(grant)                                   # tokens, also for months to come
    holder.stop(grant)

Every key comes from the root; what must be remembered is sealed at the vault. The app recomputes
every close from its records, keeps the guard before the vault does, and checks each log proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from consent.device import Device
from consent.endings import fetch_endings
from consent.messages import (
    Bind,
    Erased,
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
from consent.policy import Policy, check_logged, fetch_directory
from consent.recompute import check_unreadable
from consent.records import OwnLink, add_closes, open_link
from consent.state import KnownLink, Minted, WindowName
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
from vault.crypto.keys import Root
from vault.crypto.seal import seal
from vault.directory import Directory, check_link, release_fits
from vault.encoding import Json, compact_json, read_envelope, text_hash, thumbprint, unb64u
from vault.errors import BadCode, BadShape, Locale, NotFound, NotMinted
from vault.messages import Account, Attach, Erase, LinkCode, Reject, Unlink, link_info
from vault.methodology.release import Release as Methodology
from vault.methodology.release import load_release
from vault.months import Grams, Window, add_months
from vault.wire import Wire, objects_of, text_of

AHEAD = 3
DEVICE_CODE_LIFE = 600


@dataclass(frozen=True)
class LinkStart:
    """A link being made: its id, the code for the source, the six digits both apps show."""

    source: str
    link: bytes
    code: bytes

    @property
    def digits(self) -> str:
        """Six digits to compare with the source's app."""
        return keys.six_digits(self.code)


@dataclass(frozen=True)
class OwnGrant:
    """A grant as the vault lists it to its holder; `count` is its number of status messages."""

    grant: Grant
    state: str
    count: int


class Holder:
    """One person's side, standing on their root secret."""

    def __init__(
        self,
        root: Root,
        wire: Wire,
        policy: Policy,
        now: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        """Accept the vault's directory; `wire` speaks as the account key of this root.

        Raises:
            BadDirectory, BadProof: the directory is not to be trusted.
        """
        self._root, self._wire, self._policy, self._now = root, wire, policy, now
        self._random, self._key = random, keys.account_key(root)
        self.account = thumbprint(self._key.public)
        self.directory: Directory = fetch_directory(wire, policy, None, now())
        self._device = Device(root, wire, random)

    # The vault

    def open_account(self) -> None:
        """Make the account of this root at the vault; a second call changes nothing.

        Raises:
            DifferentBytes: it was made before, by another call with another time.
        """
        account = Account(
            iat=self._now(), pk=self._key.public, vault=self.directory.listing.vault, over14=True
        )
        self._post("/v1/holder", account.signed(self._key))

    def add_code(self) -> str:
        """Return a new recovery code, its wrap kept at the vault: show it once, never store it."""
        secret = self._random(keys.ROOT_SIZE)
        self.put_wrap(secret)
        return keys.write_code(secret)

    def put_wrap(self, secret: bytes, life: int | None = None) -> None:
        """Keep the root under a new wrap, for `life` seconds or until it is deleted.

        Args:
            secret: 20 random bytes shown as a code, or the 32 bytes of a passkey's PRF.
            life: a second device's code ends by itself; the product's is 600 seconds.
        """
        blob = keys.wrap_root(secret, self._root, self._random(keys.NONCE_SIZE))
        query = "" if life is None else f"?life={life}"
        self._wire.send("PUT", f"/v1/holder/wraps/{keys.wrap_id(secret).hex()}{query}", blob)

    def delete_wrap(self, secret: bytes) -> None:
        """Forget a wrap: an old recovery code, a lost passkey; raises NotFound."""
        self._wire.send("DELETE", f"/v1/holder/wraps/{keys.wrap_id(secret).hex()}")

    def show_device_code(self) -> str:
        """Return a code that brings the vault to a second device within ten minutes."""
        secret = self._random(keys.ROOT_SIZE)
        self.put_wrap(secret, DEVICE_CODE_LIFE)
        return keys.write_code(secret)

    def erase(self) -> Erased:
        """Delete this account and everything of it at the vault; return what the vault logged.

        Grants and links end first. What platforms were given cannot be called back.

        Raises:
            BadProof, BadShape: the vault does not prove that it logged the erasure.
        """
        text = Erase(iat=self._now(), pk=self._key.public).signed(self._key)
        body = self._wire.send("DELETE", "/v1/holder", text).body
        check_logged(self.directory, text, text_of(body, "proof"))
        told = text_of(body, "erased")
        place = check_logged(self.directory, told, text_of(body, "erased_proof"))
        envelope = read_envelope(told, Erased.typ)
        envelope.verify(self.directory.vault_key(envelope.kid, place.at))
        erased = Erased.opened(envelope)
        if erased.erase != text_hash(text):
            raise BadShape("the vault logged the erasure of something else")
        return erased

    def refresh(self) -> None:
        """Fetch the directory in force and the state that another device may have stored."""
        self.directory = fetch_directory(self._wire, self._policy, self.directory, self._now())
        self._device.load()

    # Links

    def start_link(self, source: str, nonce: bytes) -> LinkStart:
        """Return a link code for a source that showed this nonce (16 bytes) to its customer."""
        link = self._random(16)
        wanted = LinkCode(
            link=link,
            k=keys.stream_key(self._root, link).value,
            rec=keys.record_key(self._root, link).public,
            vault=self.directory.listing.vault,
            nonce=nonce,
        )
        public = self.directory.sealing_key(source, self._now())
        return LinkStart(
            source, link, seal(public, compact_json(wanted.plain()), link_info(source))
        )

    def attach(self, start: LinkStart, answer: str) -> None:
        """Attach the link that the source answered to.

        Raises:
            UnknownKey, BadJws, BadShape: not the source's answer by the directory.
            BadCode: an answer to another link code.
        """
        message = check_link(answer, self.directory, self._now())
        found = (message.source, message.link, message.msg)
        if found != (start.source, start.link, sha256(start.code).digest()):
            raise BadCode("the source's answer is to another link code")
        known = KnownLink(source=message.source, begins=message.begins)
        self._device.save(lambda state: state.with_link(start.link, known))
        attach = Attach(iat=self._now(), link=start.link, receipt=answer)
        self._post("/v1/holder/links", attach.signed(self._key))

    def open_links(self) -> list[OwnLink]:
        """Return every link's records, and its closes recomputed from them.

        Raises:
            BadTotal, BadSeal: a close does not say what its records add up to.
        """
        known = self._device.state.links.items()
        return [
            open_link(self._wire, self._root, bytes.fromhex(link), entry.source, self._release)
            for link, entry in known
        ]

    def _release(self, name: str) -> Methodology:
        release = load_release(name)
        release_fits(self.directory.release(name), release.file)
        return release

    def unlink(self, link: bytes) -> None:
        """End a link: its source sends no more, and months from now on are absent."""
        unlink = Unlink(iat=self._now(), link=link)
        self._post(f"/v1/holder/links/{link.hex()}/unlink", unlink.signed(self._key))

    def reject(self, link: bytes, close: str) -> None:
        """Say that a close does not open: its month becomes absent.

        Raises:
            BadTotal: it does open, so that there is nothing to reject.
        """
        check_unreadable(keys.stream_key(self._root, link), close)
        reject = Reject(iat=self._now(), close=text_hash(close))
        self._post(f"/v1/holder/links/{link.hex()}/reject", reject.signed(self._key))

    # Consent

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

    def link_facts(self) -> list[LinkFact]:
        """Return every link ever attached: its source's organisation and which months it has."""
        facts = []
        for name, known in self._device.state.links.items():
            link = bytes.fromhex(name)
            endings = fetch_endings(
                self._wire, self.directory, self._key.public, link, known.source
            )
            facts.append(
                LinkFact(
                    link,
                    self.directory.org_of(known.source),
                    known.begins,
                    frozenset(endings.absent),
                    endings.ends,
                )
            )
        return facts

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

    def grants(self) -> list[OwnGrant]:
        """Return every grant of this vault and its state."""
        body = self._wire.get("/v1/holder/grants").body
        return [self._own_grant(item) for item in objects_of(body, "grants")]

    def _own_grant(self, item: Mapping[str, Json]) -> OwnGrant:
        envelope = read_envelope(text_of(item, "grant"), Grant.typ)
        grant = Grant.opened(envelope)
        envelope.verify(keys.consent_key(self._root, grant.org).public)
        count = item.get("n")
        if not isinstance(count, int):
            raise BadShape("the vault lists a grant without its count n")
        return OwnGrant(grant, text_of(item, "state"), count)

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

    def _post(self, path: str, text: str) -> None:
        answer = self._wire.post(path, text).body
        check_logged(self.directory, text, text_of(answer, "proof"))


def recover(code: str, wire: Wire) -> Root:
    """Return the root that a recovery code wraps; `wire` needs no key.

    Raises:
        BadCode, BadSeal, NotFound: mistyped, or no such wrap.
    """
    secret = keys.read_code(code)
    body = wire.get(f"/v1/wraps/{keys.wrap_id(secret).hex()}").body
    return keys.unwrap_root(secret, unb64u(text_of(body, "blob")))
