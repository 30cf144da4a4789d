"""Which totals are ``audited``: a signed report must cover the release, in the report's own tree.

Each refusal stands beside the same report as it was meant, which is taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.auditor import Auditor
from consent.demo.cast import AUDITOR, BANK, CITY, VAULT, compose
from consent.log.proof import Logged
from consent.messages import AuditReport, Grant
from consent.platform import Platform, Proofs, Rechecked, Total
from consent.policy import Policy
from consent.reports import OWN_PLACE, Audit, check_judged, open_report
from tests.listing import NOW, listing, signed, with_party
from tests.test_commands import Town, run
from tests.world import EAST, FEB, JAN, MAR, Person, World
from vault.crypto.keys import SigningKey
from vault.encoding import read_envelope, unb64u
from vault.errors import (
    BadFile,
    BadJws,
    BadProof,
    BadTotal,
    BadType,
    UnknownKey,
    VaultError,
)
from vault.messages import KeyTime, Party
from vault.months import Grams
from vault.wire import Wire

STRANGER = SigningKey(b"\x61" * 32)
WHOLE = ("root", "shrunk", "forked", "leaf", "witness", "something new")


@dataclass
class Story:
    """A person, a city that keeps its proofs, and a total that the vault alone vouches for."""

    world: World
    ann: Person
    grant: Grant
    folder: Path

    def __post_init__(self) -> None:
        self.city = self.platform(CITY)
        self.total = self.city.total(self.grant.grant, (JAN,))

    def platform(self, name: str) -> Platform:
        plain = self.world.platform(name)
        wire, policy = self.world.wire(plain.identity.key), self.world.policy
        proofs = Proofs(self.folder / name)
        return Platform(plain.identity, wire, policy, self.world.now, proofs=proofs)

    @property
    def proofs(self) -> Proofs:
        return Proofs(self.folder / CITY)

    def recheck(self) -> list[Rechecked]:
        return list(self.proofs.recheck(self.city.identity, self.world.policy))

    def report(self) -> AuditReport:
        """What the auditor says now, not yet signed."""
        auditor = self.world.auditor()
        text = auditor.report(auditor.audit(), self.world.time)
        return AuditReport.opened(read_envelope(text, AuditReport.typ))

    def signed(self, **changed: object) -> str:
        """The auditor's report with these members changed."""
        return self.report().model_copy(update=changed).signed(self.world.cast.auditor)

    def refused(
        self, report: str, wanted: type[VaultError] = BadProof, match: str | None = None
    ) -> None:
        with pytest.raises(wanted, match=match):
            self.city.audited(self.total, report)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with World() as world:
        ann = world.person("ann", EAST)
        grant = world.allow(ann, CITY)
        world.ride(ann, EAST, 5_000)
        world.close_month(JAN)
        yield Story(world, ann, grant, tmp_path)


# What is audited


def test_a_covered_total_is_audited_and_stays_so_without_a_network(story: Story) -> None:
    assert story.total.checked == "vault"
    found = story.city.audited(story.total, story.signed())
    assert found == replace(story.total, checked="audited")
    story.world.time = 0  # nothing is asked of any clock
    assert [one.total for one in story.recheck()] == [found]


def test_a_total_that_its_sources_vouch_for_stays_so(story: Story) -> None:
    loan = story.world.allow(story.ann, BANK, first=JAN, last=MAR)
    for month in (FEB, MAR):
        story.world.close_month(month)
    bank = story.platform(BANK)
    total = bank.total(loan.grant, (JAN, FEB, MAR))
    assert bank.audited(total, story.signed()) == total
    assert total.checked == "sources"


def test_a_report_of_a_later_and_larger_tree_covers_it_too(story: Story) -> None:
    for n in range(300):  # the tree grows over its first full tile
        story.world.person(f"p{n}")
    report = story.report()
    assert report.to > 300
    audited = story.city.audited(story.total, report.signed(story.world.cast.auditor))
    assert audited.checked == "audited"


