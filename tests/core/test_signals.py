from __future__ import annotations

import signal
import threading

import pytest

from kpfnb.core import signals


def test_an_interrupt_is_handled_after_the_block() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), signals.defer_interrupts():
        signal.raise_signal(signal.SIGINT)
        done.append("all")
    assert done == ["all"]


def test_an_interrupt_handled_in_the_block_is_not_raised() -> None:
    with signals.defer_interrupts() as received:
        signal.raise_signal(signal.SIGINT)
        assert received == [signal.SIGINT]
        received.clear()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_the_block_is_what_is_raised() -> None:
    with pytest.raises(OSError, match="full"), signals.defer_interrupts():
        signal.raise_signal(signal.SIGINT)
        raise OSError("full")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_nothing_is_done() -> None:
    seen = []

    def work() -> None:
        with signals.defer_interrupts() as received:
            seen.append((received, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [([], signal.default_int_handler)]


def test_a_signal_is_handled_in_the_block_only() -> None:
    received: list[int] = []
    with signals.handle_signals(lambda number, _: received.append(number), signal.SIGTERM):
        signal.raise_signal(signal.SIGTERM)
    assert received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_ignored_signal_stays_ignored() -> None:
    received: list[int] = []
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.handle_signals(lambda number, _: received.append(number), signal.SIGHUP):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, former)
    assert not received
