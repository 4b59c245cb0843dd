"""Names of channels in Redis: one to one, whatever tenant and subject hold."""

from __future__ import annotations

import string

from hypothesis import example, given
from hypothesis import strategies as st

from app.adapters.bus_codec import channel_key, channel_of
from services.streaming.update import Channel, Kind

TEXT = st.text(st.sampled_from(string.ascii_letters + "é{}:/%*[]?^\\ "), min_size=1, max_size=24)
CHANNELS = st.builds(Channel, TEXT, st.sampled_from([Kind.TARGETS, Kind.VOLATILITY]), TEXT)


@given(CHANNELS)
@example(Channel("a:b", Kind.TARGETS, "c}d{"))
def test_names_read_back(channel: Channel) -> None:
    assert channel_of(channel_key(channel)) == channel


@given(CHANNELS, CHANNELS)
@example(Channel("a", Kind.TARGETS, "b:c"), Channel("a:targets:b", Kind.TARGETS, "c"))
def test_different_channels_have_different_names(one: Channel, other: Channel) -> None:
    assert (channel_key(one) == channel_key(other)) is (one == other)
