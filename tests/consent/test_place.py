from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent.app import hand_clock, make_app, open_database
from consent.place import Place, Settings, make_place, open_place, read_key, write_key
from vault.crypto.keys import Secret, SigningKey
from vault.errors import BadDatabase, BadPlace

AUDITOR = SigningKey(b"\x01" * 32).public
SETTINGS = Settings("vault.example", "https://vault.example", AUDITOR)
KEYS = ("database.key", "vault.key", "log.key")


def counted(start: int = 0) -> Iterator[bytes]:
    """Yield keys that differ from each other."""
    while True:
        start += 1
        yield bytes([start]) * 32


def make(folder: Path, settings: Settings = SETTINGS, start: int = 0) -> Place:
    keys = counted(start)
    make_place(folder, settings, lambda _: next(keys))
    return open_place(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


# Making


@pytest.mark.usefixtures("umask")
def test_folder_and_keys_are_the_owners_alone_under_any_umask(tmp_path: Path) -> None:
    place = make(tmp_path / "made" / "vault")
    open_database(place).close()
    assert mode_of(tmp_path / "made" / "vault") == 0o700
    for name in (*KEYS, "vault.db"):
        assert mode_of(tmp_path / "made" / "vault" / name) == 0o600


def test_what_was_made_is_what_is_opened(tmp_path: Path) -> None:
    place = make(tmp_path)
    assert place == Place(
        SETTINGS,
        tmp_path / "vault.db",
        Secret(b"\x01" * 32),
        SigningKey(b"\x02" * 32),
        SigningKey(b"\x03" * 32),
    )
    assert place.settings.origin == "vault.example/log"


def test_keys_never_show_in_a_repr(tmp_path: Path) -> None:
    shown = repr(make(tmp_path))
    for raw in (b"\x01" * 32, b"\x02" * 32, b"\x03" * 32):
        assert raw.hex() not in shown
        assert repr(raw) not in shown


def test_a_second_make_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(BadPlace, match="already"):
        make(tmp_path, Settings("other.example", "https://other.example", AUDITOR), start=9)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", KEYS)
def test_a_make_overwrites_no_key_that_stands_there(tmp_path: Path, name: str) -> None:
    write_key(tmp_path / name, b"\x77" * 32)
    with pytest.raises(BadPlace, match="cannot make"):
        make(tmp_path)
    assert read_key(tmp_path / name) == b"\x77" * 32


BAD_SETTINGS = [
    ("", "https://vault.example"),
    ("ab", "https://vault.example"),
    ("Vault.Example", "https://vault.example"),
    ("vault example", "https://vault.example"),
    ('vault"\nx = "', "https://vault.example"),
    ("v" * 65, "https://vault.example"),
    ("vault.example", ""),
    ("vault.example", "vault.example"),
    ("vault.example", "ftp://vault.example"),
    ("vault.example", "https://vault.example/"),
    ("vault.example", "https://vault.example?x"),
    ("vault.example", "https://vault.example#x"),
    ("vault.example", "https://user@vault.example"),
    ("vault.example", "https://vault.example\n"),
    ("vault.example", 'https://vault.example"'),
]


@pytest.mark.parametrize(("vault", "url"), BAD_SETTINGS)
def test_bad_settings_make_no_folder(tmp_path: Path, vault: str, url: str) -> None:
    with pytest.raises(BadPlace):
        make(tmp_path / "vault", Settings(vault, url, AUDITOR))
    assert list(tmp_path.iterdir()) == []


# Opening


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o660, 0o777])
@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    make(tmp_path)
    (tmp_path / name).chmod(mode)
    with pytest.raises(BadPlace, match=f"mode {mode:o}"):
        open_place(tmp_path)


def test_a_key_that_even_its_owner_may_only_read_is_taken(tmp_path: Path) -> None:
    place = make(tmp_path)
    for name in KEYS:
        (tmp_path / name).chmod(0o400)
    assert open_place(tmp_path) == place


BAD_KEYS = {
    "empty": b"",
    "short": b"11" * 31 + b"\n",
    "long": b"11" * 33 + b"\n",
    "odd": b"1" * 63,
    "upper case": b"AB" * 32,
    "not hex": b"gg" * 32,
    "raw bytes": b"\xff" * 32,
    "two keys": b"11" * 32 + b"\n" + b"22" * 32 + b"\n",
    "a space inside": b"11" * 16 + b" " + b"11" * 16,
    "with 0x": b"0x" + b"11" * 32,
}


