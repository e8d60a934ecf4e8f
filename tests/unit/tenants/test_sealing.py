"""Secrets at rest: what opens, and what does not."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.ids import AppId, TenantId
from tenants.sealing import CannotOpen, MasterKeys, Owner, Sealed

OLD, NEW = bytes(32), b"n" * 32
OWNER = Owner(TenantId(1), AppId(2), "k")


@given(st.binary(min_size=1, max_size=200))
def test_what_was_sealed_opens_for_its_owner_alone(secret: bytes) -> None:
    """A row copied to another tenant, app or key opens nothing."""
    keys = MasterKeys({"1": OLD})
    sealed = keys.seal(secret, OWNER)
    assert keys.open(sealed, OWNER) == secret
    assert secret not in sealed.secret or len(secret) < 4
    for other in (
        Owner(TenantId(9), AppId(2), "k"),
        Owner(TenantId(1), AppId(9), "k"),
        Owner(TenantId(1), AppId(2), "x"),
    ):
        with pytest.raises(CannotOpen):
            keys.open(sealed, other)


def test_the_master_key_is_turned_without_touching_the_secret() -> None:
    """The old key opens until all is under the new one, and then it is needed no more."""
    old = MasterKeys({"1": OLD}).seal(b"secret", OWNER)
    both, new = MasterKeys({"2": NEW, "1": OLD}), MasterKeys({"2": NEW})
    assert both.open(old, OWNER) == b"secret"
    turned = both.reseal(old, OWNER)
    assert (turned.secret, turned.master) == (old.secret, "2")
    assert new.open(turned, OWNER) == b"secret"
    for keys, sealed in (
        (new, old),
        (MasterKeys({"1": OLD}), turned),
        (new, Sealed(turned.secret, turned.key[::-1], "2")),
    ):
        with pytest.raises(CannotOpen):
            keys.open(sealed, OWNER)


@pytest.mark.parametrize("text", ["", "1", "1:", "1:AAAA", "1:!", f"1:{'A' * 43}=,1:{'A' * 43}=", f"a b:{'A' * 43}="])
def test_master_keys_that_are_none_are_refused(text: str) -> None:
    """Each has a version of its own and 32 bytes; the versions alone are shown."""
    with pytest.raises(ValueError, match=r"key"):
        MasterKeys.parse(text)
    good = base64.b64encode(NEW).decode()
    assert repr(MasterKeys.parse(f"2:{good}, 1:{base64.b64encode(OLD).decode()}")) == "MasterKeys(2, 1)"
