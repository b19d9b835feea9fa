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
    with signals.defer_interrupts() as came:
        signal.raise_signal(signal.SIGINT)
        assert came == [signal.SIGINT]
        came.clear()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_the_block_is_what_is_raised() -> None:
    with pytest.raises(OSError, match="full"), signals.defer_interrupts():
        signal.raise_signal(signal.SIGINT)
        raise OSError("full")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_nothing_is_done() -> None:
    found = []

    def work() -> None:
        with signals.defer_interrupts() as came:
            found.append((came, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [([], signal.default_int_handler)]
