"""Downloads a file over HTTP, whole and checked, or leaves nothing."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import random
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from hrm_data._errors import HRMDataError, HRMDataIOError

DownloadProgress = Callable[[int, int | None], None]
"""Called with the bytes received and the bytes expected, None if unknown."""

_CHUNK = 1 << 20
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class _TransientError(Exception):
    """A failure that may not happen again at the next attempt."""


def download(
    url: str,
    path: str | Path,
    *,
    sha256: str | None = None,
    attempts: int = 5,
    timeout: float = 30.0,
    backoff: float = 1.0,
    progress: DownloadProgress | None = None,
) -> Path:
    """Fetch `url` to `path`, and return `path`.

    Failed connections, truncated transfers and overloaded servers are retried after `backoff` seconds, doubled each
    time. A truncated transfer is resumed if the server still has the same version of the file, else restarted. The
    file is written beside `path`, synced and renamed; a failure leaves nothing. Its checksum is recorded in
    `<path>.sha256`, as `sha256sum --check` reads it. An existing file with its checksum is not fetched again. Proxies
    come from the environment (`https_proxy`).

    Args:
        url: `https://` or `http://`.
        path: The file to write.
        sha256: Checksum that the file must have, in hexadecimal digits.
        attempts: Number of attempts.
        timeout: Seconds without data after which an attempt fails.
        backoff: Seconds before the second attempt.
        progress: Called with the bytes received and the bytes expected.

    Raises:
        HRMDataError: The download failed, has another checksum or does not fit on the disk, or `path` holds another
            file; the message names URL, reason and remedy.
    """
    path = Path(path)
    if urlsplit(url).scheme not in ("http", "https"):
        raise HRMDataError(f"{url!r} is no web address; it must begin with https:// or http://")
    if path.exists():
        return _checked(path, sha256)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            _fetch(url, file, attempts, timeout, backoff, progress)
            file.flush()
            os.fsync(file.fileno())
        digest = checksum(part)
        if sha256 is not None and digest != sha256.lower():
            raise HRMDataIOError(
                f"{url} has sha256 {digest}, expected {sha256.lower()}; nothing was kept: "
                "the file changed or was damaged on the way, try again or fetch it yourself"
            )
        _record(path).write_text(f"{digest}  {path.name}\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "choose another place"
        raise HRMDataIOError(f"{path} cannot be written ({error.strerror}); nothing was kept, {remedy}") from None
    finally:
        if part.exists():
            part.unlink()
    return path


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _checked(path: Path, sha256: str | None) -> Path:
    record = _record(path)
    expected = sha256 or (record.read_text(encoding="utf-8").partition(" ")[0] if record.exists() else None)
    found = checksum(path)
    if expected is not None and found != expected.lower():
        raise HRMDataError(f"{path} has sha256 {found}, expected {expected.lower()}; remove it to fetch it again")
    return path


def _fetch(
    url: str, file: IO[bytes], attempts: int, timeout: float, backoff: float, progress: DownloadProgress | None
) -> None:
    version: str | None = None  # the server's mark of this version of the file, if it gave one
    for attempt in range(1, attempts + 1):
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "hrm-data", "Accept-Encoding": "identity"})
            if version is None:
                file.seek(0)
                file.truncate()
            else:
                request.add_header("Range", f"bytes={file.tell()}-")
                request.add_header("If-Range", version)
            with _opened(request, timeout) as response:
                if not _continues(response, file.tell()):
                    file.seek(0)
                    file.truncate()
                version = _version(response)
                _copy(response, file, progress)
            return
        except _TransientError as error:
            if attempt == attempts:
                raise HRMDataIOError(
                    f"{url} cannot be fetched: {error} ({attempts} attempts); nothing was kept. "
                    "Check the network and proxy (https_proxy), or give a local copy of the file instead"
                ) from None
            time.sleep(backoff * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))


def _opened(request: urllib.request.Request, timeout: float) -> Any:
    try:
        return urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _TRANSIENT:
            raise _TransientError(f"the server answered {error.code} {error.reason}") from None
        raise HRMDataIOError(
            f"{request.full_url} cannot be fetched: the server answered {error.code} {error.reason}; "
            "check the address, or give a local copy of the file instead"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(_reason(error)) from None


def _copy(response: Any, file: IO[bytes], progress: DownloadProgress | None) -> None:
    done = file.tell()
    length = response.headers.get("Content-Length")
    total = done + int(length) if length is not None and length.isdigit() else None
    while True:
        try:
            data = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _TransientError(_reason(error)) from None
        if not data:
            break
        file.write(data)
        done += len(data)
        if progress:
            progress(done, total)
    if total is not None and done != total:
        raise _TransientError(f"the transfer was cut after {done} of {total} bytes")


def _continues(response: Any, done: int) -> bool:
    """Whether the body goes on behind the first `done` bytes, rather than beginning again."""
    if response.status != 206:
        return False
    if not (response.headers.get("Content-Range") or "").startswith(f"bytes {done}-"):
        raise HRMDataIOError(f"{response.url} sent other bytes than asked for; nothing was kept, try again")
    return True


def _version(response: Any) -> str | None:
    """What `If-Range` may carry: a strong entity tag. Dates are too coarse to tell versions apart."""
    tag: str | None = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else None


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason) or type(reason).__name__
