"""The examples work as their README says, and show why a test fails."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simulator import Sandbox, Simulator
from tools.contract_checks.check import Skipped
from tools.contract_checks.typescript import COPIES, HELPER, written

pytestmark = pytest.mark.examples

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
BLOCKS = re.findall(
    r"```console\ncd examples/([\w-]+)\n(.*?)```", (EXAMPLES / "README.md").read_text("utf-8"), re.DOTALL
)
COMMANDS: dict[str, str] = dict(BLOCKS)
BUILT = shutil.ignore_patterns("node_modules", "out", "test-results", "api.d.ts", "__pycache__")
SECONDS = 300

NETWORK = {
    name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name.startswith("SSL_CERT_")
}
"""The user's proxies and certificates. The tests do not use them, but installing the examples' packages may."""
DIRECT = ",".join([*filter(None, [NETWORK.get("NO_PROXY") or NETWORK.get("no_proxy")]), "127.0.0.1", "localhost"])

JUNIT = Path(os.environ.get("JUNIT_HOME", "/usr/share/java"))
NEEDS: dict[str, dict[str, object]] = {
    "typescript": {"Node.js": shutil.which("npm")},
    "playwright": {
        "Node.js": shutil.which("npm"),
        "Chromium": Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists(),
    },
    "java": {"a JDK": shutil.which("javac"), "JUnit 5": list(JUNIT.glob("junit-platform-console*.jar"))},
}
"""What each example needs, and whether it was found."""


def copy(example: str, folder: Path) -> Path:
    """Return a copy of an example. Skips the test if the example cannot run here."""
    missing = [name for name, found in NEEDS.get(example, {}).items() if not found]
    if missing:
        pytest.skip(f"examples/{example} needs {' and '.join(missing)}")
    return Path(shutil.copytree(EXAMPLES / example, folder / example, ignore=BUILT))


def run(commands: str, folder: Path, server: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run commands as a user would."""
    return subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env=environment(APIO_SIMULATOR_URL=server, **variables),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
    )


def environment(**variables: str) -> dict[str, str]:
    """Return the variables of a user's shell, with this environment's programs in the path."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SSL_CERT_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        # `npm ci` would ask for advisories, which takes some seconds.
        "npm_config_audit": "false",
        **NETWORK,
        "NO_PROXY": DIRECT,
        "no_proxy": DIRECT,
        **variables,
    }


def test_every_example_has_its_commands_in_the_readme() -> None:
    assert sorted(name for name, _ in BLOCKS) == sorted(each.name for each in EXAMPLES.iterdir() if each.is_dir())


def test_packages_are_pinned_exactly_and_no_lock_file_names_a_registry() -> None:
    manifests = [*EXAMPLES.glob("*/package.json"), ROOT / "tools" / "contract_checks" / "package.json"]
    assert len(manifests) >= 3
    for manifest in manifests:
        document = json.loads(manifest.read_text("utf-8"))
        for versions in (document.get("dependencies", {}), document["devDependencies"]):
            assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values()), manifest
        assert '"resolved"' not in manifest.with_name("package-lock.json").read_text("utf-8"), manifest


def test_every_copy_of_the_helper_in_typescript_is_the_same() -> None:
    copies = {path.read_text("utf-8") for path in EXAMPLES.rglob("apio.ts") if "node_modules" not in path.parts}
    assert copies == {HELPER.read_text("utf-8")}
    assert all(path.exists() for path in COPIES)


def test_the_helper_in_typescript_is_one_file_without_dependencies() -> None:
    assert not re.findall(r"^import\b|\brequire\(|\bimport\(", HELPER.read_text("utf-8"), re.MULTILINE)


def test_the_helper_in_typescript_has_the_verbs_of_the_python_library() -> None:
    text = HELPER.read_text("utf-8")
    for kind, other in ((Simulator, {"start", "stop"}), (Sandbox, set())):
        body = text.partition(f"export class {kind.__name__} ")[2].partition("\n}\n")[0]
        public = set(re.findall(r"^  (?:static )?(?:async )?(?:get |readonly )?(\w+)[(:]", body, re.MULTILINE))
        public |= set(re.findall(r"^    readonly (\w+):", body, re.MULTILINE))
        verbs = {re.sub("_(.)", lambda found: found[1].upper(), name) for name in vars(kind) if name[0] != "_"}
        assert verbs - other <= public, kind


def test_the_types_of_the_helper_in_typescript_are_those_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    text = HELPER.read_text("utf-8")
    for name, value in NETWORK.items():
        monkeypatch.setenv(name, value)
    try:
        generated = written(text)
    except Skipped as skipped:
        pytest.skip(str(skipped))
    assert generated == text, "run python -m tools.contract_checks.typescript"


@pytest.mark.parametrize("example", COMMANDS)
def test_an_example_works_as_its_readme_says_and_its_failures_tell_why(
    example: str, server: str, tmp_path: Path
) -> None:
    folder = copy(example, tmp_path)
    done = run(COMMANDS[example], folder, server)
    assert done.returncode == 0, done.stdout
    if example in ("typescript", "java"):
        # The compiled test: nothing new would be learnt from compiling it again.
        file = "out/client.test.js" if example == "typescript" else "CallCapacitiesTest.java"
        a_test_that_fails_tells_why_the_api_refused(example, folder, file, server)
    if example == "playwright":
        the_report_of_failed_tests_has_the_journal_and_the_diff(folder, server)


def again(example: str, tests: str) -> str:
    """Return the commands of an example's README, for a folder where they have run. `tests` stands for `npm test`."""
    return COMMANDS[example].replace("npm ci\n", "").replace("npm test", tests)


