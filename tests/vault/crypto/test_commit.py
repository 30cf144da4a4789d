from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_core_ed25519_from_uniform

from tests import edwards
from tests.known import KNOWN
from vault.crypto.commit import (
    IDENTITY,
    ORDER,
    H,
    Point,
    Scalar,
    add_points,
    check_point,
    commit,
    read_scalar,
    write_scalar,
)
from vault.errors import BadPoint, BadScalar

scalars = st.integers(0, ORDER - 1).map(Scalar)
BASE = edwards.encode(edwards.BASE)
SMALL = [edwards.encode(point) for point in edwards.TORSION]
# y ≥ p names a y that has a smaller name too.
NON_CANONICAL = [(edwards.P + y).to_bytes(32, "little") for y in range(19)]
SIGNED = [(1 << 255 | edwards.P + y).to_bytes(32, "little") for y in range(19)]
OFF_CURVE = (2).to_bytes(32, "little")


def test_h_is_the_published_hash_to_the_group() -> None:
    assert H.hex() == KNOWN["h"]
    assert crypto_core_ed25519_from_uniform(sha256(b"cv1/pedersen-h").digest()) == H


def test_h_and_g_are_points_of_the_prime_order_group() -> None:
    assert check_point(H) == H
    assert check_point(BASE) == BASE
    assert edwards.times(ORDER, edwards.decode(H)) == edwards.NEUTRAL


def test_order_is_that_of_the_group() -> None:
    assert edwards.times(ORDER, edwards.BASE) == edwards.NEUTRAL
    assert ORDER == edwards.ORDER


def test_there_are_eight_points_of_small_order() -> None:
    assert len(set(SMALL)) == 8
    assert IDENTITY in SMALL


@pytest.mark.parametrize("raw", SMALL, ids=bytes.hex)
def test_point_of_small_order_is_refused(raw: bytes) -> None:
    with pytest.raises(BadPoint):
        check_point(raw)


@pytest.mark.parametrize("torsion", edwards.TORSION[1:], ids=lambda p: edwards.encode(p).hex()[:8])
@pytest.mark.parametrize("point", [edwards.BASE, edwards.decode(H)], ids=["g", "h"])
def test_point_of_mixed_order_is_refused(point: edwards.Affine, torsion: edwards.Affine) -> None:
    # CVE-2025-69277: libsodium took some of these before PyNaCl 1.6.2.
    with pytest.raises(BadPoint):
        check_point(edwards.encode(edwards.add(point, torsion)))


@pytest.mark.parametrize("raw", [*NON_CANONICAL, *SIGNED], ids=bytes.hex)
def test_non_canonical_encoding_is_refused(raw: bytes) -> None:
    with pytest.raises(BadPoint):
        check_point(raw)


def test_point_off_the_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="off the curve"):
        edwards.decode(OFF_CURVE)
    with pytest.raises(BadPoint):
        check_point(OFF_CURVE)


def test_all_ones_is_refused() -> None:
    with pytest.raises(BadPoint):
        check_point(b"\xff" * 32)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_point_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(BadPoint):
        check_point(bytes(H[:1]) * size)


@settings(max_examples=60)
@given(st.binary(min_size=32, max_size=32))
def test_any_32_bytes_are_a_prime_order_point_or_refused(raw: bytes) -> None:
    try:
        point = edwards.decode(raw)
        prime = point != edwards.NEUTRAL and edwards.times(ORDER, point) == edwards.NEUTRAL
        wanted = prime and edwards.encode(point) == raw
    except ValueError:
        wanted = False
    try:
        check_point(raw)
        found = True
    except BadPoint:
        found = False
    assert found == wanted


@given(scalars)
def test_scalar_survives_its_bytes(scalar: Scalar) -> None:
    assert read_scalar(write_scalar(scalar)) == scalar


@pytest.mark.parametrize("number", [ORDER, ORDER + 1, 2 * ORDER, 2**255, 2**256 - 1])
def test_scalar_that_is_not_reduced_is_refused(number: int) -> None:
    with pytest.raises(BadScalar):
        read_scalar(number.to_bytes(32, "little"))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_scalar_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(BadScalar):
        read_scalar(bytes(size))


@settings(max_examples=20)
@given(scalars, scalars)
def test_commitment_is_total_g_plus_rho_h_by_plain_arithmetic(total: Scalar, rho: Scalar) -> None:
    left = edwards.times(total, edwards.BASE)
    right = edwards.times(rho, edwards.decode(H))
    assert commit(total, rho) == edwards.encode(edwards.add(left, right))


@settings(max_examples=20)
@given(scalars, scalars, scalars, scalars)
def test_commitments_add_up(t1: Scalar, r1: Scalar, t2: Scalar, r2: Scalar) -> None:
    both = commit((t1 + t2) % ORDER, Scalar((r1 + r2) % ORDER))
    assert add_points([commit(t1, r1), commit(t2, r2)]) == both


def test_commitment_to_zero_is_rho_h_alone() -> None:
    assert commit(0, Scalar(1)) == H
    assert commit(1, Scalar(0)) == BASE


def test_commitment_to_zero_without_blinding_is_the_identity_and_never_received() -> None:
    assert commit(0, Scalar(0)) == IDENTITY
    with pytest.raises(BadPoint):
        check_point(commit(0, Scalar(0)))


def test_no_points_add_up_to_the_identity() -> None:
    assert add_points([]) == IDENTITY
    assert add_points([Point(BASE)]) == BASE
