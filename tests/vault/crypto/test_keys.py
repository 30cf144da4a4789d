from __future__ import annotations

import hmac
from contextlib import suppress
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import edwards
from tests.known import KNOWN
from vault.crypto.keys import (
    NONCE_SIZE,
    OpeningKey,
    Root,
    Secret,
    SigningKey,
    account_key,
    consent_key,
    kdf,
    open_state,
    read_code,
    record_key,
    seal_state,
    six_digits,
    state_key,
    stream_key,
    unwrap_root,
    verify_signature,
    wrap_id,
    wrap_root,
    write_code,
)
from vault.encoding import thumbprint
from vault.errors import BadCode, BadJws, BadSeal, BadShape

CELL, WRAP, KIDS = KNOWN["cell"], KNOWN["wrap"], KNOWN["kids"]
ROOT = Root(bytes.fromhex(CELL["root"]))
LINK = bytes.fromhex(CELL["link"])
S = bytes.fromhex(WRAP["s"])
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECKS = SYMBOLS + "*~$=U"
NONCE = bytes(NONCE_SIZE)


def plain_hkdf(key: bytes, info: bytes, size: int) -> bytes:
    prk = hmac.digest(bytes(32), key, "sha256")
    okm, block = b"", b""
    for count in range(1, -(-size // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([count]), "sha256")
        okm += block
    return okm[:size]


@settings(max_examples=50)
@given(st.binary(max_size=64), st.binary(max_size=64), st.integers(1, 128))
def test_kdf_is_hkdf_sha256_with_an_empty_salt(key: bytes, info: bytes, size: int) -> None:
    assert kdf(key, info, size) == plain_hkdf(key, info, size)


def test_stream_and_record_key_are_the_published_ones() -> None:
    assert stream_key(ROOT, LINK).value.hex() == CELL["k"]
    assert record_key(ROOT, LINK).public.hex() == CELL["rec_pk"]


def test_kids_are_the_published_ones() -> None:
    assert thumbprint(SigningKey(b"\x11" * 32).public) == KIDS["seed_11"]
    assert thumbprint(account_key(ROOT).public) == KIDS["account"]
    assert thumbprint(consent_key(ROOT, "city.example").public) == KIDS["consent_city.example"]


def test_every_derived_key_is_another() -> None:
    keys = [
        account_key(ROOT).value,
        state_key(ROOT).value,
        stream_key(ROOT, LINK).value,
        stream_key(ROOT, bytes(16)).value,
        record_key(ROOT, LINK).value,
        consent_key(ROOT, "a.example").value,
        consent_key(ROOT, "b.example").value,
        account_key(Root(bytes(20))).value,
    ]
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {32}


class TestSecret:
    KINDS: ClassVar[list[type[Secret]]] = [Secret, Root, SigningKey, OpeningKey]

    @pytest.mark.parametrize("kind", KINDS)
    def test_shows_nothing_in_repr_str_or_format(self, kind: type[Secret]) -> None:
        secret = kind(b"A" * 32)
        for shown in (repr(secret), str(secret), f"{secret}", repr([secret])):
            assert "AAAA" not in shown
            assert "4141" not in shown

    def test_is_equal_only_to_the_same_kind_with_the_same_bytes(self) -> None:
        assert Root(b"a") == Root(b"a")
        assert hash(Root(b"a")) == hash(Root(b"a"))
        assert Root(b"a") != Root(b"b")
        assert Root(b"a") != Secret(b"a")
        assert Root(b"a") != b"a"


class TestSignature:
    KEY = SigningKey(bytes(range(32)))

    def test_of_rfc_8032_test_1_is_made_and_verifies(self) -> None:
        key = SigningKey(
            bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
        )
        signature = key.sign(b"")
        assert key.public.hex().startswith("d75a980182b10ab7d54bfed3c964073a")
        assert signature.hex().startswith("e5564300c360ac729086e2cc806e828a")
        verify_signature(key.public, signature, b"")

    def test_over_another_message_is_refused(self) -> None:
        with pytest.raises(BadJws):
            verify_signature(self.KEY.public, self.KEY.sign(b"a"), b"b")

    def test_of_another_key_is_refused(self) -> None:
        with pytest.raises(BadJws):
            verify_signature(SigningKey(bytes(32)).public, self.KEY.sign(b"a"), b"a")

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_under_a_key_of_another_size_is_refused(self, size: int) -> None:
        with pytest.raises(BadJws):
            verify_signature(bytes(size), self.KEY.sign(b"a"), b"a")

    @pytest.mark.parametrize("size", [0, 63, 65])
    def test_of_another_size_is_refused(self, size: int) -> None:
        with pytest.raises(BadJws):
            verify_signature(self.KEY.public, bytes(size), b"a")

    def test_with_s_not_reduced_is_refused(self) -> None:
        signature = self.KEY.sign(b"a")
        s = int.from_bytes(signature[32:], "little") + edwards.ORDER
        with pytest.raises(BadJws):
            verify_signature(self.KEY.public, signature[:32] + s.to_bytes(32, "little"), b"a")


class TestState:
    KEY = state_key(ROOT)

    @settings(max_examples=25)
    @given(st.integers(0, 2**64 - 1), st.binary(max_size=200))
    def test_comes_back_under_its_counter(self, counter: int, plain: bytes) -> None:
        assert open_state(self.KEY, counter, seal_state(self.KEY, counter, plain, NONCE)) == plain

    def test_of_another_counter_or_key_is_refused(self) -> None:
        blob = seal_state(self.KEY, 5, b"state", NONCE)
        for key, counter in ((self.KEY, 4), (self.KEY, 6), (Secret(bytes(32)), 5)):
            with pytest.raises(BadSeal):
                open_state(key, counter, blob)

    @pytest.mark.parametrize("size", [0, 5, 12, 27])
    def test_cut_short_is_refused(self, size: int) -> None:
        with pytest.raises(BadSeal):
            open_state(self.KEY, 1, seal_state(self.KEY, 1, b"", NONCE)[:size])


class TestWrap:
    def test_id_and_key_are_the_published_ones(self) -> None:
        assert wrap_id(S).hex() == WRAP["id"]
        assert kdf(S, b"cv1/wrap/key", 32).hex() == WRAP["key"]

    @pytest.mark.parametrize("secret", [S, bytes(32)], ids=["code", "passkey"])
    def test_gives_the_root_back(self, secret: bytes) -> None:
        assert unwrap_root(secret, wrap_root(secret, ROOT, NONCE)) == ROOT

    def test_of_another_secret_is_refused(self) -> None:
        with pytest.raises(BadSeal):
            unwrap_root(bytes(20), wrap_root(S, ROOT, NONCE))

    @pytest.mark.parametrize("place", [0, 12, 40])
    def test_with_one_bit_changed_is_refused(self, place: int) -> None:
        blob = bytearray(wrap_root(S, ROOT, NONCE))
        blob[place] ^= 1
        with pytest.raises(BadSeal):
            unwrap_root(S, bytes(blob))


class TestRecoveryCode:
    CODE = write_code(bytes(range(7, 27)))
    BARE = CODE.replace("-", "")

    def test_is_the_published_one(self) -> None:
        assert write_code(S) == WRAP["code"]
        assert read_code(WRAP["code"]) == S

    @given(st.binary(min_size=20, max_size=20))
    def test_comes_back(self, secret: bytes) -> None:
        assert read_code(write_code(secret)) == secret

    @given(st.binary(min_size=20, max_size=20))
    def test_is_case_blind_and_needs_no_dashes(self, secret: bytes) -> None:
        code = write_code(secret)
        assert read_code(code.lower()) == secret
        assert read_code(" ".join(code.replace("-", "")) + "\n") == secret

    def test_reads_o_as_0_and_i_and_l_as_1(self) -> None:
        number = int("".join(["00", "0" * 75, "1" * 75, "00000000"]), 2)
        secret = number.to_bytes(20, "big")
        code = write_code(secret)
        assert "0" in code[:-1]
        assert "1" in write_code(bytes(19) + b"\1")
        assert read_code(code.replace("0", "O")) == secret
        for one in "IiLl":
            assert read_code(write_code(bytes(19) + b"\1").replace("1", one)) == bytes(19) + b"\1"

    @pytest.mark.parametrize(("remainder", "typed"), [(0, "Oo"), (1, "IiLl")])
    def test_reads_a_check_symbol_typed_as_a_letter(self, remainder: int, typed: str) -> None:
        secret = remainder.to_bytes(20, "big")
        code = write_code(secret)
        assert code.endswith(CHECKS[remainder])
        for letter in typed:
            assert read_code(code[:-1] + letter) == secret

    @pytest.mark.parametrize("remainder", range(37))
    def test_works_with_every_check_symbol(self, remainder: int) -> None:
        secret = (37 * 10**6 + remainder).to_bytes(20, "big")
        code = write_code(secret)
        assert code[-1] == CHECKS[remainder]
        assert read_code(code) == read_code(code.lower()) == secret

    def test_with_any_one_symbol_mistyped_is_refused(self) -> None:
        refused = 0
        for place, right in enumerate(self.BARE):
            for wrong in (CHECKS if place == 32 else SYMBOLS).replace(right, ""):
                with pytest.raises(BadCode):
                    read_code(self.BARE[:place] + wrong + self.BARE[place + 1 :])
                refused += 1
        assert refused == 32 * 31 + 36

    def test_with_any_two_neighbours_swapped_is_refused(self) -> None:
        for place in range(32):
            left, right = self.BARE[place], self.BARE[place + 1]
            if left != right:
                swapped = self.BARE[:place] + right + left + self.BARE[place + 2 :]
                with pytest.raises(BadCode):
                    read_code(swapped)

    @pytest.mark.parametrize("text", ["", BARE[:-1], BARE + "0", BARE[:16], "U" * 33, "é" * 33])
    def test_of_another_length_or_alphabet_is_refused(self, text: str) -> None:
        with pytest.raises(BadCode):
            read_code(text)

    @settings(max_examples=50)
    @given(st.text(max_size=40))
    def test_from_any_text_is_read_or_refused(self, text: str) -> None:
        with suppress(BadCode):
            assert len(read_code(text)) == 20

    @pytest.mark.parametrize("size", [0, 19, 21, 32])
    def test_holds_exactly_twenty_bytes(self, size: int) -> None:
        with pytest.raises(BadShape):
            write_code(bytes(size))

    def test_refusal_does_not_show_the_code(self) -> None:
        with pytest.raises(BadCode) as refused:
            read_code(self.BARE[:-1] + ("0" if self.BARE[-1] != "0" else "1"))
        assert self.BARE[:6] not in str(refused.value)


def test_six_digits_keep_their_leading_zeros() -> None:
    found = [six_digits(code.to_bytes(2, "big")) for code in range(400)]
    assert all(len(digits) == 6 and digits.isdigit() for digits in found)
    assert any(digits.startswith("0") for digits in found)
