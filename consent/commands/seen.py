r"""What a holder's device saw of the log, in its folder: ``log-seen.json``, mode 0600.

    {"checkpoint":"vault.example/log\\n90\\n…","seen":{"41":"…64 hex"},"made":{"5c…":41}}

The newest signed checkpoint, the SHA-256 of each text that was shown by its index, and the acts of
this device (consent/state.py). Without the file a later look has nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from consent.monitor import Look
from consent.place import read_text, replace_file
from consent.state import UNPROVED
from vault.encoding import compact_json
from vault.errors import BadInput, BadPlace
from vault.messages import Shape


class SeenFile(Shape):
    """The members of the file."""

    checkpoint: str
    seen: dict[Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,15})$")], str]
    made: dict[str, Annotated[int, Field(ge=UNPROVED, lt=2**53)]]


def read_seen(path: Path) -> tuple[dict[str, int], Look]:
    """Return the acts of this device and its last look; nothing when there is no file yet.

    Raises:
        BadPlace: it cannot be read, or is no such file.
    """
    text = read_text(path)
    if text is None:
        return {}, Look()
    try:
        found = SeenFile.parse(text.encode("utf-8"))
    except BadInput as bad:
        raise BadPlace(f"{path} does not hold what was seen of the log: {bad}") from bad
    return found.made, Look(found.checkpoint, {int(n): name for n, name in found.seen.items()})


def write_seen(path: Path, made: Mapping[str, int], look: Look) -> None:
    """Keep the acts of this device and its last look; raises BadPlace."""
    seen = {str(index): name for index, name in sorted(look.seen.items())}
    file = SeenFile(checkpoint=look.checkpoint, seen=seen, made=dict(made))
    replace_file(path, compact_json(file.plain()))
