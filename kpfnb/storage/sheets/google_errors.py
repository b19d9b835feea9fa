"""What goes wrong with Google: what will pass is tried again for a while, the rest is said."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from kpfnb.core.errors import InvalidInputError, InvalidSettingsError, ServiceUnavailableError

T = TypeVar("T")

SHARE_HINT = "check its name, and that it is shared with the account of KPFNB_SHEET_CREDENTIALS"
FIRST_DELAY_SECONDS = 1.0
MAX_DELAY_SECONDS = 32.0

_log = logging.getLogger(__name__)


class TransientGoogleError(ServiceUnavailableError):
    """Google is busy, has trouble of its own, or does not answer.

    rest_seconds : what it asks to wait, 0 where it says nothing
    """

    retry_after_seconds = 0.0


def retry_transient(call: Callable[[], T], name: str, patience_seconds: float) -> T:
    """Do something with the spreadsheet `name`; again after trouble that passes, more and more
    seldom, until `patience_seconds` are over. `call` must bear being repeated.

    Raises
    ------
    ServiceUnavailableError : it did not pass
    InvalidInputError, InvalidSettingsError : it never will
    """
    from tenacity import (
        RetryCallState,
        Retrying,
        retry_if_exception_type,
        stop_before_delay,
        wait_random_exponential,
    )

    growing = wait_random_exponential(multiplier=FIRST_DELAY_SECONDS, max=MAX_DELAY_SECONDS)

    def rest(state: RetryCallState) -> float:
        asked = state.outcome.exception() if state.outcome else None
        return max(
            growing(state),
            asked.retry_after_seconds if isinstance(asked, TransientGoogleError) else 0,
        )

    def tell(state: RetryCallState) -> None:
        if state.outcome and state.next_action:
            _log.info("%s; again in %.0f s", state.outcome.exception(), state.next_action.sleep)

    def attempt() -> T:
        with _translate_errors(name):
            return call()

    return Retrying(
        retry=retry_if_exception_type(TransientGoogleError),
        wait=rest,
        stop=stop_before_delay(patience_seconds),
        before_sleep=tell,
        reraise=True,
    )(attempt)


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    """Errors of gspread, requests and Google's login as kpfnb's own; none shows a secret."""
    import requests
    from google.auth.exceptions import GoogleAuthError, TransportError
    from gspread.exceptions import APIError, GSpreadException

    try:
        yield
    except APIError as error:
        raise _classify_response(
            name, error.response, str(error.error.get("message", ""))
        ) from None
    except (requests.RequestException, TransportError) as error:
        raise _transient_error(f"Google does not answer ({type(error).__name__})") from None
    except GoogleAuthError as error:
        raise InvalidSettingsError(
            f"Google refuses the credentials ({type(error).__name__})",
            "check the key that KPFNB_SHEET_CREDENTIALS names, and the clock of this machine",
        ) from None
    except (GSpreadException, PermissionError) as error:
        raise InvalidInputError(
            f"can't use spreadsheet {name!r} ({type(error).__name__})", SHARE_HINT
        ) from None


def _classify_response(
    name: str, response: Any, message: str
) -> InvalidInputError | TransientGoogleError:
    code = response.status_code
    told = f"spreadsheet {name!r}: {code} {message[:200]}".strip()
    busy = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
    if code in busy or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _transient_error(told, response.headers.get("Retry-After", ""))
    return InvalidInputError(told, SHARE_HINT)


def _transient_error(what: str, asked: str = "") -> TransientGoogleError:
    error = TransientGoogleError(what, "try again later")
    error.retry_after_seconds = float(asked) if asked.isdigit() else 0.0
    return error
