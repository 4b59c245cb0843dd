"""The text of a key: its check finds slips, and a scanner finds keys."""

from __future__ import annotations

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api_key import KEY_PATTERN, NotAKey, hide_keys, id_of, new_key

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def slow_check(body: str) -> str:
    """The published rule, digit by digit."""
    number = zlib.crc32(body.encode())
    return "".join(ALPHABET[number // 62**power % 62] for power in range(5, -1, -1))


def test_a_key_has_the_published_form() -> None:
    key = new_key("test")
    assert re.fullmatch(r"ttb_test_[a-z2-7]{16}_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}", key.text)
    assert re.fullmatch(KEY_PATTERN, key.text)
    assert key.text[-6:] == slow_check(key.text[:-6])
    assert (id_of(key.text), key.key_id.removeprefix("key_") in key.text) == (key.key_id, True)
    assert key.text not in repr(key)


def test_no_two_keys_are_alike() -> None:
    keys = [new_key() for _ in range(200)]
    assert len({key.text for key in keys}) == len({key.key_id for key in keys}) == 200


@given(place=st.integers(0, 76), letter=st.sampled_from(ALPHABET + "_-"))
def test_one_changed_character_is_found(place: int, letter: str) -> None:
    text = new_key().text
    changed = text[:place] + letter + text[place + 1 :]
    if changed != text:
        with pytest.raises(NotAKey) as error:
            id_of(changed)
        assert changed[30:60] not in str(error.value)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t[1:], lambda t: t + "\n", lambda t: "", lambda t: t * 2]
)
def test_a_cut_or_longer_text_is_none(change: object) -> None:
    with pytest.raises(NotAKey, match="missing or changed character"):
        id_of(change(new_key().text))  # type: ignore[operator]


def test_neighbours_that_change_places_are_found() -> None:
    text = new_key().text
    for place in range(25, 69):
        swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        if swapped != text:
            with pytest.raises(NotAKey):
                id_of(swapped)


def test_keys_are_hidden_in_any_text_also_when_cut() -> None:
    text = new_key().text
    for given_text in (text, f"a={text}&b", f"Bearer {text}", text[:50]):
        assert text[26:40] not in hide_keys(given_text)
        assert text[:25] in hide_keys(given_text), "the id stays: it says which key to revoke"
