"""Between snapi and the platform: proxies, certificates of a company, and disks that are full."""

import datetime as dt
import ipaddress
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.snapi import fake
from tests.snapi.conftest import KEY, Run
from tests.snapi.test_failures import LIST, SNAPI, assert_one_sentence, environment

EMPTY = {"endpoints": [], "next": None}


# Proxies


@pytest.mark.usefixtures("signed_in")
def test_through_a_proxy(studio: fake.FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is asked for an address that only it can reach."""
    studio.answer("GET", "/api/endpoints", EMPTY)
    monkeypatch.setenv("SNAPI_HOST_NAME", "http://studio.invalid")
    monkeypatch.setenv("HTTP_PROXY", studio.url)
    assert run(*LIST).code == 0
    assert studio.asked[0].headers["host"] == "studio.invalid"
    monkeypatch.setenv("NO_PROXY", "studio.invalid")
    assert_one_sentence(run(*LIST), 3, "cannot be reached")


@pytest.mark.usefixtures("signed_in")
def test_a_proxy_that_is_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert_one_sentence(run(*LIST), 3, "cannot be reached")


@pytest.mark.usefixtures("signed_in")
def test_a_proxy_that_wants_a_password(
    studio: fake.FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.answer("GET", "/api/endpoints", "<h1>Sign in</h1>", 407, kind="text/html")
    monkeypatch.setenv("SNAPI_HOST_NAME", "http://studio.invalid")
    monkeypatch.setenv("HTTP_PROXY", studio.url)
    assert_one_sentence(run(*LIST), 3, "answered 407 with text/html")


# Certificates


@pytest.fixture
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, signed by itself: a file with the certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a company")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "company.pem"
    path.write_bytes(made.public_bytes(pem) + private)
    return path


@pytest.fixture
def secure(certificate: Path, signed_in: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fake.FakeStudio]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with fake.serving(context) as studio:
        monkeypatch.setenv("SNAPI_HOST_NAME", studio.url)
        studio.answer("GET", "/api/endpoints", EMPTY)
        yield studio


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_a_certificate_that_nobody_vouches_for(
    secure: fake.FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("SNAPI_HOST_NAME", secure.url.replace("https", scheme))
    assert_one_sentence(run(*LIST), 3, "CERTIFICATE_VERIFY_FAILED")
    assert not secure.asked, "the key was not sent"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE"])
def test_a_companys_own_authority(
    secure: fake.FakeStudio, run: Run, certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificate))
    assert run(*LIST).code == 0
    assert secure.asked[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(("word", "code"), [("true", 0), ("1", 0), ("false", 3), ("", 3)])
def test_disable_ssl_warnings(
    secure: fake.FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch, word: str, code: int
) -> None:
    monkeypatch.setenv("SNAPI_DISABLE_SSL_WARNINGS", word)
    result = run(*LIST)
    assert result.code == code
    assert "Warning" not in result.err


# Disks


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_keeps_the_old_configuration(
    folder: Path, tiny: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPI_CLI_CONFIG_DIR", str(tiny))
    assert run("config", "set", "--host", "https://studio.example.com").code == 0
    before = (tiny / "config.json").read_text()
    with (tiny / "full").open("wb", buffering=0) as full:
        while True:
            try:
                full.write(b"x" * 4096)
            except OSError:
                break
    assert_one_sentence(run("config", "set", "--tenant", "research"), 2, "No space left on device")
    assert (tiny / "config.json").read_text() == before
    assert sorted(path.name for path in tiny.iterdir()) == ["config.json", "full"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_standard_output(signed_in: Path, studio: fake.FakeStudio) -> None:
    studio.answer("GET", "/api/endpoints", EMPTY)
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [*SNAPI, *LIST], env=environment(signed_in), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert process.returncode == 1
    assert process.stderr.count("\n") == 1
    assert "No space left" in process.stderr


def test_a_config_json_that_cannot_be_read(signed_in: Path, run: Run) -> None:
    (signed_in / "config.json").unlink()
    (signed_in / "config.json").mkdir()
    assert_one_sentence(run(*LIST), 2, "config.json cannot be read")


# A create whose answer was lost


@pytest.mark.usefixtures("signed_in")
def test_a_create_whose_answer_was_lost_is_sent_again_under_the_same_key(
    studio: fake.FakeStudio, run: Run
) -> None:
    studio.answer("POST", "/api/projects", fake.BREAK_OFF)
    studio.answer("POST", "/api/projects", {"name": "letters"})
    assert run("project", "create", "-p", "letters").out == "Successfully created project letters.\n"
    keys = [asked.headers["idempotency-key"] for asked in studio.asked]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert run("project", "create", "-p", "letters").code == 0
    assert studio.asked[-1].headers["idempotency-key"] != keys[0]
