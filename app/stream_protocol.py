"""uvicorn's WebSocket protocol, with writes that are cheap and a close that never waits.

ASGI has one way to write, which makes a frame anew for every connection and waits for the socket, and a close that
waits behind it. A reader that has stopped to read would keep both waiting for ever. So the stream writes frames to the
transport itself, which never waits, and stops where the transport says that it holds enough.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from services.streaming.close import CloseCode

EXTENSION = "trimtab.socket"
"""Key of the scope's extensions under which a route finds its `StreamSocket`."""
LAST_SECONDS = 1.0
"""Time for a close frame to leave before the transport is aborted."""
_TEXT = 0x81
"""First byte of a text message in one frame (RFC 6455 §5.2)."""
_LOGGER = logging.getLogger("uvicorn.stream")


class StreamSocket:
    """The socket of one WebSocket connection; nothing here waits.

    Attributes
    ----------
    on_room : callable
        Told with False when the socket takes no more, and with True when it does again.
    on_shutdown : callable, optional
        Told when the server ends; it closes the connection soon. Without it the connection is closed at once.
    """

    __slots__ = ("_protocol", "on_room", "on_shutdown")

    def __init__(self, protocol: StreamProtocol) -> None:
        self._protocol = protocol
        self.on_shutdown: Callable[[], None] | None = None
        self.on_room: Callable[[bool], None] = lambda room: None

    @property
    def has_room(self) -> bool:
        """Whether the socket takes more."""
        protocol = self._protocol
        return protocol.writable.is_set() and not (protocol.close_sent or protocol.transport.is_closing())

    def write(self, text: bytes) -> None:
        """Send a text message, in one frame."""
        self._protocol.transport.write(frame_head(len(text)) + text)

    def cut(self, code: int, reason: str) -> None:
        """Send a close frame, wait for nothing, and abort soon."""
        protocol = self._protocol
        if protocol.close_sent or protocol.disconnected:
            return
        with contextlib.suppress(InvalidState):
            protocol.conn.send_close(code, reason)
            protocol.transport.write(b"".join(protocol.conn.data_to_send()))
        protocol.close_sent = True
        protocol.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if protocol.read_paused:  # for the close frame of the client
            protocol.read_paused = False
            protocol.transport.resume_reading()
        protocol.close_timer = protocol.loop.call_later(LAST_SECONDS, protocol.transport.abort)

    def limit_send_buffer(self, size: int) -> None:
        """Let the kernel hold about `size` bytes that are not read."""
        found = self._protocol.transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)


class StreamProtocol(WebSocketsSansIOProtocol):
    """Gives every connection its `StreamSocket`. Writes no URL to the log: somebody might put a key into one."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.logger = self.conn.logger = _LOGGER
        self.stream = StreamSocket(self)

    def handle_connect(self, event: Any) -> None:
        """Begin a connection."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self.stream

    def pause_writing(self) -> None:
        """More waits for the client than the transport likes to hold."""
        super().pause_writing()
        self.stream.on_room(False)

    def resume_writing(self) -> None:
        """It was read."""
        super().resume_writing()
        self.stream.on_room(True)

    def shutdown(self) -> None:
        """The server ends, and waits for its connections for a while."""
        if self.stream.on_shutdown is None or self.close_sent:
            super().shutdown()
        else:
            self.stream.on_shutdown()

    def keepalive_timeout(self) -> None:
        """A ping was not answered."""
        if not self.close_sent:
            self.stream.cut(CloseCode.NO_PONG, CloseCode.NO_PONG.reason())


def frame_head(length: int) -> bytes:
    """Head of a text message of `length` bytes, in one frame and without a mask (RFC 6455 §5.2).

    Examples
    --------
    >>> frame_head(5).hex(), frame_head(126).hex(), frame_head(65_536).hex()
    ('8105', '817e007e', '817f0000000000010000')
    """
    if length < 126:
        return bytes((_TEXT, length))
    if length < 65_536:
        return bytes((_TEXT, 126)) + length.to_bytes(2)
    return bytes((_TEXT, 127)) + length.to_bytes(8)
