from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from tests.known import KNOWN
from vault.crypto.keys import SigningKey
from vault.encoding import (
    Json,
    b64u,
    compact_json,
    read_envelope,
    sign_jws,
    strict_json,
    strict_object,
    text_hash,
    thumbprint,
    unb64u,
)
from vault.errors import BadJws, BadPoint, BadShape, BadType, VaultError

KEY = SigningKey(b"\x11" * 32)
KID = thumbprint(KEY.public)
JOSE = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64u(KEY.public)})
BODY: dict[str, Json] = {"iat": 1767225600, "link": "01" * 16}
TEXT = sign_jws("cv1-unlink", BODY, KEY)
HEADER = f'{{"alg":"Ed25519","kid":"{KID}","typ":"cv1-unlink"}}'
NEARLY = st.text('[]{}",:\\u0dnN-1e. ', max_size=30).map(str.encode)
STRICT = jws.JWSRegistry(algorithms=["Ed25519", "EdDSA"], strict_check_header=False)
# Signed by the right key over exactly these bytes: only the header is another.
VARIANTS = {
    "reordered": f'{{"kid":"{KID}","alg":"Ed25519","typ":"cv1-unlink"}}',
    "typ first": f'{{"typ":"cv1-unlink","alg":"Ed25519","kid":"{KID}"}}',
    "alg twice": f'{{"alg":"none","alg":"Ed25519","kid":"{KID}","typ":"cv1-unlink"}}',
    "alg twice, last": f'{{"alg":"Ed25519","kid":"{KID}","typ":"cv1-unlink","alg":"Ed25519"}}',
    "extra member": f'{{"alg":"Ed25519","kid":"{KID}","typ":"cv1-unlink","cty":"json"}}',
    "jwk": f'{{"alg":"Ed25519","jwk":{{}},"kid":"{KID}","typ":"cv1-unlink"}}',
    "space": f'{{"alg": "Ed25519","kid":"{KID}","typ":"cv1-unlink"}}',
    "newline": f'{{"alg":"Ed25519","kid":"{KID}","typ":"cv1-unlink"}}\n',
    "bom": f'\ufeff{{"alg":"Ed25519","kid":"{KID}","typ":"cv1-unlink"}}',
    "escaped": f'{{"\\u0061lg":"Ed25519","kid":"{KID}","typ":"cv1-unlink"}}',
    "EdDSA": f'{{"alg":"EdDSA","kid":"{KID}","typ":"cv1-unlink"}}',
    "lower-case alg": f'{{"alg":"ed25519","kid":"{KID}","typ":"cv1-unlink"}}',
    "alg none": f'{{"alg":"none","kid":"{KID}","typ":"cv1-unlink"}}',
    "upper-case typ": f'{{"alg":"Ed25519","kid":"{KID}","typ":"CV1-UNLINK"}}',
    "media type": f'{{"alg":"Ed25519","kid":"{KID}","typ":"application/cv1-unlink"}}',
    "no typ": f'{{"alg":"Ed25519","kid":"{KID}"}}',
    "no kid": '{"alg":"Ed25519","typ":"cv1-unlink"}',
    "short kid": '{"alg":"Ed25519","kid":"abc","typ":"cv1-unlink"}',
    "b64 false": HEADER.replace('"kid"', '"b64":false,"crit":["b64"],"kid"'),
    "crit": f'{{"alg":"Ed25519","kid":"{KID}","typ":"cv1-unlink","crit":["b64"],"b64":true}}',
    "empty": "{}",
    "list": "[]",
}


def with_header(header: str | bytes, payload: bytes = compact_json(BODY)) -> str:
    """A JWS under our key whose header is any bytes."""
    raw = header.encode() if isinstance(header, str) else header
    signed = f"{b64u(raw)}.{b64u(payload)}"
    return f"{signed}.{b64u(KEY.sign(signed.encode()))}"


def read_and_verify(text: str) -> bytes:
    envelope = read_envelope(text, "cv1-unlink")
    envelope.verify(KEY.public)
    return envelope.payload


def jose_payload(text: str) -> bytes:
    return jws.deserialize_compact(text, JOSE, registry=STRICT).payload


class TestBase64url:
    @given(st.binary(max_size=100))
    def test_has_one_form_that_comes_back(self, raw: bytes) -> None:
        assert unb64u(b64u(raw)) == raw
        assert unb64u(b64u(raw), len(raw)) == raw

    @pytest.mark.parametrize(
        "text",
        ["AA==", "AA=", "A", "AAAAA", "AB", "AAB", "A+", "A/", "AA\n", " AA", "AA.", "ＡＡ", "é"],
    )
    def test_in_any_other_form_is_refused(self, text: str) -> None:
        with pytest.raises(BadShape):
            unb64u(text)

    @given(st.text(max_size=12))
    def test_of_any_text_is_its_only_form_or_refused(self, text: str) -> None:
        with suppress(BadShape):
            assert b64u(unb64u(text)) == text

    @pytest.mark.parametrize("size", [31, 33, 0])
    def test_of_another_size_is_refused(self, size: int) -> None:
        with pytest.raises(BadShape):
            unb64u(b64u(bytes(32)), size)


