import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac import keyring
from celeriac.errors import ConfigurationError, DecodeError, MissingExtra, SecurityError
from celeriac.keyring import Keyring, Secrets, Security, check_keys, is_sealed, place_of, refusal, refused
from tests.imports import without

OLD, NEW, OTHERS = "old-" * 8, "new-" * 8, "other" * 8
PLACE = place_of("call", "task-1", "shop.add")
WAYS = pytest.mark.parametrize("encrypt", [False, True], ids=["signed", "encrypted"])


@WAYS
@pytest.mark.parametrize("body", [b"", b"[[1],{}]", bytes(range(256))])
def test_what_was_sealed_is_opened_again(encrypt, body):
    ring = Keyring([OLD], encrypt=encrypt)

    sealed = ring.seal(PLACE, body)

    assert is_sealed(sealed)
    assert ring.open(PLACE, sealed) == body
    assert ring.seal(PLACE, body) == sealed  # so that a store may be told the same thing twice


def test_what_is_encrypted_shows_nothing_of_its_body():
    assert b"secret" not in Keyring([OLD], encrypt=True).seal(PLACE, b"a secret")
    assert b"secret" in Keyring([OLD]).seal(PLACE, b"a secret")


@WAYS
@pytest.mark.parametrize(
    "place",
    [
        place_of("call", "task-2", "shop.add"),
        place_of("call", "task-1", "shop.pay"),
        place_of("result", "task-1", "shop.add"),
        place_of("call", "task-1 shop.add"),
        place_of("call", "", "task-1 shop.add"),
    ],
)
def test_what_was_sealed_for_one_place_is_worth_nothing_in_another(encrypt, place):
    ring = Keyring([OLD], encrypt=encrypt)

    with pytest.raises(SecurityError, match="moved here from elsewhere"):
        ring.open(place, ring.seal(PLACE, b"[[1],{}]"))


@WAYS
def test_a_single_changed_bit_is_noticed(encrypt):
    ring = Keyring([OLD], encrypt=encrypt)
    sealed = ring.seal(PLACE, b"[[1],{}]")

    for position in range(1, len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[position] ^= 1 << bit
            with pytest.raises(SecurityError):
                ring.open(PLACE, bytes(changed))
    for length in range(len(sealed)):
        with pytest.raises(SecurityError):
            ring.open(PLACE, sealed[:length])


@WAYS
def test_keys_are_changed_without_a_gap(encrypt):
    before, between = Keyring([OLD], encrypt=encrypt), Keyring([OLD, NEW], encrypt=encrypt)
    after, at_last = Keyring([NEW, OLD], encrypt=encrypt), Keyring([NEW], encrypt=encrypt)

    for sender, reader in [(before, between), (between, before), (between, after), (after, between)]:
        assert reader.open(PLACE, sender.seal(PLACE, b"1")) == b"1"
    with pytest.raises(SecurityError, match="no longer, among security_keys"):
        at_last.open(PLACE, before.seal(PLACE, b"1"))


def test_who_signs_reads_what_others_encrypt_and_the_other_way_round():
    signs, encrypts = Keyring([OLD]), Keyring([OLD], encrypt=True)

    assert signs.open(PLACE, encrypts.seal(PLACE, b"1")) == b"1"
    assert encrypts.open(PLACE, signs.seal(PLACE, b"1")) == b"1"


def test_a_signature_cannot_be_passed_off_as_encryption():
    signed = Keyring([OLD]).seal(PLACE, b"x" * 40)

    with pytest.raises(SecurityError):
        Keyring([OLD]).open(PLACE, signed[:1] + b"e" + signed[2:])


@given(st.binary(max_size=80), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_whatever_bytes_there_are_they_are_refused(data, kind, owner, name):
    with pytest.raises(SecurityError):
        Keyring([OLD]).open(place_of(kind, owner, name), b"\xc1" + data)


@given(*[st.text(max_size=6)] * 4)
def test_two_places_never_have_one_name(owner, name, other_owner, other_name):
    same = (owner, name) == (other_owner, other_name)

    assert (place_of("call", owner, name) == place_of("call", other_owner, other_name)) is same


def test_encryption_without_its_library_says_what_to_install(monkeypatch):
    encrypted = Keyring([OLD], encrypt=True).seal(PLACE, b"1")
    without(monkeypatch, "cryptography")

    with pytest.raises(MissingExtra, match=r"pip install 'celeriac\[encryption\]'"):
        Keyring([OLD], encrypt=True)
    with pytest.raises(SecurityError, match=r"it is encrypted: .*celeriac\[encryption\]"):
        Keyring([OLD]).open(PLACE, encrypted)


@pytest.mark.parametrize(
    ("keys", "why"), [(["short"], "key 1 has 5 characters"), ([OLD, OLD], "has a key twice")]
)
def test_a_key_that_is_weak_is_refused_and_not_shown(keys, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        check_keys("security_keys", keys)

    assert keys[0] not in str(caught.value)


def test_keys_do_not_show_themselves():
    secrets = Secrets([OLD, NEW])

    assert OLD not in f"{secrets!r} {secrets} {Security(secrets)!r} {Keyring(secrets)!r}"
    assert pickle.loads(pickle.dumps(secrets)) == (OLD, NEW)


def test_a_refusal_keeps_what_was_refused():
    kept = refusal("its seal\0is broken", b"\xc1s\0whatever")

    assert refused(kept) == b"\xc1s\0whatever"
    assert refused(b"[[],{}]") is None


def test_a_broken_seal_counts_as_broken_bytes():
    assert issubclass(SecurityError, DecodeError)
    assert keyring.SHORTEST_KEY == 32
