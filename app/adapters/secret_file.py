"""Secrets in files that nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class SecretRefused(Exception):
    """A file of a secret cannot be used; the text names the remedy, and nothing of the secret."""


def read_secret(path: Path, what: str) -> bytes:
    """Content of a file; `what` is its name in a message.

    Raises
    ------
    SecretRefused
        If it cannot be read, or others may read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        raw = path.read_bytes()
    except OSError as error:
        raise SecretRefused(f"{what} {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise SecretRefused(f"{what} {path} can be read by others (mode {mode:04o}): chmod 600 {path}")
    return raw


def write_secret(path: Path, content: bytes, what: str) -> None:
    """Make a file with mode 0600; where another process was faster, its content is the one.

    Raises
    ------
    SecretRefused
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise SecretRefused(f"{what} {path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