def test_a_listed_key_of_an_auditor_signs_reports_too(story: Story) -> None:
    world = story.world
    listing = compose(world.cast, world.edition())
    other = next(one for one in listing.entries if one.id == AUDITOR)
    second = other.model_copy(
        update={
            "id": "second.demo",
            "org": "second.demo",
            "sig": (other.sig[0].model_copy(update={"pk": STRANGER.public}),),
            "hpke": (),
        }
    )
    report = story.report()
    story.refused(report.signed(STRANGER), UnknownKey)
    world.auditor().publish(listing.model_copy(update={"entries": (*listing.entries, second)}))
    story.city = story.platform(CITY)
    assert story.city.audited(story.total, report.signed(STRANGER)).checked == "audited"
    late = report.model_copy(update={"iat": other.sig[0].until})
    story.refused(late.signed(STRANGER), UnknownKey)
    assert [one.total and one.total.checked for one in story.recheck()] == ["audited"]


# What is not


def test_a_report_that_another_key_signed_is_refused(story: Story) -> None:
    report = story.report()
    for key in (STRANGER, story.city.identity.key, story.world.place.vault_key):
        story.refused(report.signed(key), UnknownKey)
    genuine = report.signed(story.world.cast.auditor)
    head, _, signature = genuine.split(".")
    other = story.signed(to=report.to + 1).split(".")[1]
    story.refused(".".join([head, other, signature]), BadJws)
    story.refused(story.total.release, BadType)
    assert story.city.audited(story.total, genuine).checked == "audited"


def test_a_finding_at_the_release_or_about_the_whole_log_is_refused(story: Story) -> None:
    index, report = story.total.place.index, story.report()
    story.refused(story.signed(findings=((index, "release"),)), match="at the release's index")
    for rule in WHOLE:
        story.refused(story.signed(findings=((0, rule),)), match="whole log")
    # Where no entry of the report stands, it is about more than one.
    story.refused(story.signed(findings=((report.to, "release"),)), match="whole log")
    # The control: another entry's finding does not touch this one.
    story.world.person("bob")
    beside = story.signed(findings=((index - 1, "close"), (index + 1, "at")))
    assert story.city.audited(story.total, beside).checked == "audited"


def test_an_entry_the_auditor_never_saw_is_refused(story: Story) -> None:
    index = story.total.place.index
    story.refused(story.signed(unseen=(index,)), match="never saw")
    beside = story.signed(unseen=(index - 1,))
    assert story.city.audited(story.total, beside).checked == "audited"


def test_a_report_from_before_the_release_is_refused(story: Story) -> None:
    before = story.signed()
    story.world.ride(story.ann, EAST, 1_000)
    story.world.close_month(FEB)
    later = story.city.total(story.grant.grant, (FEB,))
    assert later.place.index >= story.report().to - 1
    with pytest.raises(BadProof, match="covers the entries"):
        story.city.audited(later, before)
    assert story.city.audited(later, story.signed()).checked == "audited"
    assert story.city.audited(story.total, before).checked == "audited"
    story.refused(story.signed(begins=story.total.place.index + 1), match="covers the entries")


def test_a_report_of_another_tree_is_refused(story: Story) -> None:
    report = story.report()
    story.refused(story.signed(root=b"\x01" * 32), match="does not lead to the root")
    story.refused(story.signed(to=report.to - 1), match="covers the entries")
    story.refused(story.signed(to=report.to + 300), match="serves no tile")
    story.world.person("bob")
    larger, key = report.model_copy(update={"to": report.to + 1}), story.world.cast.auditor
    story.refused(larger.signed(key), match="does not lead to the root")
    assert story.city.audited(story.total, report.signed(key)).checked == "audited"


def test_a_report_of_a_fork_is_refused(story: Story, tmp_path: Path) -> None:
    """The auditor was shown another history than the platform, of the same size and same keys.

    The vault serves the tiles of either; none leads from this release to the auditor's root. The
    control is that history's own release, which its auditor covers.
    """
    with World() as other:
        ann = other.person("ann", EAST)
        grant = other.allow(ann, CITY)
        other.ride(ann, EAST, 5_000)
        other.time += 1  # all that follows is a second later
        other.close_month(JAN)
        fork = Story(other, ann, grant, tmp_path / "fork")
        report = fork.signed()
        assert fork.report().to == story.report().to
        assert fork.city.audited(fork.total, report).checked == "audited"
        story.refused(report, match="does not lead to the root")
        shown = Audit(report, story.world.directory(), other.wire().raw)
        with pytest.raises(BadProof, match="does not lead to the root"):
            shown.cover(story.total)


