"""Keys, and what counts as one client."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.auth.api_keys import ApiKeys


@given(st.text(string.printable, min_size=16, max_size=40), st.text(string.printable, max_size=40))
def test_only_the_key_is_the_key(key, other):
    keys = ApiKeys([key])

    assert keys.is_authorised({b"x-api-key": other.encode()}) == (other.strip() == key)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param("2001:db8::1", "2001:db8::2", True, id="one-ipv6-network"),
        pytest.param("2001:db8::1", "2001:db8:0:1::1", False, id="two-ipv6-networks"),
        pytest.param("192.0.2.1", "192.0.2.2", False, id="two-ipv4-addresses"),
        pytest.param("unix", "unix", True, id="no-address"),
    ],
)
def test_without_keys_a_client_is_its_network(first, second, same):
    keys = ApiKeys()

    assert (keys.client({}, first) == keys.client({}, second)) == same


def test_with_keys_a_client_is_its_key():
    keys = ApiKeys(["0123456789abcdef"])
    one, other = {b"x-api-key": b"a"}, {b"authorization": b"Bearer a"}

    assert keys.client(one, "192.0.2.1") == keys.client(other, "192.0.2.2")
    assert keys.client(one, "192.0.2.1") != keys.client({b"x-api-key": b"b"}, "192.0.2.1")
