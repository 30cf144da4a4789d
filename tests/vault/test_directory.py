from __future__ import annotations

from hashlib import sha256

import pytest

from tests.listing import (
    AUDITOR,
    DAY,
    K_NET,
    NOW,
    OPENING,
    SIGNING,
    listing,
    party,
    signed,
    with_party,
)
from vault.crypto.keys import SigningKey
from vault.directory import (
    LONGEST_LIFE,
    Directory,
    accept_directory,
    check_link,
    check_successor,
    read_directory,
    release_fits,
)
from vault.encoding import sign_jws, thumbprint
from vault.errors import (
    BadDirectory,
    BadJws,
    BadPoint,
    BadSeal,
    BadShape,
    BadType,
    NotFound,
    UnknownKey,
)
from vault.messages import ClosedLog, KeyTime, Link, Listing
from vault.months import Month

FIRST = signed(listing())
NEXT = SigningKey(b"\x17" * 32)
LATER = SigningKey(b"\x18" * 32)
STRANGER = SigningKey(b"\x19" * 32)


def following(held: Directory, **changes: object) -> Listing:
    """The next version, with these members changed."""
    names = {"version": held.listing.version + 1, "prev": held.hash, **changes}
    return listing().model_copy(update=names)


def accept(found: Listing, held: Directory | None = FIRST, key: SigningKey = AUDITOR) -> Directory:
    return accept_directory(found.signed(key), AUDITOR.public, held, NOW, demo=False)


class TestReading:
    def test_gives_what_the_auditor_signed(self) -> None:
        assert FIRST.listing == listing().model_copy(update={"knet": FIRST.listing.knet})
        assert FIRST.hash == sha256(FIRST.text.encode()).digest()

    def test_under_another_key_is_refused(self) -> None:
        with pytest.raises(BadJws):
            read_directory(FIRST.text, STRANGER.public)

    def test_of_another_type_is_refused(self) -> None:
        with pytest.raises(BadType):
            read_directory(sign_jws("cv1-close", {}, AUDITOR), AUDITOR.public)

    def test_of_a_party_listed_twice_is_refused(self) -> None:
        twice = listing().model_copy(
            update={"entries": (*listing().entries, party("bank.example"))}
        )
        with pytest.raises(BadDirectory, match="party"):
            signed(twice)

    def test_of_a_signing_key_listed_twice_is_refused(self) -> None:
        stolen = party("bank.example").model_copy(update={"sig": party("city.example").sig})
        with pytest.raises(BadDirectory, match="key"):
            signed(with_party(listing(), stolen))

    def test_of_a_signing_key_of_small_order_is_refused(self) -> None:
        weak = KeyTime(pk=b"\1" + bytes(31), begins=0, until=NOW)
        with pytest.raises(BadPoint):
            signed(with_party(listing(), party("bank.example").model_copy(update={"sig": (weak,)})))

    def test_of_the_vaults_organisation_as_source_is_refused(self) -> None:
        own = party("bike.example").model_copy(update={"org": "vault.example"})
        with pytest.raises(BadDirectory, match="source"):
            signed(with_party(listing(), own))

    @pytest.mark.parametrize("vault", ["gone.example", "bank.example"])
    def test_of_a_vault_that_is_not_listed_as_one_is_refused(self, vault: str) -> None:
        with pytest.raises(BadDirectory, match="vault"):
            signed(listing().model_copy(update={"vault": vault}))

    @pytest.mark.parametrize("zone", ["Nowhere/Else", "", "../UTC"])
    def test_of_a_zone_that_does_not_exist_is_refused(self, zone: str) -> None:
        with pytest.raises(BadDirectory, match="zone"):
            signed(listing().model_copy(update={"zone": zone}))


