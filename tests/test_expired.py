"""A directory that expired, and no newer one: what a holder may still do, and what nobody may.

The auditor may have lost its key. Stopping needs only that the vault proves it under the log and
keys that were accepted once; giving needs a directory in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pytest

from consent.demo.cast import BANK, CITY
from consent.holder import Holder
from consent.messages import Grant
from consent.side import Memory
from tests.test_hostile_vault import Between
from tests.world import EAST, JAN, WEST, Person, World, terms
from vault.errors import BadDirectory, BadProof
from vault.wire import Answer

DAY = 86_400


class Story(NamedTuple):
    world: World
    ann: Person
    grant: Grant

    def again(self, **known: object) -> Holder:
        """Open this person's side anew, with what their device kept; nothing when told so."""
        memory = self.ann.holder.memory
        kept = Memory(**{**vars(memory), **known})
        wire, world = self.world.wire(self.ann.holder._key), self.world
        holder = Holder(self.ann.root, wire, world.policy, world.now, world.random, kept)
        holder.load()
        return holder

    @property
    def state(self) -> str:
        (own,) = self.ann.holder.grants()
        return own.state


@pytest.fixture
def story() -> Iterator[Story]:
    with World() as world:
        ann = world.person("ann", EAST, WEST)
        grant = world.allow(ann, CITY)
        world.ride(ann, EAST, 5_000)
        world.close_month(JAN)
        yield Story(world, ann, grant)


@pytest.fixture(params=["running", "opened anew"])
def holder(story: Story, request: pytest.FixtureRequest) -> Holder:
    """The side of a person whose directory has expired, and no newer one is there."""
    story.world.time += 60 * DAY
    return story.ann.holder if request.param == "running" else story.again()


def test_a_grant_is_paused_and_stopped(story: Story, holder: Holder) -> None:
    holder.pause(story.grant)
    assert story.state == "paused"
    holder.stop(story.grant)
    assert story.state == "revoked"


def test_a_link_is_ended(story: Story, holder: Holder) -> None:
    holder.unlink(story.ann.links[EAST])
    holder.unlink(story.ann.links[WEST])
    story.world.publish()
    assert [fact.ends is None for fact in story.again().link_facts()] == [False, False]


def test_a_vault_is_erased(story: Story, holder: Holder) -> None:
    assert len(holder.grants()) == 1
    assert holder.erase().indexes
    assert holder.grants() == []


def test_ones_own_records_are_read(holder: Holder) -> None:
    found = {one.source: (len(one.batches), len(one.closes)) for one in holder.open_links()}
    assert found == {EAST: (1, 1), WEST: (1, 1)}  # who had no ride sends an empty batch


def test_nothing_is_given(story: Story, holder: Holder) -> None:
    holder.pause(story.grant)
    made = holder.memory.made
    acts: list[Callable[[], object]] = [
        lambda: holder.allow(terms(BANK), "en"),
        lambda: holder.mint(story.grant),
        lambda: holder.resume(story.grant),
        lambda: holder.start_link(EAST, b"\x01" * 16),
        lambda: holder.reject(story.ann.links[EAST], "…"),
        holder.link_facts,
        lambda: holder.directory,
        holder.refresh,
    ]
    for act in acts:
        with pytest.raises(BadDirectory, match="expired"):
            act()
    assert (holder.memory.made, story.state) == (made, "paused")
    # The control: with a newer directory all goes on.
    story.world.publish()
    holder.resume(story.grant)
    holder.mint(story.grant)
    assert story.state == "live"


def test_a_platform_has_no_total(story: Story) -> None:
    city = story.world.platform(CITY)
    story.world.time += 60 * DAY
    with pytest.raises(BadDirectory, match="expired"):
        city.total(story.grant.grant, (JAN,))
    story.world.publish()
    assert city.total(story.grant.grant, (JAN,)).grams == 243


def test_who_holds_no_directory_has_nothing_to_stop_by(story: Story) -> None:
    story.world.time += 60 * DAY
    with pytest.raises(BadDirectory, match="expired"):
        story.again(directory=None)


def test_a_stop_is_believed_only_with_its_proof(story: Story, holder: Holder) -> None:
    """The held directory is enough for that: what the vault answers is checked as ever."""
    real = holder._wire
    holder._wire = Lying(real)
    with pytest.raises(BadProof):
        holder.pause(story.grant)
    holder._wire = real
    holder.stop(story.grant)
    assert story.state == "revoked"


class Lying(Between):
    """A vault that answers a post with the proof of its directory."""

    def send(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        answer = super().send(method, path, body, headers)
        if method != "POST":
            return answer
        proof = self.get("/v1/directory").body["proof"]
        return Answer({**answer.body, "proof": proof}, answer.etag)
