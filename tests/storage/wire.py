"""A TCP proxy to a server that can cut connections, or answer in the server's place."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Wire:
    """Listens on `port` of this machine and forwards all bytes.

    Attributes
    ----------
    cuts : number of further connections to cut, each after `cut_after` bytes
    answer_to_put : sent instead of the server's answer to a PUT, if it is set
    passed : bytes forwarded, in both directions
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.cuts = 0
        self.cut_after = 0
        self.cuts_made = 0
        self.answer_to_put = b""
        self.passed = 0
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *error: object) -> None:
        # A thread in accept is only woken by a shutdown
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._open:
            _hang_up(connection)
        for thread in self._threads:
            thread.join(10)
        for connection in self._open:
            connection.close()

    def _start(self, function: object, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            self._open += [near, far]
            count = [0]
            self._start(self._pump, near, far, count)
            self._start(self._pump, far, near, count)

    def _pump(self, receiver: socket.socket, sender: socket.socket, count: list[int]) -> None:
        with suppress(OSError):
            while data := receiver.recv(65536):
                if self.answer_to_put and data.startswith(b"PUT "):
                    receiver.sendall(self.answer_to_put)
                    break
                if self._is_cut(len(data), count):
                    break
                sender.sendall(data)
        _hang_up(receiver)
        _hang_up(sender)

    def _is_cut(self, size: int, count: list[int]) -> bool:
        with self._lock:
            self.passed += size
            count[0] += size
            if self.cuts and count[0] > self.cut_after:
                self.cuts -= 1
                self.cuts_made += 1
                return True
            return False


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
