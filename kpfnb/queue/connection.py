"""Connection to the queue's server: the one in the settings, or the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kpfnb.core import settings
from kpfnb.core.errors import InvalidSettingsError, KpfnbError, ServiceUnavailableError

if TYPE_CHECKING:
    from redis import Redis

CONNECT_SECONDS = 5
ANSWER_SECONDS = 30
"""Longer than any wait for work."""
RETRIES = 3
_HINT = "check KPFNB_REDIS_URL, written as redis://:PASSWORD@HOST:PORT/0 (rediss:// for TLS)"


def connect_to_server() -> Redis:
    """Connect to the queue's server; the embedded one is started if necessary.

    A password and TLS are parts of the URL: `rediss://:PASSWORD@HOST:6379/0?ssl_ca_certs=ca.pem`.

    Raises
    ------
    InvalidSettingsError : the URL can't be read
    ServiceUnavailableError : the server does not answer, or refuses the password
    """
    from redis import Redis
    from redis.backoff import ExponentialWithJitterBackoff
    from redis.retry import Retry

    try:
        client: Redis = Redis.from_url(
            _server_url(),
            decode_responses=True,
            # A file's name need not be UTF-8, but an error that names it must still be reported
            encoding_errors="replace",
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), RETRIES),
        )
    except ValueError:
        # Its message may hold the URL and so the password
        raise InvalidSettingsError("the URL of the queue server can't be read", _HINT) from None
    with translate_errors():
        client.ping()
    return client


def restart_server() -> None:
    """Restart the embedded server if it died; a server in the settings is not touched."""
    if settings.load_settings().redis_url is None:
        from kpfnb.compute.services import valkey

        # The caller tries again anyway
        with suppress(KpfnbError):
            valkey.restart_if_dead()


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn errors of the connection or server into `ServiceUnavailableError`s that name it."""
    from redis import RedisError, exceptions

    try:
        yield
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        raise ServiceUnavailableError(
            f"{_server_name()} does not answer: {error}", _HINT
        ) from error
    except RedisError as error:
        raise ServiceUnavailableError(
            f"{_server_name()} refuses: {error}", "see its log"
        ) from error


def _server_url() -> str:
    url = settings.load_settings().redis_url
    if url:
        return url.get_secret_value()
    from kpfnb.compute.services import valkey

    return valkey.start_and_get_url()


def _server_name() -> str:
    url = settings.load_settings().redis_url
    if not url:
        return "the embedded queue server"
    parts = urlsplit(url.get_secret_value())
    return f"the queue server {parts.hostname or parts.path}:{parts.port or 6379}"
