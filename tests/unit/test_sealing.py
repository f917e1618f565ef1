"""Secrets at rest open for their owner under a known key, and for nobody else."""

from __future__ import annotations

import pytest

from connectors.sealing import Sealer
from streams.domain.errors import CorruptState

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_was_sealed_opens_for_its_owner() -> None:
    sealer = Sealer([NEW])

    sealed = sealer.seal(b"secret", "ep_one")

    assert sealer.unseal(sealed, "ep_one") == b"secret"
    assert b"secret" not in sealed.encode()


def test_a_sealed_value_that_is_moved_to_another_owner_does_not_open() -> None:
    sealer = Sealer([NEW])

    with pytest.raises(CorruptState, match="ep_two"):
        sealer.unseal(sealer.seal(b"secret", "ep_one"), "ep_two")


def test_the_same_secret_is_never_sealed_alike() -> None:
    sealer = Sealer([NEW])

    assert sealer.seal(b"secret", "ep_one") != sealer.seal(b"secret", "ep_one")


def test_after_a_rotation_the_old_key_still_opens_and_the_new_one_seals() -> None:
    before, after = Sealer([OLD]), Sealer([NEW, OLD])

    assert after.unseal(before.seal(b"secret", "ep_one"), "ep_one") == b"secret"
    with pytest.raises(CorruptState, match="not known"):
        before.unseal(after.seal(b"secret", "ep_one"), "ep_one")


@pytest.mark.parametrize("change", ["s2.", "", "s1.", "s1.00000000.AAAA", "s1..", "."])
def test_text_that_was_not_sealed_here_is_corrupt_state(change: str) -> None:
    with pytest.raises(CorruptState):
        Sealer([NEW]).unseal(change, "ep_one")


@pytest.mark.parametrize("cut", [1, 8, 30])
def test_sealed_text_that_was_cut_or_changed_is_corrupt_state(cut: int) -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal(b"secret", "ep_one")

    for damaged in (sealed[:-cut], sealed[:-cut] + "A" * cut, sealed + "é"):
        with pytest.raises(CorruptState):
            sealer.unseal(damaged, "ep_one")


def test_keys_for_different_purposes_differ_and_are_the_same_again() -> None:
    assert Sealer([NEW]).derive("a") == Sealer([NEW, OLD]).derive("a")
    assert Sealer([NEW]).derive("a") != Sealer([NEW]).derive("b")


@pytest.mark.parametrize("keys", [[], [b"short"], [NEW, b"short"]])
def test_a_short_master_key_is_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(keys)


def test_a_sealer_does_not_show_its_keys() -> None:
    assert "nnnn" not in repr(Sealer([NEW]))