class TestAccepting:
    def test_first_and_following_versions_are_taken(self) -> None:
        held = accept(listing(), held=None)
        assert accept(following(held), held).listing.version == 2

    def test_the_held_one_is_taken_again(self) -> None:
        text = FIRST.text
        assert accept_directory(text, AUDITOR.public, FIRST, NOW, demo=False).text == text

    def test_another_signer_is_refused(self) -> None:
        for held in (None, FIRST):
            with pytest.raises(BadDirectory, match="signed"):
                accept(following(FIRST), held, STRANGER)

    @pytest.mark.parametrize(
        "text", ["", "a.b.c", FIRST.text + "A", sign_jws("cv1-x", {}, AUDITOR)]
    )
    def test_what_is_no_directory_is_refused(self, text: str) -> None:
        with pytest.raises(BadDirectory):
            accept_directory(text, AUDITOR.public, None, NOW, demo=False)

    @pytest.mark.parametrize("expires", [NOW - 1, NOW, 0])
    def test_expired_is_refused(self, expires: int) -> None:
        with pytest.raises(BadDirectory, match="expired"):
            accept(listing().model_copy(update={"expires": expires}), held=None)

    def test_life_of_45_days_is_taken_and_one_second_more_is_refused(self) -> None:
        longest = NOW + LONGEST_LIFE
        assert longest == NOW + 45 * DAY
        accept(listing().model_copy(update={"expires": longest}), held=None)
        with pytest.raises(BadDirectory, match="long"):
            accept(listing().model_copy(update={"expires": longest + 1}), held=None)

    def test_rollback_is_refused(self) -> None:
        second = accept(following(FIRST))
        with pytest.raises(BadDirectory, match="version"):
            accept(listing(), held=second)

    def test_fork_of_the_held_version_is_refused(self) -> None:
        with pytest.raises(BadDirectory, match="version"):
            accept(listing().model_copy(update={"expires": NOW + DAY}))

    def test_next_version_with_another_prev_is_refused(self) -> None:
        with pytest.raises(BadDirectory, match="prev"):
            accept(following(FIRST, prev=bytes(32)))

    def test_later_version_may_be_taken_without_the_ones_between(self) -> None:
        assert accept(following(FIRST, version=5, prev=bytes(32))).listing.version == 5

    def test_changed_organisation_is_refused(self) -> None:
        moved = party("bank.example").model_copy(update={"org": "city.example"})
        for version in (2, 7):
            with pytest.raises(BadDirectory, match="organisation"):
                accept(with_party(following(FIRST, version=version), moved))

    def test_a_new_party_is_taken_and_none_leaves(self) -> None:
        new = party("bank.example").model_copy(
            update={"id": "new.example", "org": "new.example", "sig": (), "hpke": ()}
        )
        second = accept(with_party(following(FIRST), new))
        assert second.party("new.example")
        with pytest.raises(BadDirectory, match="left"):
            accept(following(second), second)

    def test_a_key_ends_by_its_until_and_never_leaves(self) -> None:
        bank = party("bank.example")
        (key,) = bank.sig
        ended = bank.model_copy(update={"sig": (key.model_copy(update={"until": NOW}),)})
        second = accept(with_party(following(FIRST), ended))
        with pytest.raises(UnknownKey):
            second.signer(thumbprint(key.pk), "platform", NOW)
        with pytest.raises(BadDirectory, match="key"):
            accept(with_party(following(FIRST), bank.model_copy(update={"sig": ()})))

    def test_changed_zone_or_vault_is_refused(self) -> None:
        with pytest.raises(BadDirectory, match="zone"):
            accept(following(FIRST, zone="UTC"))
        other = party("bank.example").model_copy(update={"roles": ("vault",)})
        with pytest.raises(BadDirectory, match="vault"):
            accept(with_party(following(FIRST, vault="bank.example"), other))

    def test_demo_is_refused_unless_asked_for(self) -> None:
        text = listing().model_copy(update={"demo": True}).signed(AUDITOR)
        with pytest.raises(BadDirectory, match="demonstration"):
            accept_directory(text, AUDITOR.public, None, NOW, demo=False)
        assert accept_directory(text, AUDITOR.public, None, NOW, demo=True).listing.demo


class TestNextAuditor:
    NAMING = signed(following(FIRST, next=NEXT.public))

    def test_signs_once_the_held_directory_names_it(self) -> None:
        with pytest.raises(BadDirectory):
            accept(following(FIRST), FIRST, NEXT)
        assert accept(following(self.NAMING), self.NAMING, NEXT).signer_key == NEXT.public

    def test_goes_on_signing_after_it_signed_once(self) -> None:
        third = accept(following(self.NAMING, next=None), self.NAMING, NEXT)
        assert accept(following(third), third, NEXT).listing.version == 4

    def test_names_the_one_after_it(self) -> None:
        third = accept(following(self.NAMING, next=LATER.public), self.NAMING, NEXT)
        fourth = accept(following(third), third, LATER)
        assert fourth.signer_key == LATER.public
        with pytest.raises(BadDirectory):
            accept(following(fourth), fourth, STRANGER)

    def test_does_not_vouch_for_itself(self) -> None:
        with pytest.raises(BadDirectory):
            accept(following(FIRST, next=STRANGER.public), FIRST, STRANGER)


