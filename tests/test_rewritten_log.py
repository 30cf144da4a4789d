"""A vault that rewrites its database: texts, leaves, the tree, its head; and what the audit says.

Each change with its control: the same change, and the check that finds it switched off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from consent.auditor import Auditor, Report
from consent.demo.cast import CITY
from consent.log import merkle, tiles
from consent.log.checkpoint import Checkpoint, sign_checkpoint
from consent.log.proof import leaf_data
from consent.replay import Finding
from tests.forger import edited, typ_of
from tests.switched import JUDGING, LINEAGE, RELEASES, REPLAY, Change, auditor_without, no
from tests.world import EAST, JAN, World
from vault import journal
from vault.errors import Refused
from vault.storage.database import Transaction


@dataclass(frozen=True)
class Story:
    """A world with a release and a refusal in its log, and where they stand."""

    world: World
    release: int
    refusal: int

    @property
    def size(self) -> int:
        return len(rows(self.world))

    def audit(self, kind: type[Auditor] = Auditor) -> Report:
        key = self.world.cast.auditor
        return kind(key, self.world.wire(key), self.world.policy).audit()


@pytest.fixture
def story() -> Iterator[Story]:
    with World() as world:
        ann = world.person("ann", EAST)
        grant = world.allow(ann, CITY)
        world.ride(ann, EAST, 5_000)
        world.close_month(JAN)
        world.platform(CITY).total(grant.grant, (JAN,))
        with pytest.raises(Refused):
            world.platform(CITY).total(grant.grant, (JAN,), "Advertising")
        kinds = [typ_of(row.text) for row in rows(world)]
        yield Story(world, kinds.index("release"), kinds.index("refusal"))


def rows(world: World) -> list[journal.Entry]:
    return world.database.read(lambda tx: journal.entries_from(tx, 0, 1000))


def change_text(world: World, index: int, **changed: str | int) -> None:
    """Let the vault say something else at an index, in its own texts only."""
    text = edited(rows(world)[index].text, world.place.vault_key, **changed)
    sql = "UPDATE journal SET text = ? WHERE position = ?"
    world.database.write(lambda tx: tx.run(sql, text, index))


def change_leaves(world: World) -> None:
    """Let the leaves be those of the texts."""
    leaves = [leaf_data(row.salt, row.at, row.text) for row in rows(world)]
    sql = "UPDATE log_tile SET data = ? WHERE level = -1 AND n = 0"
    world.database.write(lambda tx: tx.run(sql, tiles.write_bundle(leaves)))


def sign_again(world: World) -> None:
    """Let leaves, tree and checkpoint be those of the texts, signed by the log's own key."""
    leaves = [leaf_data(row.salt, row.at, row.text) for row in rows(world)]
    root = merkle.root([merkle.leaf_hash(leaf) for leaf in leaves])
    head = Checkpoint(world.place.settings.origin, len(leaves), root)
    signed = sign_checkpoint(head, world.place.log_key)

    def work(tx: Transaction) -> None:
        for (level, n), data in tiles.grow(0, leaves, lambda _level, _n: b"").items():
            tx.run("UPDATE log_tile SET data = ? WHERE level = ? AND n = ?", data, level, n)
        tx.run("UPDATE log_head SET root = ?, checkpoint = ?", root, signed)

    world.database.write(work)


def test_the_story_is_in_order(story: Story) -> None:
    assert story.audit().findings == []


def test_a_text_that_is_not_its_leafs_is_found(story: Story) -> None:
    change_text(story.world, story.refusal, iat=1)
    (found,) = story.audit().findings
    assert (found.index, found.rule) == (story.refusal, "leaf")
    blind = auditor_without(
        Change(JUDGING, "leaf_data(served.salt, served.at, served.text) == leaf", "True")
    )
    assert story.audit(blind).findings == []


def test_a_text_that_is_not_served_is_found(story: Story) -> None:
    sql = "DELETE FROM journal WHERE position = ?"
    story.world.database.write(lambda tx: tx.run(sql, story.refusal))
    (found,) = story.audit().findings
    assert (found.index, found.rule) == (story.refusal, "leaf")
    blind = auditor_without(Change(REPLAY, "sorted(self._missing - self._covered)", "()"))
    assert story.audit(blind).findings == []


def test_leaves_that_are_not_the_signed_tree_are_found(story: Story) -> None:
    change_text(story.world, story.refusal, iat=1)
    change_leaves(story.world)
    (found,) = story.audit().findings
    assert (found.index, found.rule) == (story.size, "root")
    blind = auditor_without(no(LINEAGE, "self._tree.root() != head.root"))
    assert story.audit(blind).findings == []


def test_a_lie_in_a_log_signed_again_is_left_to_the_replay(story: Story) -> None:
    change_text(story.world, story.release, purpose="TargetedAdvertising")
    sign_again(story.world)
    assert [(f.index, f.rule) for f in story.audit().findings] == [(story.release, "release")]
    blind = auditor_without(no(RELEASES, "release.purpose not in granted.grant.purposes"))
    assert story.audit(blind).findings == []


def test_a_log_signed_again_without_a_lie_is_in_order_for_who_never_saw_the_other(
    story: Story,
) -> None:
    change_text(story.world, story.refusal, iat=1)
    sign_again(story.world)
    assert story.audit().findings == list[Finding]()
