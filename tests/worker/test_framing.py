"""Messages come out of a stream as they went in, however it was cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.worker.framing import Frames, framed


@given(texts=st.lists(st.binary(max_size=40)), pieces=st.lists(st.integers(1, 30), min_size=1))
def test_messages_come_whole_and_in_order_whatever_pieces_the_stream_comes_in(texts, pieces):
    stream = b"".join(framed(text) for text in texts)
    frames, heard = Frames(100), []
    while stream:
        size = pieces[len(stream) % len(pieces)]
        frames.add(stream[:size])
        stream = stream[size:]
        while (text := frames.take()) is not None:
            heard.append(text)
    assert heard == texts


def test_a_length_that_none_can_have_is_refused_before_the_message_has_come():
    frames = Frames(10)
    frames.add(framed(b"x" * 10) + framed(b"x" * 11)[:4])
    assert frames.take() == b"x" * 10
    with pytest.raises(ValueError, match="up to 10 bytes"):
        frames.take()
