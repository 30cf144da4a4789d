"""How often a caller may ask: a bucket per name that fills at a steady rate.

bucket = Bucket(most=60, per_minute=60)
bucket.take("203.0.113.7", wall)         raises TooMany when it is empty
"""

from __future__ import annotations

from threading import Lock

from vault.errors import TooMany


class Bucket:
    """Buckets by name; the emptiest state that matters is a minute old, so old ones are dropped."""

    def __init__(self, most: int, per_minute: int) -> None:
        """Let `most` calls through at once, and `per_minute` in the long run."""
        self._most, self._rate = most, per_minute / 60
        self._left: dict[str, tuple[float, int]] = {}
        self._lock, self._dropped = Lock(), 0

    def take(self, name: str, wall: int) -> None:
        """Return when the call may go on; raises TooMany, with the seconds to wait."""
        with self._lock:
            left, seen = self._left.get(name, (float(self._most), wall))
            left = min(self._most, left + max(0, wall - seen) * self._rate)
            if left < 1:
                raise TooMany("too many requests of this kind", round((1 - left) / self._rate) + 1)
            self._left[name] = (left - 1, wall)
            if len(self._left) > MOST_NAMES and wall - self._dropped >= self._most / self._rate:
                self._drop_full(wall)

    def _drop_full(self, wall: int) -> None:
        full, self._dropped = self._most / self._rate, wall
        self._left = {n: s for n, s in self._left.items() if wall - s[1] < full}


MOST_NAMES = 10_000
