"""What goes wrong with Google: what will pass is tried again for a while, the rest is said."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from kpfnb.errors import BadInput, BadSettings, ServiceUnavailable

T = TypeVar("T")

SHARE = "check its name, and that it is shared with the account of KPFNB_SHEET_CREDENTIALS"
FIRST_REST_SECONDS = 1.0
LONGEST_REST_SECONDS = 32.0

_log = logging.getLogger(__name__)


class Passing(ServiceUnavailable):
    """Google is busy, has trouble of its own, or does not answer.

    rest_seconds : what it asks to wait, 0 where it says nothing
    """

    rest_seconds = 0.0


def persist(call: Callable[[], T], name: str, patience_seconds: float) -> T:
    """Do something with the spreadsheet `name`; again after trouble that passes, more and more
    seldom, until `patience_seconds` are over. `call` must bear being repeated.

    Raises
    ------
    ServiceUnavailable : it did not pass
    BadInput, BadSettings : it never will
    """
    from tenacity import (
        RetryCallState,
        Retrying,
        retry_if_exception_type,
        stop_before_delay,
        wait_random_exponential,
    )

    growing = wait_random_exponential(multiplier=FIRST_REST_SECONDS, max=LONGEST_REST_SECONDS)

    def rest(state: RetryCallState) -> float:
        asked = state.outcome.exception() if state.outcome else None
        return max(growing(state), asked.rest_seconds if isinstance(asked, Passing) else 0)

    def tell(state: RetryCallState) -> None:
        if state.outcome and state.next_action:
            _log.info("%s; again in %.0f s", state.outcome.exception(), state.next_action.sleep)

    def attempt() -> T:
        with _explained(name):
            return call()

    return Retrying(
        retry=retry_if_exception_type(Passing),
        wait=rest,
        stop=stop_before_delay(patience_seconds),
        before_sleep=tell,
        reraise=True,
    )(attempt)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Errors of gspread, requests and Google's login as kpfnb's own; none shows a secret."""
    import requests
    from google.auth.exceptions import GoogleAuthError, TransportError
    from gspread.exceptions import APIError, GSpreadException

    try:
        yield
    except APIError as error:
        raise _judged(name, error.response, str(error.error.get("message", ""))) from None
    except (requests.RequestException, TransportError) as error:
        raise _passing(f"Google does not answer ({type(error).__name__})") from None
    except GoogleAuthError as error:
        raise BadSettings(
            f"Google refuses the credentials ({type(error).__name__})",
            "check the key that KPFNB_SHEET_CREDENTIALS names, and the clock of this machine",
        ) from None
    except (GSpreadException, PermissionError) as error:
        raise BadInput(f"can't use spreadsheet {name!r} ({type(error).__name__})", SHARE) from None


def _judged(name: str, response: Any, message: str) -> BadInput | Passing:
    code = response.status_code
    told = f"spreadsheet {name!r}: {code} {message[:200]}".strip()
    busy = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
    if code in busy or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _passing(told, response.headers.get("Retry-After", ""))
    return BadInput(told, SHARE)


def _passing(what: str, asked: str = "") -> Passing:
    error = Passing(what, "try again later")
    error.rest_seconds = float(asked) if asked.isdigit() else 0.0
    return error
