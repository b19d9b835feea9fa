"""Errors of Google: transient ones are retried for a while, all others become kpfnb's own."""

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
    """Google is busy, has an internal error, or does not answer.

    Attributes
    ----------
    retry_after_seconds : the wait that Google requests; 0 if none
    """

    retry_after_seconds = 0.0


def retry_transient(call: Callable[[], T], name: str, retry_seconds: float) -> T:
    """Call a function of the spreadsheet `name`, and retry it after transient errors.

    The delay grows from attempt to attempt.

    Parameters
    ----------
    call : a function that may be repeated
    retry_seconds : no attempt begins after this time

    Raises
    ------
    ServiceUnavailableError : the error did not go away
    InvalidInputError, InvalidSettingsError : the error is not transient
    """
    from tenacity import (
        RetryCallState,
        Retrying,
        retry_if_exception_type,
        stop_before_delay,
        wait_random_exponential,
    )

    growing_delay = wait_random_exponential(multiplier=FIRST_DELAY_SECONDS, max=MAX_DELAY_SECONDS)

    def delay(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        requested = error.retry_after_seconds if isinstance(error, TransientGoogleError) else 0
        return max(growing_delay(state), requested)

    def log_retry(state: RetryCallState) -> None:
        if state.outcome and state.next_action:
            _log.info("%s; retry in %.0f s", state.outcome.exception(), state.next_action.sleep)

    def attempt() -> T:
        with _translate_errors(name):
            return call()

    return Retrying(
        retry=retry_if_exception_type(TransientGoogleError),
        wait=delay,
        stop=stop_before_delay(retry_seconds),
        before_sleep=log_retry,
        reraise=True,
    )(attempt)


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    """Turn errors of gspread, requests and Google's login into kpfnb's; none shows a secret."""
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
    text = f"spreadsheet {name!r}: {code} {message[:200]}".strip()
    busy = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
    if code in busy or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _transient_error(text, response.headers.get("Retry-After", ""))
    return InvalidInputError(text, SHARE_HINT)


def _transient_error(what: str, retry_after: str = "") -> TransientGoogleError:
    error = TransientGoogleError(what, "try again later")
    error.retry_after_seconds = float(retry_after) if retry_after.isdigit() else 0.0
    return error
