"""Paths that may be served (pure): one spelling each, so that what is matched is what is sent on.

- A slash, backslash, semicolon or percent sign written as an escape, a doubled slash, a segment of dots and what is no
  text are in the path of nothing that is served: 404, before anybody looks at the token.
- One exception, on a route of our own that sends nothing on: SDKs write the slash in GET /v1/models/provider%2Fmodel.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_OWN_MODELS = "/v1/models/"
_ESCAPED_SLASH = re.compile("%2f", re.IGNORECASE)
_NOT_AN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_DOTS = (".", "..")
_NEVER = frozenset("\\;")
_NEVER_ESCAPED = re.compile("%(?:2[35ef]|3[bf]|5c)", re.IGNORECASE)
"""# % . / ; ? and the backslash: no SDK writes them so, and whoever reads them behind us may read what they mean."""


def is_plain(method: str, raw_path: str) -> bool:
    """Tell whether a path, as it stands in the request, may be that of a route."""
    if method in ("GET", "HEAD") and raw_path.startswith(_OWN_MODELS):
        raw_path = _ESCAPED_SLASH.sub("/", raw_path)
    if not raw_path.startswith("/") or _NEVER & set(raw_path):
        return False
    if _NOT_AN_ESCAPE.search(raw_path) or _NEVER_ESCAPED.search(raw_path):
        return False
    try:
        path = unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        return False
    *inner, last = path[1:].split("/")
    return path.isprintable() and last not in _DOTS and not any(each in ("", *_DOTS) for each in inner)
