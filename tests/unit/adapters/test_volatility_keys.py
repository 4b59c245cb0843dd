"""Key names of volatility states: one to one, whatever a symbol holds."""

from __future__ import annotations

import string

from hypothesis import example, given
from hypothesis import strategies as st

from app.adapters.volatility_keys import key_name, parse_key_name, tenant_prefix
from app.ports import StateKey

TEXT = st.text(st.sampled_from(string.printable + "é{}:/%*[]?^\\"), max_size=24) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=24
)
KEYS = st.builds(StateKey, TEXT.filter(bool), TEXT, TEXT, st.integers(1, 10**9), TEXT)


@given(KEYS)
@example(StateKey("local", "a:b", "BTC/USDT:USDT", 60, "m"))
@example(StateKey("local", "", "{x}", 60, "m"))
@example(StateKey("local", "%3A", "%", 60, "m"))
def test_names_read_back(key: StateKey) -> None:
    assert parse_key_name(key.tenant_id, key_name(key)) == key


@given(KEYS, KEYS)
def test_different_keys_have_different_names(one: StateKey, other: StateKey) -> None:
    names = [tenant_prefix(key.tenant_id) + key_name(key) for key in (one, other)]
    assert (names[0] == names[1]) is (one == other)


@given(KEYS)
def test_the_tenant_is_the_only_hash_tag(key: StateKey) -> None:
    """A cluster hashes what stands between the first pair of braces: the tenant, nothing of the symbol."""
    name = tenant_prefix(key.tenant_id) + key_name(key)
    assert name.count("{") == name.count("}") == 1
    assert name.isascii()
    assert name.isprintable()
    assert " " not in name