def a_test_that_fails_tells_why_the_api_refused(example: str, folder: Path, file: str, server: str) -> None:
    expected = "the group has no user 'nobody'"
    text = (folder / file).read_text("utf-8")
    assert expected in text
    (folder / file).write_text(text.replace(expected, "it is Sunday"), "utf-8")
    done = run(again(example, "node --test out/client.test.js"), folder, server)
    assert done.returncode != 0, done.stdout
    assert "updateCallCapacity was refused with 400" in done.stdout


def the_report_of_failed_tests_has_the_journal_and_the_diff(folder: Path, server: str) -> None:
    spec = folder / "call-capacities.spec.ts"
    text = spec.read_text("utf-8")
    for expected in ('"Saved"', "must be 99999 or less, not 100000"):
        assert expected in text
        text = text.replace(expected, '"it is Sunday"' if expected == '"Saved"' else "it is Sunday")
    spec.write_text(text, "utf-8")
    commands = again("playwright", "npx playwright test --reporter=json --grep 'changed to 3|refused'")
    done = run(commands, folder, server)
    assert done.returncode != 0, done.stdout
    found = re.findall(r'"name": "(\w+)",\s*"contentType": "application/json",\s*"body": "([^"]+)"', done.stdout)
    attached = [(name, json.loads(base64.b64decode(body))) for name, body in found]
    assert sorted(name for name, _ in attached) == ["diff", "diff", "journal", "journal"], done.stdout
    # A browser asks for permission first, with calls that are no operation.
    journals = [[call for call in value if "operationId" in call] for name, value in attached if name == "journal"]
    for journal in journals:
        assert [call["operationId"] for call in journal][:3] == ["login", "listCallCapacities", "updateCallCapacity"]
    explanations = [call.get("explanation", "") for journal in journals for call in journal]
    assert any("updateCallCapacity was refused with 400" in each for each in explanations)
    changes = [change for name, value in attached if name == "diff" for change in value]
    assert [(each["op"], each["before"], each["after"]) for each in changes] == [("replace", 5, 3)]


def test_types_hold_in_the_example_for_testcontainers() -> None:
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "."]
    done = subprocess.run(command, cwd=EXAMPLES / "testcontainers", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