@pytest.mark.parametrize("what", BAD_KEYS)
@pytest.mark.parametrize("name", KEYS)
def test_a_malformed_key_is_refused_and_not_shown(tmp_path: Path, name: str, what: str) -> None:
    make(tmp_path)
    (tmp_path / name).write_bytes(BAD_KEYS[what])
    with pytest.raises(BadPlace) as caught:
        open_place(tmp_path)
    assert "1111" not in str(caught.value)


@pytest.mark.parametrize("name", [*KEYS, "vault.toml"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BadPlace, match="cannot read"):
        open_place(tmp_path)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    for name in ("vault.key", "vault.toml"):
        folder = tmp_path / f"with {name}"
        make(folder)
        (folder / name).unlink()
        (folder / name).mkdir()
        with pytest.raises(BadPlace):
            open_place(folder)


def test_no_folder_is_no_vault(tmp_path: Path) -> None:
    with pytest.raises(BadPlace, match="make the vault first"):
        open_place(tmp_path / "nothing")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"vault",
        b"\xff\xfe",
        b'vault = "vault.example"\n',
        b'vault = "vault.example"\nurl = "https://vault.example"\nauditor = "AAAA"\n',
        b'vault = "vault.example"\nurl = "https://vault.example"\nauditor = 7\n',
    ],
)
def test_malformed_settings_are_refused(tmp_path: Path, text: bytes) -> None:
    make(tmp_path)
    (tmp_path / "vault.toml").write_bytes(text)
    with pytest.raises(BadPlace):
        open_place(tmp_path)


@pytest.mark.parametrize("member", ["vault", "url", "auditor"])
def test_settings_without_a_member_are_refused(tmp_path: Path, member: str) -> None:
    make(tmp_path)
    settings = tmp_path / "vault.toml"
    lines = settings.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(f"{member} =")]
    assert len(kept) == 2
    settings.write_text("\n".join(kept), encoding="utf-8")
    with pytest.raises(BadPlace):
        open_place(tmp_path)


# Starting on keys that do not fit


def started(place: Place) -> None:
    """Start the app once over the place, as the server does, and end it."""
    database = open_database(place)
    try:
        make_app(place, database, lambda: 1_767_225_600)
    finally:
        database.close()


def turned(place: Place, name: str) -> Place:
    """Return the place with another key in this file."""
    path = place.database.with_name(name)
    path.unlink()
    write_key(path, b"\x55" * 32)
    return open_place(place.database.parent)


def test_another_database_key_opens_nothing_and_writes_nothing(tmp_path: Path) -> None:
    place = make(tmp_path)
    started(place)
    other = turned(place, "database.key")
    before = contents(tmp_path)
    with pytest.raises(BadDatabase):
        open_database(other)
    assert contents(tmp_path) == before


def test_another_log_key_is_refused_and_signs_nothing(tmp_path: Path) -> None:
    place = make(tmp_path)
    started(place)
    other = turned(place, "log.key")
    before = contents(tmp_path)
    with pytest.raises(BadDatabase, match="does not hold together"):
        started(other)
    assert contents(tmp_path) == before


def test_another_url_is_another_log_and_refused(tmp_path: Path) -> None:
    place = make(tmp_path)
    started(place)
    settings = tmp_path / "vault.toml"
    text = settings.read_text(encoding="utf-8").replace("https://vault", "https://moved")
    settings.write_text(text, encoding="utf-8")
    with pytest.raises(BadDatabase):
        started(open_place(tmp_path))


def test_a_file_that_is_no_database_is_refused_and_stays(tmp_path: Path) -> None:
    place = make(tmp_path)
    place.database.write_bytes(b"not a database" * 1000)
    with pytest.raises(BadDatabase):
        open_database(place)
    assert place.database.read_bytes() == b"not a database" * 1000


# The clock moved by hand


def test_the_hand_clock_reads_its_file_each_time(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("1767225600\n", encoding="ascii")
    now = hand_clock(file)
    assert now() == 1_767_225_600
    file.write_text("1767225601", encoding="ascii")
    assert now() == 1_767_225_601


@pytest.mark.parametrize("text", ["", "noon", "1.5", "1e9", "0x10", "1 2", "\ufeff1", "１２"])
def test_a_clock_file_that_holds_no_seconds_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "clock"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadPlace, match="unix seconds"):
        hand_clock(file)


def test_a_clock_file_that_is_missing_or_gets_lost_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    with pytest.raises(BadPlace):
        hand_clock(file)
    file.write_text("1767225600", encoding="ascii")
    now = hand_clock(file)
    file.unlink()
    with pytest.raises(BadPlace):
        now()