class TestKeys:
    def test_signer_is_the_party_of_that_role(self) -> None:
        kid = thumbprint(SIGNING["bike.example"].public)
        found, public = FIRST.signer(kid, "source", NOW)
        assert (found.id, public) == ("bike.example", SIGNING["bike.example"].public)

    def test_signer_of_another_role_or_unknown_is_refused(self) -> None:
        kid = thumbprint(SIGNING["bike.example"].public)
        for asked, role in ((kid, "platform"), (kid, ""), ("A" * 43, "source")):
            with pytest.raises(UnknownKey):
                FIRST.signer(asked, role, NOW)

    def test_signer_is_valid_from_its_first_second_and_not_at_until(self) -> None:
        kid = thumbprint(SIGNING["bike.example"].public)
        key = party("bike.example").sig[0]
        for at in (key.begins, key.until - 1):
            assert FIRST.signer(kid, "source", at)
        for at in (key.begins - 1, key.until):
            with pytest.raises(UnknownKey):
                FIRST.signer(kid, "source", at)

    def test_signer_within_a_span_needs_one_second_of_validity(self) -> None:
        kid = thumbprint(SIGNING["bike.example"].public)
        key = party("bike.example").sig[0]
        for span in ((key.begins - 9, key.begins + 1), (key.until - 1, key.until + 9)):
            assert FIRST.signer_within(kid, "source", *span)
        for span in ((key.begins - 9, key.begins), (key.until, key.until + 9)):
            with pytest.raises(UnknownKey):
                FIRST.signer_within(kid, "source", *span)

    def test_old_signing_key_stays_known_beside_the_new_one(self) -> None:
        old = party("bike.example").sig[0].model_copy(update={"until": NOW})
        new = KeyTime(pk=STRANGER.public, begins=NOW, until=NOW + DAY)
        changed = party("bike.example").model_copy(update={"sig": (old, new)})
        found = signed(with_party(listing(), changed))
        assert found.signer(thumbprint(old.pk), "source", NOW - 1)[1] == old.pk
        assert found.signer(thumbprint(new.pk), "source", NOW)[1] == new.pk
        with pytest.raises(UnknownKey):
            found.signer(thumbprint(old.pk), "source", NOW)

    def test_sealing_key_is_the_last_one_valid_now(self) -> None:
        keys = tuple(
            KeyTime(pk=bytes([number]) * 32, begins=begins, until=until)
            for number, begins, until in (
                (1, NOW - DAY, NOW + DAY),
                (2, NOW - DAY, NOW + 2 * DAY),
                (3, NOW + DAY, NOW + 3 * DAY),
            )
        )
        changed = party("city.example").model_copy(update={"hpke": keys})
        found = signed(with_party(listing(), changed))
        at = (NOW - DAY, NOW, NOW + DAY, NOW + 2 * DAY)
        assert [found.sealing_key("city.example", t)[0] for t in at] == [2, 2, 3, 3]
        for outside in (NOW - DAY - 1, NOW + 3 * DAY):
            with pytest.raises(UnknownKey):
                found.sealing_key("city.example", outside)

    def test_vault_key_is_only_this_vaults(self) -> None:
        kid = thumbprint(SIGNING["vault.example"].public)
        assert FIRST.vault_key(kid, NOW) == SIGNING["vault.example"].public
        second = party("bank.example").model_copy(update={"roles": ("vault",)})
        found = signed(with_party(listing(), second))
        with pytest.raises(UnknownKey):
            found.vault_key(thumbprint(SIGNING["bank.example"].public), NOW)

    def test_year_key_opens_for_its_source_and_year(self) -> None:
        keys = (OPENING["bike.example"],)
        assert FIRST.year_key("bike.example", 2026, keys) == K_NET
        for source, year in (("bike.example", 2025), ("city.example", 2026)):
            with pytest.raises(NotFound):
                FIRST.year_key(source, year, keys)
        with pytest.raises(BadSeal):
            FIRST.year_key("bike.example", 2026, (OPENING["city.example"],))

    def test_year_key_moved_to_another_year_does_not_open(self) -> None:
        moved = FIRST.listing.knet[0].model_copy(update={"year": 2025})
        found = signed(listing().model_copy(update={"knet": (moved,)}))
        with pytest.raises(BadSeal):
            found.year_key("bike.example", 2025, (OPENING["bike.example"],))


