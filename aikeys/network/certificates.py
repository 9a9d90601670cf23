"""Responsible for which certificates are trusted, and for TLS that leaves no key behind.

- SSL_CERT_FILE or SSL_CERT_DIR, where one is set, and nothing else; the system's own store where there is one, so that
  an authority the system was told of counts; certifi's list, which comes with httpx, where there is none.
- SSLKEYLOGFILE is ignored: Python's own default contexts write every connection's secrets into that file, and who reads
  it reads the keys of providers. Nothing in aikeys makes a context but this.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import lru_cache

from aikeys.errors import BadConfiguration

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",  # older ones of these
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)
"""Usual places of the systems' certificates: a Python that was built elsewhere does not know them."""
_LONGEST_REASON = 120


def client_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return how TLS to elsewhere is checked; BadConfiguration where what the environment names cannot be used."""
    return _client_context(environ.get(FILE, ""), environ.get(FOLDER, ""))


def server_context() -> ssl.SSLContext:
    """Return how TLS is served, still without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def why_not_trusted(failure: BaseException | None) -> str:
    """Return why a certificate was not trusted, in OpenSSL's own words; "" where something else failed."""
    seen = 0
    while failure is not None and seen < 16:
        inner = getattr(failure, "certificate_error", None)  # aiohttp's own, which is one of ssl's without its words
        if isinstance(failure, ssl.SSLCertVerificationError) and inner is None:
            reason = getattr(failure, "verify_message", "") or "it cannot be checked"
            return "".join(sign for sign in reason if sign.isprintable())[:_LONGEST_REASON].rstrip(".")
        failure = inner if isinstance(inner, BaseException) else failure.__cause__ or failure.__context__
        seen += 1
    return ""


@lru_cache(maxsize=8)
def _client_context(file: str, folder: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if file or folder:
        _load_named(context, file, folder)
    elif _has_own_store():
        context.set_default_verify_paths()
    else:
        context.load_verify_locations(_bundle())
    return context


def _load_named(context: ssl.SSLContext, file: str, folder: str) -> None:
    if folder and not os.path.isdir(folder):
        raise BadConfiguration(f"{FOLDER} names no folder", "correct it, or unset it for the system's certificates")
    try:
        context.load_verify_locations(file or None, folder or None)
    except OSError as failure:  # ssl.SSLError is one
        missing = failure.strerror if not isinstance(failure, ssl.SSLError) else "it holds no certificate"
        raise BadConfiguration(
            f"{FILE} cannot be used: {(missing or 'it cannot be read').lower()}",
            "correct it, or unset it for the system's certificates",
        ) from None


def _has_own_store() -> bool:
    paths = ssl.get_default_verify_paths()
    if os.name == "nt" or (paths.cafile and os.path.getsize(paths.cafile)):
        return True
    try:
        return bool(paths.capath and os.listdir(paths.capath))
    except OSError:
        return False


def _bundle() -> str:
    found = next((path for path in _BUNDLES if os.path.isfile(path) and os.path.getsize(path)), "")
    if found:
        return found
    import certifi

    return certifi.where()
