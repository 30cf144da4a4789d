"""The SDK of a holder: open a vault, link sources, allow totals, stop (docs/protocol.md section 5).

    holder = Holder(root, wire, policy, now, random)
    holder.open_account(); code = holder.add_code()      # the recovery code, shown once
    start = holder.start_link("bike.example", nonce)     # start.code goes to the source
    holder.attach(start, answer)                         # the source's cv1-link
    grant = holder.allow(terms, "zh-CN")                 # consent/consents.py
    holder.mint(grant); holder.stop(grant)
    holder.watch().alarms                                # consent/activity.py
    holder.erase()

The app recomputes every close from its records, and checks each log proof.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

import httpx2

from consent.activity import (
    NOBODY_ASKED,
    Compared,
    Watched,
    ask_auditor,
    auditors_contact,
    watch,
)
from consent.decisions import Decisions
from consent.messages import (
    Erased,
)
from consent.monitor import Own
from consent.origin import Origin
from consent.recompute import check_unreadable
from consent.records import OwnLink, open_link
from consent.state import KnownLink, mark_reject
from vault.crypto import keys
from vault.crypto.keys import Root
from vault.crypto.seal import seal
from vault.directory import Directory, check_link, release_fits
from vault.encoding import compact_json, read_envelope, text_hash, unb64u
from vault.errors import (
    BadCode,
    BadMethodology,
    BadProof,
    BadShape,
    DifferentBytes,
    NotFound,
    Unlinked,
    Unsigned,
    VaultError,
)
from vault.messages import Account, Attach, Close, Erase, LinkCode, Reject, Unlink, link_info
from vault.methodology.release import Release as Methodology
from vault.methodology.release import load_release
from vault.months import add_months
from vault.wire import Wire, objects_of, text_of

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


class Holder(Decisions):
    """One person's side, standing on their root secret."""

    # The vault

    def open_account(self) -> None:
        """Make the account of this root at the vault; a second call changes nothing."""
        account = Account(
            iat=self._now(), pk=self._key.public, vault=self.directory.listing.vault, over14=True
        )
        with suppress(DifferentBytes):  # it stands already: its name is this very key
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
        body = self._post("/v1/holder", text, "DELETE")
        told = text_of(body, "erased")
        proof = text_of(body, "erased_proof")
        place = self._place_of(told, proof)
        envelope = read_envelope(told, Erased.typ)
        envelope.verify(self.held.vault_key(envelope.kid, place.at))
        erased = Erased.opened(envelope)
        if erased.erase != text_hash(text):
            raise BadShape("the vault logged the erasure of something else")
        return erased

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
            BadCode: an answer to another link code, or for other months than this one.
        """
        message = check_link(answer, self.directory, self._now())
        found = (message.source, message.link, message.msg)
        if found != (start.source, start.link, sha256(start.code).digest()):
            raise BadCode("the source's answer is to another link code")
        running = self.directory.month_at(self._now())
        if message.begins not in (running, add_months(running, -1)):
            raise BadCode(f"the source's answer begins in {message.begins}, it is {running}")
        known = KnownLink(source=message.source, begins=message.begins)
        attach = Attach(iat=self._now(), link=start.link, receipt=answer)
        self._record(attach, also=lambda state: state.with_link(start.link, known))
        try:
            self._post("/v1/holder/links", attach.signed(self._key))
        except DifferentBytes:
            self._check_own(start.link)  # attached by a call whose answer was lost

    def _check_own(self, link: bytes) -> None:
        body = self._wire.get("/v1/holder/links").body
        if link.hex() not in {text_of(item, "link") for item in objects_of(body, "links")}:
            raise DifferentBytes("this link is attached to another vault account")

    def unlink(self, link: bytes) -> None:
        """End a link: its source sends no more, and months from now on are absent.

        Raises:
            BadProof: the vault says that it has ended already, and shows nothing that ended it.
        """
        unlink = Unlink(iat=self._now(), link=link)
        self._record(unlink)
        try:
            self._post(f"/v1/holder/links/{link.hex()}/unlink", unlink.signed(self._key))
        except Unlinked as told:  # that is what was asked for, once it is proved
            known = self.known_links.get(link)
            if self._endings(link, known.source if known else "").ends is None:
                raise BadProof("the link has ended, by the vault's word alone") from told

    def reject(self, link: bytes, close: str) -> None:
        """Say that a close does not open: its month becomes absent.

        Raises:
            Unsigned: it is not the close of this link's source.
            BadTotal: it does open, so that there is nothing to reject.
            BadDirectory: the directory has expired.
        """
        self._origin(link, self.directory).check_close(close)
        check_unreadable(keys.stream_key(self._root, link), close)
        reject = Reject(iat=self._now(), close=text_hash(close))
        closed = Close.opened(read_envelope(close, Close.typ))
        self._record(mark_reject(link, closed.month))
        self._post(f"/v1/holder/links/{link.hex()}/reject", reject.signed(self._key))

    def open_links(self) -> list[OwnLink]:
        """Return every link's records, and its closes recomputed from them.

        One's own year reads also by a directory that has expired.

        Raises:
            Unsigned: the vault shows what it or the link's source should have signed, and did not.
            BadTotal, BadSeal: a close does not say what its records add up to.
            BadMethodology: the directory lists the release of a record no more.
        """
        try:
            return self._open_links()
        except Unsigned:  # or by a key that is newer than the directory held
            with suppress(VaultError):
                self._current.refresh()
            return self._open_links()

    def _open_links(self) -> list[OwnLink]:
        opened = []
        for link in self.known_links:
            origin = self._origin(link, self.held)
            with suppress(NotFound):  # never attached, or erased: nothing is there
                opened.append(open_link(self._wire, self._root, origin, self._release))
        return opened

    def _origin(self, link: bytes, directory: Directory) -> Origin:
        if link not in self.known_links:
            raise NotFound("no such link of yours")
        return Origin(directory, link, self.known_links[link].source)

    def watch(self, auditor_url: str | None = None, http: httpx2.Client | None = None) -> Watched:
        """Return all that the log holds of this person, checked, and what is wrong with it.

        Every proof and signature is checked, what no device of theirs did is named, and the list is
        compared with the auditor's; what was seen is kept on this device (`memory`).

        Args:
            auditor_url: where the auditor shows lists; None: the https contact that the directory
                gives for it, and where there is none the answer says "not compared".
            http: what carries requests to the auditor; None: connections of its own.

        Raises:
            Unreachable, BadShape, BadDirectory, BadProof: the vault shows no list, or is not to be
                trusted at all.
        """
        self.refresh()
        compared = self._ask_auditor(auditor_url, http)
        found, self._look = watch(self._wire, self._own_now, self.account, compared)
        for one in found.entries:
            if one.made in ("here", "elsewhere"):
                self._place(one.act, one.index)
        return found

    def _ask_auditor(self, url: str | None, http: httpx2.Client | None) -> Compared:
        auditor, contact = auditors_contact(self.directory)
        place = url or contact
        if place is None:
            return NOBODY_ASKED
        consents = (keys.consent_key(self._root, org) for org in self._device.state.orgs)
        return ask_auditor(
            auditor,
            lambda key: Wire(place, key, http, self._random),
            [self._key, *consents],
            self.directory,
        )

    def _own_now(self) -> Own:
        self._device.load()
        return Own(
            account=self._key.public,
            consent=lambda org: keys.consent_key(self._root, org).public,
            directory=self.directory,
            trust=self._current.policy.trust,
            state=self._device.state,
            made=self._made,
            look=self._look,
        )

    def _release(self, name: str) -> Methodology:
        release = load_release(name)
        try:
            listed = self.held.release(name)
        except NotFound as lost:  # of a link, not-found tells that nothing is there
            raise BadMethodology(f"the directory lists no methodology release {name}") from lost
        release_fits(listed, release.file)
        return release


def recover(code: str, wire: Wire) -> Root:
    """Return the root that a recovery code wraps; `wire` needs no key.

    Raises:
        BadCode, BadSeal, NotFound: mistyped, or no such wrap.
    """
    secret = keys.read_code(code)
    body = wire.get(f"/v1/wraps/{keys.wrap_id(secret).hex()}").body
    return keys.unwrap_root(secret, unb64u(text_of(body, "blob")))