class TestParties:
    def test_unknown_party_is_not_found(self) -> None:
        for ask in (FIRST.party, FIRST.org_of):
            with pytest.raises(NotFound):
                ask("gone.example")

    def test_vault_and_auditor_of_one_organisation_are_told(self) -> None:
        assert not FIRST.self_audited
        own = party("vault.example").model_copy(update={"roles": ("vault", "auditor")})
        assert signed(with_party(listing(), own)).self_audited

    def test_release_in_force_is_the_last_begun(self) -> None:
        found = [
            FIRST.release_for(Month(m)).id for m in ("2026-01", "2026-03", "2026-04", "2030-01")
        ]
        assert found == ["2026-1", "2026-1", "2026-2", "2026-2"]
        with pytest.raises(NotFound):
            FIRST.release_for(Month("2025-12"))

    def test_two_releases_from_one_month_leave_the_later_in_force(self) -> None:
        again = listing().releases[1].model_copy(update={"id": "2026-2b"})
        found = signed(listing().model_copy(update={"releases": (*listing().releases, again)}))
        assert found.release_for(Month("2026-05")).id == "2026-2b"
        assert found.release("2026-2").id == "2026-2"
        with pytest.raises(NotFound):
            found.release("2027-1")

    def test_release_file_is_known_by_its_hash(self) -> None:
        entry = listing().releases[0].model_copy(update={"sha256": sha256(b"file").digest()})
        release_fits(entry, b"file")
        with pytest.raises(BadDirectory):
            release_fits(entry, b"another")

    def test_months_turn_in_the_directorys_zone(self) -> None:
        assert FIRST.month_at(NOW - 8 * 3600) == "2026-01"
        assert FIRST.month_at(NOW - 8 * 3600 - 1) == "2025-12"


class TestLinkAnswer:
    LINK = Link(
        iat=NOW, link=b"\1" * 16, source="bike.example", msg=bytes(32), begins=Month("2026-01")
    )

    def test_is_taken_from_its_source(self) -> None:
        assert check_link(self.LINK.signed(SIGNING["bike.example"]), FIRST, NOW) == self.LINK

    def test_in_the_name_of_another_source_is_refused(self) -> None:
        other = self.LINK.model_copy(update={"source": "city.example"})
        with pytest.raises(BadShape):
            check_link(other.signed(SIGNING["bike.example"]), FIRST, NOW)

    def test_of_a_party_that_is_no_source_is_refused(self) -> None:
        with pytest.raises(UnknownKey):
            check_link(self.LINK.signed(SIGNING["city.example"]), FIRST, NOW)


class TestLogs:
    """A log goes on, or turns: the very next version names the next one, and it stays listed."""

    OLD = FIRST.listing.log
    NEW = OLD.model_copy(update={"origin": "vault.example/log/2027", "vkey": "second"})
    CLOSED = ClosedLog.model_validate({**dict(OLD), "size": 9, "root": b"\x01" * 32})

    def turn(self) -> Directory:
        return signed(following(FIRST, log=self.NEW))

    def closed(self) -> Directory:
        return signed(following(self.turn(), log=self.NEW, earlier=(self.CLOSED,)))

    def test_turns_with_one_version_and_ends_with_the_next(self) -> None:
        turn = self.turn()
        closed = signed(following(turn, log=self.NEW, earlier=(self.CLOSED,)))
        check_successor(FIRST, turn)
        check_successor(turn, closed)
        assert (turn.base, closed.base) == (0, 9)

    def test_who_missed_the_turn_finds_the_log_they_held_among_the_ended(self) -> None:
        check_successor(FIRST, self.closed())
        lost = signed(following(self.turn(), log=self.NEW))
        with pytest.raises(BadDirectory, match="neither the one that goes on nor"):
            check_successor(FIRST, lost)

    @pytest.mark.parametrize(
        "earlier",
        [
            None,
            (CLOSED.model_copy(update={"root": b"\x02" * 32}),),
            (CLOSED.model_copy(update={"size": 8}),),
            (CLOSED.model_copy(update={"vkey": "other"}),),
        ],
        ids=["left out", "another root", "shorter", "another log"],
    )
    def test_of_what_ended_nothing_changes(self, earlier: tuple[ClosedLog, ...] | None) -> None:
        held = self.closed()
        with pytest.raises(BadDirectory, match="left the directory, or changed"):
            check_successor(held, signed(following(held, log=self.NEW, earlier=earlier)))
        check_successor(held, signed(following(held, log=self.NEW, earlier=(self.CLOSED,))))

    def test_a_log_does_not_come_back(self) -> None:
        held = self.closed()
        with pytest.raises(BadDirectory, match="twice"):
            check_successor(held, signed(following(held, log=self.OLD, earlier=(self.CLOSED,))))