def test_an_audit_by_the_vaults_own_organisation_marks_nothing(story: Story) -> None:
    world = story.world
    listing = compose(world.cast, world.edition())
    own = tuple(
        one.model_copy(update={"org": AUDITOR}) if one.id == VAULT else one
        for one in listing.entries
    )
    report = story.signed()
    same = replace(world.directory(), listing=listing.model_copy(update={"entries": own}))
    assert same.self_audited
    with pytest.raises(BadProof, match="not independent"):
        Audit(report, same, world.wire().raw)
    Audit(report, world.directory(), world.wire().raw)


def place(index: int) -> Total:
    blank = Logged(index, 0, index + 1, b"", (), "")
    return Total(Grams(0), (JAN,), "", (), (), "", "", "", blank, "vault")


@given(
    index=st.integers(0, 12),
    to=st.integers(0, 12),
    findings=st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from([*sorted(OWN_PLACE), *WHOLE])), max_size=4
    ),
    unseen=st.sets(st.integers(0, 12), max_size=4),
)
def test_a_release_is_judged_well_exactly_when_nothing_touches_it(
    index: int, to: int, findings: list[tuple[int, str]], unseen: set[int]
) -> None:
    report = AuditReport.model_validate(
        {
            "iat": 0,
            "from": 0,
            "to": to,
            "root": "00" * 32,
            "findings": tuple(findings),
            "unseen": tuple(sorted(unseen)),
        }
    )
    touched = any(at == index or at >= to or rule in WHOLE for at, rule in findings)
    if index < to and not touched and index not in unseen:
        check_judged(report, place(index))
    else:
        with pytest.raises(BadProof):
            check_judged(report, place(index))


# What is kept


def kept_file(story: Story) -> Path:
    [found] = (story.folder / CITY).glob("*/*.json")
    return found


def test_asking_again_keeps_what_the_report_showed(story: Story) -> None:
    story.city.audited(story.total, story.signed())
    story.world.person("bob")
    again = story.city.total(story.grant.grant, (JAN,))
    assert again.proof != story.total.proof  # of a larger tree
    [found] = story.recheck()
    assert found.total == replace(again, checked="audited")


def test_what_is_kept_of_another_report_or_release_is_refused(story: Story) -> None:
    story.city.audited(story.total, story.signed())
    file = kept_file(story)
    good = json.loads(file.read_bytes())
    bad: list[dict[str, object]] = [
        {"path": []},
        {"path": ["AA=="]},
        {"path": 1},
        {"report": story.report().signed(STRANGER)},
        {"report": story.signed(findings=((story.total.place.index, "release"),))},
        {"directory": good["audited"]["report"]},
        {"more": 1},
    ]
    for changed in bad:
        file.write_text(json.dumps({**good, "audited": {**good["audited"], **changed}}))
        [found] = story.recheck()
        assert found.total is None, changed
    file.write_text(json.dumps(good))
    assert [one.error for one in story.recheck()] == [None]


def test_a_damaged_file_stops_no_other(story: Story) -> None:
    story.world.ride(story.ann, EAST, 1_000)
    story.world.close_month(FEB)
    story.city.total(story.grant.grant, (FEB,))
    files = sorted((story.folder / CITY).glob("*/*.json"))
    assert len(files) == 2
    whole = files[0].read_bytes()
    names = [f"{file.parent.name}/{file.name}" for file in files]
    for damaged, wanted in (
        (whole[:-1], BadFile),
        (b"{}", BadFile),
        (whole.replace(b'"answer":{', b'"answer":[],"more":{'), BadFile),
        (whole.replace(b'"2026-0', b'"2027-0', 1), BadTotal),
    ):
        files[0].write_bytes(damaged)
        broken, good = story.recheck()
        assert (broken.name, good.name) == (names[0], names[1])
        assert broken.total is None
        assert isinstance(broken.error, wanted)
        assert good.total is not None
    files[0].write_bytes(whole)
    assert [one.error for one in story.recheck()] == [None, None]


