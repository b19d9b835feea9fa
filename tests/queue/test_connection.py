"""Passwords, TLS, and servers that do not answer."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kpfnb.core.errors import InvalidSettingsError, ServiceUnavailableError
from kpfnb.queue import connection
from kpfnb.queue.client import Queue
from tests.queue.conftest import redis_62


def test_the_embedded_server_starts_when_it_is_needed(embedded: None) -> None:
    with connection.connect_to_server() as client:
        assert client.ping()


@pytest.fixture
def guarded(isolated: Path) -> Iterator[Path]:
    """The socket of a server with the password sesame."""
    process = redis_62(isolated)
    yield isolated / "s"
    process.terminate()
    process.wait()


def test_a_wrong_password_is_refused_and_never_shown(
    guarded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_REDIS_URL", f"unix://:open-barley@{guarded}")
    with pytest.raises(ServiceUnavailableError, match="password") as caught:
        connection.connect_to_server()
    assert "barley" not in str(caught.value)


def test_tls_is_checked(guarded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path)
    with Tls(certificate, guarded) as port:
        url = f"rediss://:sesame@127.0.0.1:{port}/0"
        monkeypatch.setenv("KPFNB_REDIS_URL", f"{url}?ssl_ca_certs={certificate}")
        with Queue("trial") as queue:
            assert queue.load(["a"]).new == ("a",)
        monkeypatch.setenv("KPFNB_REDIS_URL", url)
        with pytest.raises(ServiceUnavailableError, match="certificate verify failed"):
            connection.connect_to_server()


def test_a_server_that_does_not_answer_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("KPFNB_REDIS_URL", f"redis://:sesame@127.0.0.1:{port}/0")
    with pytest.raises(
        ServiceUnavailableError, match=f"127.0.0.1:{port} does not answer"
    ) as caught:
        Queue("trial")
    assert "sesame" not in str(caught.value)
    assert "KPFNB_REDIS_URL" in caught.value.hint


@pytest.mark.parametrize("url", ["sesame", "redis://:sesame@host:port/0", "http://:sesame@host"])
def test_a_url_that_can_not_be_read_is_not_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_REDIS_URL", url)
    with pytest.raises(InvalidSettingsError, match="can't be read") as caught:
        connection.connect_to_server()
    assert "sesame" not in str(caught.value)


def make_certificate(directory: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "queue")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    path = directory / "queue.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


class Tls:
    """TLS in front of a server on a socket: the servers from wheels are built without it."""

    def __init__(self, certificate: Path, backend: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._backend = backend
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> int:
        self._run(self._accept)
        return int(self._listener.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _run(self, target, *arguments) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                self._run(self._serve, plain)

    def _serve(self, plain: socket.socket) -> None:
        with (
            suppress(OSError),
            plain,
            socket.socket(socket.AF_UNIX) as back,
            self._context.wrap_socket(plain, server_side=True) as front,
        ):
            back.connect(str(self._backend))
            # The client sends and waits for the answer; one thread is enough for both directions
            while data := front.recv(65536):
                back.sendall(data)
                front.sendall(back.recv(65536))
