from __future__ import annotations

from hypothesis import settings

# A slow machine is no failure, and the same examples run everywhere.
settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.load_profile("house")