def test_a_report_marks_every_kept_total_that_it_covers(story: Story) -> None:
    before = story.signed()
    story.world.ride(story.ann, EAST, 1_000)
    story.world.close_month(FEB)
    story.city.total(story.grant.grant, (FEB,))
    (story.folder / CITY / story.grant.grant.hex() / "damaged.json").write_bytes(b"{}")
    found = list(story.city.audit_kept(before))
    assert sorted(told(one) for one in found) == [
        ("", "bad-file"),
        ("audited", ""),
        ("vault", "bad-proof"),
    ]
    assert sorted(told(one) for one in story.city.audit_kept(story.signed())) == [
        ("", "bad-file"),
        ("audited", ""),
        ("audited", ""),
    ]
    with pytest.raises(UnknownKey):
        list(story.city.audit_kept(story.report().signed(STRANGER)))


def told(one: Rechecked) -> tuple[str, str]:
    return one.total.checked if one.total else "", one.error.slug if one.error else ""


def test_a_total_whose_proof_was_deleted_is_not_kept_again(story: Story) -> None:
    assert story.proofs.forget(story.grant.grant) == 1
    story.refused(story.signed(), BadFile)
    assert story.recheck() == []


# The command line


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    try:
        town.publish()
        yield town
    finally:
        town.stop()


def test_a_platform_holds_a_report_against_what_it_kept(town: Town) -> None:
    town.join()
    town.ride(5_000)
    grant, bank = town.allow(), town["platform"]
    town.settle(JAN, FEB)
    key = SigningKey(bytes.fromhex((town["auditor"] / "auditor.key").read_text().strip()))
    policy = Policy(unb64u(town.auditor, 32), town.vkey, demo=True)
    auditor, report = Auditor(key, Wire(town.url, key), policy), town["report.jws"]
    report.write_text(auditor.report(auditor.audit(), town.time) + "\n", encoding="ascii")

    ask = ["platform", "total", bank, grant, JAN]
    said = run(*ask, "--keep", "--json")
    assert "No witness" in said.err
    assert json.loads(said.out)["checked"] == "vault"
    # Asked for before its release was logged, the report does not cover it.
    assert "bad-proof" in town.refused(*ask, "--report", report)
    assert "bad-proof" in run("platform", "audited", bank, report).out
    report.write_text(auditor.report(auditor.audit(), town.time) + "\n", encoding="ascii")
    assert town.do(*ask, "--report", report)["checked"] == "audited"
    assert "checked against: audited" in run("platform", "audited", bank, report).out
    told = town.do("platform", "audited", bank, report)
    assert (told["checked"], told["witnesses"], "error" in told) == ("audited", [], False)
    asks = town["asks.jsonl"]
    line = json.dumps({"grant": grant, "window": JAN})
    asks.write_text(f"{line}\n{line}\n", encoding="ascii")
    assert run("platform", "totals", bank, asks, "--json").err.count("No witness") == 1
    report.write_text("grün", encoding="utf-8")
    assert "bad-file" in town.refused("platform", "audited", bank, report)
    assert town.do("platform", "forget", bank, grant) == {"deleted": 1}
    assert town.do("platform", "forget", bank, grant) == {"deleted": 0}


def test_a_key_that_was_handed_over_signs_no_report_any_more() -> None:
    """The pinned key too: who took over ends it in the directory, for all that comes later."""
    old, new = SigningKey(b"\x62" * 32), SigningKey(b"\x63" * 32)
    entry = Party(
        id="audit.example",
        org="audit.example",
        name="Audit",
        roles=("auditor",),
        sig=(KeyTime(pk=old.public, begins=0, until=NOW),),
        hpke=(),
    )
    directory = signed(with_party(listing(), entry), new)
    report = AuditReport(iat=NOW - 1, begins=0, to=1, root=bytes(32), findings=(), unseen=())
    assert open_report(report.signed(old), directory) == report
    late = report.model_copy(update={"iat": NOW})
    with pytest.raises(UnknownKey, match="not valid then"):
        open_report(late.signed(old), directory)
    assert open_report(late.signed(new), directory) == late