class TestStrictJson:
    @pytest.mark.parametrize(
        "raw",
        [
            b"1.0",
            b"1e2",
            b"1E400",
            b"-1e-400",
            b"0.5",
            b"NaN",
            b"Infinity",
            b"-Infinity",
            b"9007199254740992",
            b"-9007199254740992",
            b"123456789012345678",
            b"1" * 5000,
            b"-0",
            b"[-0]",
            b"01",
            b"+1",
            b'{"a":1,"a":1}',
            b'{"a":1,"\\u0061":2}',
            b'[{"b":{"a":1,"a":2}}]',
            b'"\\ud800"',
            b'{"\\udfff":1}',
            b'["\\ud800x\\udc00"]',
            b'"\xed\xa0\x80"',
            b'"\xff"',
            b'"\xc0\x80"',
            b"\xef\xbb\xbf1",
            b'1\x00"',
            b'"\x00"',
            b'"a\nb"',
            b"[1,]",
            b"{'a':1}",
            b"// c\n1",
            b"",
            b" ",
            b"1 2",
            b"\xc2\xa01",
            b'"\\x41"',
            b"[" * 100_000,
            b"[" * 100_000 + b"]" * 100_000,
            b'{"a":' * 100_000,
            "1".encode("utf-16"),
        ],
        ids=lambda raw: repr(raw[:20]),
    )
    def test_what_has_more_than_one_reading_is_refused(self, raw: bytes) -> None:
        with pytest.raises(BadShape):
            strict_json(raw)

    @pytest.mark.parametrize(
        ("raw", "parsed"),
        [
            (b"9007199254740991", 2**53 - 1),
            (b"-9007199254740991", 1 - 2**53),
            (b"0", 0),
            (b"-1", -1),
            (b'"\\ud83d\\ude80"', "🚀"),
            (b' {"a" : [true, null]}\n', {"a": [True, None]}),
        ],
    )
    def test_the_rest_is_read(self, raw: bytes, parsed: Json) -> None:
        assert strict_json(raw) == parsed

    @settings(max_examples=200)
    @given(
        st.binary(max_size=60)
        | st.text(alphabet='[]{}",:\\u0dnN-1e. ', max_size=30).map(str.encode)
    )
    def test_any_bytes_are_read_or_refused_as_bad_shape(self, raw: bytes) -> None:
        with suppress(BadShape):
            assert strict_json(compact_json(strict_json(raw))) == strict_json(raw)

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(1 - 2**53, 2**53 - 1)
            | st.text(st.characters(codec="utf-8")),
            lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text("ab"), part),
            max_leaves=12,
        )
    )
    def test_what_we_write_comes_back(self, body: Json) -> None:
        assert strict_json(compact_json(body)) == body
        assert strict_json(json.dumps(body).encode()) == body

    @pytest.mark.parametrize("raw", [b"[]", b"1", b"null", b'"{}"'])
    def test_object_is_not_another_value(self, raw: bytes) -> None:
        with pytest.raises(BadShape):
            strict_object(raw)


