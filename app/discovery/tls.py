"""One TLS context for all connections of a short-lived process, so that the CA bundle is read once."""

import ssl
import threading
from functools import cache
from typing import Any

from botocore import httpsession


class SharedContext(ssl.SSLContext):
    """A context that reads each CA bundle once, however many connections ask for it."""

    def __init__(self, *_: Any) -> None:
        self._loading = threading.Lock()
        self._loaded: set[tuple[Any, ...]] = set()

    def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        bundle = (cafile, capath, cadata)
        with self._loading:
            if bundle not in self._loaded:
                super().load_verify_locations(cafile, capath, cadata)
                self._loaded.add(bundle)


def share_tls_context() -> None:
    """Let all clients that are made from now on share one context.

    Left alone, urllib3 reads the bundle anew for each connection: 36 ms of CPU a region. What is trusted stays the
    same; a second bundle (a proxy's, say) is read as well. botocore has no setting for it, only these two names.

    Raises:
        RuntimeError: this botocore does not make its contexts through these names.
    """
    _check_uses(httpsession.URLLib3Session, "_get_ssl_context", "create_urllib3_context")
    _check_uses(httpsession, "create_urllib3_context", "SSLContext")
    httpsession.SSLContext = SharedContext  # type: ignore[attr-defined]
    httpsession.create_urllib3_context = cache(httpsession.create_urllib3_context)


def _check_uses(holder: Any, function: str, name: str) -> None:
    if name not in getattr(holder, function).__code__.co_names:
        raise RuntimeError(f"botocore's {function} does not use {name} any longer: adapt {__name__}")
