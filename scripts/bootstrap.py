"""Make an environment ready, from nothing but ``python3`` with ``pip``.

``python3 scripts/bootstrap.py run`` installs what serving needs (runtime and demo);
``python3 scripts/bootstrap.py dev`` installs everything, both into ``.venv``;
``python3 scripts/bootstrap.py peers`` installs everything and the heavy libraries that
benchmarks measure beside ours, into ``.venv-peers``;
``python3 scripts/bootstrap.py interop`` installs the Python client beside real ccxt and
real freqtrade, into ``.venv-interop``;
``python3 scripts/bootstrap.py audit`` installs what looks for known vulnerabilities, and
nothing of ours, into ``.venv-audit``.  A second call with unchanged locks returns at
once.  Standard library only: nothing else exists yet when this runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD_LOCK = ROOT / "requirements" / "build.txt"  # the installer (uv) and the build backend
PROFILES = {
    "run": ROOT / "requirements" / "demo.txt",
    "dev": ROOT / "requirements" / "dev.txt",
    "peers": ROOT / "requirements" / "peers.txt",
    "interop": ROOT / "requirements" / "interop.txt",
    "audit": ROOT / "requirements" / "audit.txt",
}
VENVS = {
    "run": ROOT / ".venv",
    "dev": ROOT / ".venv",
    "peers": ROOT / ".venv-peers",
    "interop": ROOT / ".venv-interop",
    "audit": ROOT / ".venv-audit",
}
CLIENT = ROOT / "clients" / "python"
PROJECTS = {"run": ROOT, "dev": ROOT, "peers": ROOT, "interop": CLIENT}
MINIMUM = (3, 11)


def python_of(profile: str) -> Path:
    """Interpreter of the environment of ``profile``."""
    return VENVS[profile] / "bin" / "python"


def stamp_of(profile: str) -> Path:
    """File that says what the environment of ``profile`` holds."""
    return VENVS[profile] / ".bootstrap-stamp"


def fingerprint(profile: str) -> str:
    """Hash of everything that decides what the environment of ``profile`` holds."""
    digest = hashlib.sha256(f"{profile} {ROOT}\n".encode())
    project = [PROJECTS[profile] / "pyproject.toml"] if profile in PROJECTS else []
    for path in (BUILD_LOCK, PROFILES[profile], *project):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_ready(profile: str) -> bool:
    """Tell whether the environment holds ``profile`` already; ``dev`` includes ``run``."""
    stamp = stamp_of(profile)
    if not (python_of(profile).exists() and stamp.exists()):
        return False
    return stamp.read_text().strip() in {fingerprint(profile), fingerprint("dev")}


def create_environment(profile: str) -> None:
    """Create the environment without ``ensurepip`` (Debian ships it apart) and put uv into it."""
    python = str(python_of(profile))
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENVS[profile])], check=True)
    pip = [sys.executable, "-m", "pip", "--python", python]
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        subprocess.run([python, "-m", "ensurepip", "--default-pip"], check=True)
        pip = [python, "-m", "pip"]
    subprocess.run(
        [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", BUILD_LOCK],
        check=True,
    )


def installer(profile: str) -> str:
    """Path of the environment's uv; the environment is made when it is missing or broken."""
    own = VENVS[profile] / "bin" / "uv"
    if not (python_of(profile).exists() and own.exists()):
        create_environment(profile)
    return str(own)


def install(profile: str) -> None:
    """Bring the environment exactly to the locks of ``profile`` and link this source tree into it."""
    uv = installer(profile)
    stamp_of(profile).unlink(missing_ok=True)
    target = ["--quiet", "--python", str(python_of(profile))]
    subprocess.run(
        [uv, "pip", "sync", *target, "--require-hashes", str(BUILD_LOCK), str(PROFILES[profile])], check=True
    )
    if profile in PROJECTS:
        subprocess.run(
            [uv, "pip", "install", *target, "--no-deps", "--no-build-isolation", "--editable", str(PROJECTS[profile])],
            check=True,
        )
    stamp_of(profile).write_text(fingerprint(profile) + "\n")


def main(arguments: list[str]) -> int:
    profile = arguments[0] if arguments else "dev"
    if profile not in PROFILES:
        print(f"bootstrap: profile must be one of {', '.join(PROFILES)}; found {profile!r}", file=sys.stderr)
        return 2
    if sys.version_info < MINIMUM:
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"bootstrap: Python must be 3.11 or newer; found {found} at {sys.executable}", file=sys.stderr)
        return 2
    if is_ready(profile):
        return 0
    with open(ROOT / ".bootstrap.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once: the second waits and finds it done
        if not is_ready(profile):
            print(f"bootstrap: preparing {VENVS[profile].name} ({profile}) ...", file=sys.stderr, flush=True)
            try:
                install(profile)
            except subprocess.CalledProcessError as error:
                print(f"bootstrap: this command failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    os.environ.pop("VIRTUAL_ENV", None)  # an activated foreign environment must not be changed
    sys.exit(main(sys.argv[1:]))
