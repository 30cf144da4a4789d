"""Behaviour and release files for tests, good ones and how to spoil them."""

from hashlib import sha256
from importlib.resources import files

FACTOR = """
[[factors]]
region = "CN"
valid_from = 2024-06-01
mg_per_unit = "48.7"
[factors.source]
title = "a report"
locator = "page 1"
grade = "M"
note = { zh-CN = "注", en = "note" }
"""
HEAD = """
format = "carbonvault-behaviour/1"
id = "travel.bike"
rev = 1
tier = "A"
zone = "Asia/Shanghai"
units = ["m", "s"]
name = { zh-CN = "名", en = "name" }
says = { zh-CN = "说明", en = "says" }
formula = { shape = "linear", unit = "m" }
"""
EXCLUSION = """
[[exclusions]]
rule = "under"
unit = "m"
limit = 1
reason = "round-trip"
text = { zh-CN = "原因", en = "reason" }
"""
VECTORS = """
[[vectors]]
activity = { m = 1200, s = 300 }
region = "CN-HB-WH"
start = 2026-01-05T08:00:00+08:00
mg = 58440
[[vectors]]
activity = { m = 0, s = 300 }
region = "CN"
start = 2026-01-05T08:00:00+08:00
mg = 0
reason = "round-trip"
"""
GOOD = HEAD + EXCLUSION + FACTOR + VECTORS
TIER_B = GOOD.replace('tier = "A"', 'tier = "B"')
ZERO_VECTOR = """
[[vectors]]
activity = { m = 1200, s = 300 }
region = "CN"
start = 2026-01-05T08:00:00+08:00
mg = 0
reason = "no-published-factor"
"""
TIER_Z = HEAD.replace('"A"', '"Z"').replace('"linear", unit = "m"', '"zero"') + ZERO_VECTOR
SOURCE = """source = { title = "a rule", locator = "clause 4", grade = "H", \
note = { zh-CN = "注", en = "note" } }"""
BOUND = """
[[bounds]]
rule = "over"
unit = "m"
limit = 20000
reason = "too-far"
text = { zh-CN = "太远", en = "too far" }
proposal = true
"""
BOUND_VECTOR = """
[[vectors]]
activity = { m = 20001, s = 300 }
region = "CN"
start = 2026-01-05T08:00:00+08:00
mg = 0
reason = "too-far"
refused = true
"""
CAPS = """
[caps]
act_g = 1000
day_g = 1500
month_g = 20000
note = { zh-CN = "注", en = "note" }
proposal = true
"""


def spoiled(old: str, new: str, text: str = GOOD) -> bytes:
    """The file with its first `old` replaced."""
    assert old in text
    return text.replace(old, new, 1).encode()


def release_file(behaviour: bytes, name: str = "travel.bike", rev: int = 1) -> bytes:
    """A release of one behaviour file."""
    return f"""
format = "carbonvault-release/1"
id = "test-1"
says = {{ zh-CN = "说明", en = "says" }}
[[behaviours]]
id = "{name}"
rev = {rev}
sha256 = "{sha256(behaviour).hexdigest()}"
""".encode()


def shipped(folder: str, name: str) -> bytes:
    """A file of the package."""
    return files("vault.methodology").joinpath(folder, name).read_bytes()
