"""Calls of an HTTP server that speaks JSON, with the standard library only."""
from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Callable, Mapping, Optional

#: Answers that say that the same call may succeed later.
_PASSING = frozenset((408, 429, 500, 502, 503, 504))
_MAX_ANSWER_BYTES = 64 << 20
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 10.0


class HttpRefused(Exception):
    """The server has answered that it does not do it; to ask again would not help."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}" if code else f"{status}: {message}")
        self.status = status
        #: What the server calls it, where it says so.
        self.code = code


class HttpUnreachable(Exception):
    """No server has answered, or one that says that it cannot now, for as long as was waited."""


@dataclass(frozen=True)
class Patience:
    """How long a call may take."""

    #: One try.
    timeout_seconds: float = 15
    #: From the first try to the beginning of the last.
    retry_seconds: float = 60


class JsonHttp:
    """Raises HttpRefused and HttpUnreachable. What may be said twice is said again until it is heard."""

    def __init__(
        self,
        address: str,
        headers: Optional[Mapping[str, str]] = None,
        patience: Patience = Patience(),
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """`wait` is told how many seconds to wait between two tries; answering False ends them."""
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f'"{address}" is no address of a server; it begins with http:// or https://.')
        self._headers = {"Accept": "application/json", **(headers or {})}
        if parts.username is not None and "Authorization" not in self._headers:
            self._headers["Authorization"] = basic(
                urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
            )
        host = parts.netloc.rpartition("@")[2]
        self.address = urllib.parse.urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._patience = patience
        self._wait = wait

    def get(self, path: str, query: Optional[Mapping[str, str]] = None) -> Any:
        return self._call("GET", f"{path}?{urllib.parse.urlencode(query)}" if query else path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("POST", path, json.dumps(body, allow_nan=False).encode())

    def _call(self, method: str, path: str, body: Optional[bytes]) -> Any:
        began, wait = time.monotonic(), _FIRST_WAIT_SECONDS
        while True:
            try:
                return self._try(method, path, body)
            except _Passing as passing:
                wait = max(wait, passing.after_seconds)
                is_over = time.monotonic() - began + wait > self._patience.retry_seconds
                if is_over or self._wait(wait) is False:
                    raise HttpUnreachable(f"{method} {self.address}{path}: {passing}") from passing
            wait = min(_LONGEST_WAIT_SECONDS, wait * 2)

    def _try(self, method: str, path: str, body: Optional[bytes]) -> Any:
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._patience.timeout_seconds) as answer:
                text = answer.read(_MAX_ANSWER_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error, error.read(_MAX_ANSWER_BYTES)) from None
        except (OSError, HTTPException) as error:  # URLError, time-outs and connections that break are OSErrors.
            raise _Passing(str(getattr(error, "reason", error)) or type(error).__name__) from error
        try:
            return json.loads(text) if text.strip() else {}
        except ValueError:
            raise HttpRefused(200, "", f"{self.address}{path} has answered what is no JSON; is it the right address?")


def basic(user: str, password: str) -> str:
    """The header for a name and a password (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class _Passing(Exception):
    """A try that may succeed later."""

    def __init__(self, message: str, after_seconds: float = 0) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


def _refusal(error: urllib.error.HTTPError, text: bytes) -> Exception:
    code, message = _said(text, error.reason)
    if error.code not in _PASSING:
        return HttpRefused(error.code, code, message)
    after = error.headers.get("Retry-After", "")
    return _Passing(f"{error.code} {message}", min(_LONGEST_WAIT_SECONDS, float(after)) if after.isdigit() else 0)


def _said(text: bytes, reason: str) -> "tuple[str, str]":
    """Code and message of MLflow's errors, and of Trainyard's own."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return "", text.decode("utf-8", "replace")[:500] or str(reason)
    inner = body["error"] if isinstance(body.get("error"), dict) else body
    return str(inner.get("error_code", inner.get("code", ""))), str(inner.get("message", reason))