class TestJws:
    def test_header_is_these_bytes(self) -> None:
        assert unb64u(TEXT.split(".")[0]) == HEADER.encode()
        assert KNOWN["kids"]["seed_11"] == KID

    @settings(max_examples=25)
    @given(st.dictionaries(st.text("abc", min_size=1), st.integers(0, 9) | st.text("é中x")))
    def test_of_ours_verifies_in_joserfc(self, body: dict[str, int | str]) -> None:
        text = sign_jws("cv1-unlink", body, KEY)
        assert jose_payload(text) == read_and_verify(text) == compact_json(body)

    def test_of_joserfc_with_our_header_verifies_here(self) -> None:
        private = OKPKey.import_key(
            {"kty": "OKP", "crv": "Ed25519", "x": b64u(KEY.public), "d": b64u(KEY.value)}
        )
        header = {"alg": "Ed25519", "kid": KID, "typ": "cv1-unlink"}
        text = jws.serialize_compact(header, compact_json(BODY), private, registry=STRICT)
        assert text == TEXT
        assert read_and_verify(text) == compact_json(BODY)

    @pytest.mark.parametrize("name", VARIANTS)
    def test_with_another_header_is_refused(self, name: str) -> None:
        with pytest.raises(BadJws):
            read_envelope(with_header(VARIANTS[name]), "cv1-unlink")

    @pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
    def test_variants_that_joserfc_takes_are_why_the_header_is_compared_as_bytes(self) -> None:
        taken = set()
        for name, header in VARIANTS.items():
            with suppress(JoseError, ValueError, KeyError, AttributeError, TypeError):
                jose_payload(with_header(header))
                taken.add(name)
        assert {"reordered", "typ first", "alg twice", "extra member", "space"} <= taken

    def test_with_b64_false_over_the_bare_payload_is_refused(self) -> None:
        head = b64u(VARIANTS["b64 false"].encode())
        body = compact_json(BODY).decode()
        text = f"{head}.{body}.{b64u(KEY.sign(f'{head}.{body}'.encode()))}"
        with pytest.raises(BadJws):
            read_envelope(text, "cv1-unlink")

    @pytest.mark.parametrize("segment", [0, 1, 2])
    @pytest.mark.parametrize("change", ["{}=", "{}==", "{}\n", " {}", "{}+", "", "{}é"])
    def test_with_padding_or_other_symbols_in_a_segment_is_refused(
        self, segment: int, change: str
    ) -> None:
        parts = TEXT.split(".")
        parts[segment] = change.format(parts[segment])
        if (segment, change) == (1, ""):
            assert read_envelope(".".join(parts), "cv1-unlink").payload == b""
            with pytest.raises(BadJws):
                read_and_verify(".".join(parts))
        else:
            with pytest.raises(BadJws):
                read_envelope(".".join(parts), "cv1-unlink")

    def test_with_stray_bits_in_the_last_symbol_is_refused(self) -> None:
        assert len(TEXT.split(".")[2]) == 86  # 64 bytes: four bits of the last symbol are unused
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet.index(TEXT[-1])
        for stray in range(1, 16):
            with pytest.raises(BadJws):
                read_envelope(TEXT[:-1] + alphabet[last + stray], "cv1-unlink")

    @pytest.mark.parametrize("text", ["", ".", "..", "a.b", TEXT + ".", TEXT + ".AAAA", "." + TEXT])
    def test_of_other_than_three_segments_is_refused(self, text: str) -> None:
        with pytest.raises(BadJws):
            read_envelope(text, "cv1-unlink")

    def test_json_serialisation_is_refused(self) -> None:
        head, body, signature = TEXT.split(".")
        flat = json.dumps({"protected": head, "payload": body, "signature": signature})
        with pytest.raises(BadJws):
            read_envelope(flat, "cv1-unlink")

    def test_of_another_type_is_refused(self) -> None:
        with pytest.raises(BadType):
            read_envelope(TEXT, "cv1-close", "cv1-batch")
        assert read_envelope(TEXT, "cv1-close", "cv1-unlink").typ == "cv1-unlink"

    def test_under_another_key_is_refused(self) -> None:
        other = SigningKey(b"\x12" * 32)
        with pytest.raises(BadJws, match="kid"):
            read_envelope(TEXT, "cv1-unlink").verify(other.public)
        forged = TEXT.rpartition(".")[0]
        text = f"{forged}.{b64u(other.sign(forged.encode()))}"
        with pytest.raises(BadJws, match="signature"):
            read_envelope(text, "cv1-unlink").verify(KEY.public)

    @settings(max_examples=50)
    @given(st.integers(0, len(TEXT) - 1), st.sampled_from("AZaz09-_."))
    def test_with_any_symbol_changed_is_refused(self, place: int, symbol: str) -> None:
        changed = TEXT[:place] + symbol + TEXT[place + 1 :]
        if changed != TEXT:
            with pytest.raises((BadJws, BadType)):
                read_and_verify(changed)

    @settings(max_examples=100)
    @given(st.text(max_size=60) | st.text(alphabet="AQabe_-.=", max_size=60))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        with suppress(VaultError):
            read_envelope(text, "cv1-unlink")

    def test_hash_is_over_the_compact_text(self) -> None:
        assert len(text_hash(TEXT)) == 32
        assert text_hash(TEXT) != text_hash(TEXT[:-1])


class TestIntroducedKey:
    def introduced(self, pk: Json, key: SigningKey = KEY) -> bytes:
        text = sign_jws("cv1-account", {"iat": 1, "pk": pk}, key)
        return read_envelope(text, "cv1-account").verify_introduced()

    def test_is_the_one_that_signed(self) -> None:
        assert self.introduced(b64u(KEY.public)) == KEY.public

    def test_of_another_signer_is_refused(self) -> None:
        with pytest.raises(BadJws):
            self.introduced(b64u(SigningKey(b"\x12" * 32).public))

    @pytest.mark.parametrize("pk", [None, 5, "", "AA", "A" * 44, [], b64u(KEY.public) + "="])
    def test_of_another_form_is_refused(self, pk: Json) -> None:
        with pytest.raises(BadShape):
            self.introduced(pk)

    def test_of_small_order_is_refused_although_everything_verifies_under_it(self) -> None:
        identity = b"\1" + bytes(31)
        head = f'{{"alg":"Ed25519","kid":"{thumbprint(identity)}","typ":"cv1-account"}}'
        body = b64u(compact_json({"iat": 1, "pk": b64u(identity)}))
        text = f"{b64u(head.encode())}.{body}.{b64u(identity + bytes(32))}"
        envelope = read_envelope(text, "cv1-account")
        envelope.verify(identity)
        with pytest.raises(BadPoint):
            envelope.verify_introduced()
