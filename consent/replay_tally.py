"""What an audit replay tells while it judges: entries that broke no rule, releases in any case.

    replay = Replay(auditor_key, seen, tally)
    tally.take_release(at, grant)         # in log order, one call an entry

consent/report/tally.py counts it (docs/protocol.md section 7).
"""

from __future__ import annotations

from typing import Protocol

from consent.messages import Grant
from vault.directory import Directory


class Tally(Protocol):
    """What is told of each entry that broke no rule, and of each release under a known grant."""

    def take_directory(self, index: int, at: int, old: Directory | None, new: Directory) -> None:
        """Take a directory and the one it follows."""

    def take_grant(self, at: int, grant: Grant) -> None:
        """Take a grant."""

    def take_end(self, at: int, grant: Grant, how: str) -> None:
        """Take a change: revoked, replaced, erased, paused or resumed."""

    def take_release(self, at: int, grant: Grant) -> None:
        """Take a release under a grant, also one that breaks a rule: it left the vault."""

    def take_refusal(self, at: int, grant: Grant | None, reason: str) -> None:
        """Take a refusal; no grant: a request was declined or ran out."""

    def take_web(self, index: int, at: int, version: str) -> None:
        """Take a list of the web app."""
