"""The pipelines for GitHub Actions and GitLab CI. Their steps run here, in bash, as a runner would run them.

A job's own tests are replaced by a call of the API. The steps of actions from elsewhere are left out.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator import __version__
from tests.test_examples import EXAMPLES, ROOT, SECONDS, environment
from tests.test_packaging import build

pytestmark = pytest.mark.examples

CI = EXAMPLES / "ci"
WORKFLOW, ACTION, PIPELINE, TEMPLATE = (
    yaml.safe_load((CI / name).read_text("utf-8"))
    for name in ("github-actions.yml", "apio-simulator/action.yml", "gitlab-ci.yml", "apio-simulator.gitlab-ci.yml")
)
CALL = "/api/v1/tenants/acme/groups/main/services/call_capacities/"
# Stands for the programs of Node.js. `npx playwright test` calls the API.
PROGRAM = f"""#!/usr/bin/env bash
case "$*" in "playwright test "*) exec curl --silent --fail --output /dev/null "$APIO_SIMULATOR_URL{CALL}" ;; esac
"""
# Stands for Python. It makes virtual environments in a moment: their pip is the one of the tests, and they have the
# packages that ours needs. Making all of that anew would take 15 seconds of each job.
PYTHON = """#!/usr/bin/env bash
python='{python}'
[[ "$1 $2" = "-m venv" ]] || exec "$python" "$@"
"$python" -m venv --without-pip "$3"
echo '{packages}' > "$("$3/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/packages.pth"
printf '#!/bin/sh\nexec %q -m pip --python %q "$@"\n' '{pip}' "$3" > "$3/bin/pip"
chmod +x "$3/bin/pip"
"""

Step = Mapping[str, Any]


class Runner:
    """Runs scripts in a project's folder. The processes that they leave behind end with the runner.

    `source` is what the jobs install. `packages` is the folder with the packages that it needs.
    """

    def __init__(self, folder: Path, source: Path, packages: Path) -> None:
        self.source = str(source)
        self.project = folder / "project"
        (self.project / "tests").mkdir(parents=True)
        shutil.copy(ROOT / "fixtures" / "minimal.yaml", self.project / "tests" / "world.yaml")
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        programs = folder / "programs"
        programs.mkdir()
        # This environment has the command, too. The job must find the one that it has installed.
        python = PYTHON.format(python=Path(sys.executable).resolve(), pip=sys.executable, packages=packages)
        for name, program in (("npm", PROGRAM), ("npx", PROGRAM), ("python3", python)):
            (programs / name).write_text(program, "utf-8")
            (programs / name).chmod(0o755)
        self.paths = [str(programs), *filter(without_command, os.environ["PATH"].split(os.pathsep))]
        self.groups: list[int] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])

    def run(self, script: str, **variables: str) -> tuple[int, str]:
        """Run a script with the options of a runner's shell. Return its exit status and what it prints."""
        process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.project,
            # What is installed here runs only once, so nobody gains from its compiled files.
            env={**environment(**variables), "PATH": os.pathsep.join(self.paths), "PIP_COMPILE": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.groups.append(process.pid)
        printed, _ = process.communicate(timeout=SECONDS)
        return process.returncode, printed

    def end(self) -> None:
        """End all processes."""
        for group in self.groups:
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                continue


def without_command(folder: str) -> bool:
    return not Path(folder, "apio-simulator").exists()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built once: each job would take some seconds to build it from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build(ROOT, folder, "wheel")
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages that ours says it needs."""
    folder = tmp_path_factory.mktemp("packages")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*command, "--target", folder, *project["dependencies"]], env=environment(), check=True)
    return folder


@pytest.fixture
def runner(tmp_path: Path, wheel: Path, packages: Path) -> Iterator[Runner]:
    runner = Runner(tmp_path, wheel, packages)
    yield runner
    runner.end()


class Job:
    """A job of GitHub Actions. Its steps share variables and a path, by the files that the runner prepares."""

    def __init__(self, runner: Runner, **variables: str) -> None:
        self.runner = runner
        self.files = {name: runner.temporary / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH")}
        self.variables = {**variables, "RUNNER_TEMP": str(runner.temporary)}
        self.printed = ""

    def action(self, **inputs: str) -> int:
        """Run the steps of our action. Return the exit status of the first that fails, or else 0."""
        given = {name: each["default"] for name, each in ACTION["inputs"].items()}
        given |= {"source": self.runner.source, "port": self.runner.port, **inputs}
        values = {f"inputs.{name}": value for name, value in given.items()}
        return next((status for step in ACTION["runs"]["steps"] if (status := self.step(step, values))), 0)

    def step(self, step: Step, values: Mapping[str, str]) -> int:
        """Run a step with the values of the expressions in its variables. Return its exit status."""
        # An expression in a script would be run as code, whatever its value holds.
        assert "${{" not in step["run"]
        own = {name: values[re.sub(r"[${} ]", "", text)] for name, text in step.get("env", {}).items()}
        for file in self.files.values():
            file.write_text("", "utf-8")
        files = {name: str(file) for name, file in self.files.items()}
        status, printed = self.runner.run(step["run"], **self.variables, **own, **files)
        self.printed += printed
        written = {name: file.read_text("utf-8").splitlines() for name, file in self.files.items()}
        self.variables |= dict(line.split("=", 1) for line in written["GITHUB_ENV"])
        self.outputs = dict(line.split("=", 1) for line in written["GITHUB_OUTPUT"])
        self.runner.paths[:0] = written["GITHUB_PATH"]
        return status


def coverage_is_added_up(project: Path) -> bool:
    return "listCallCapacities" in (project / "coverage.html").read_text("utf-8") and (
        'name="listCallCapacities"' in (project / "coverage.xml").read_text("utf-8")
    )


def test_the_jobs_of_github_actions_start_a_simulator_and_add_up_the_coverage(runner: Runner) -> None:
    job = Job(runner, SHARD="1")
    for name in ("test", "coverage"):
        for step in WORKFLOW["jobs"][name]["steps"]:
            if step.get("uses") == "./.github/actions/apio-simulator":
                assert job.action(**step.get("with", {})) == 0, job.printed
                assert job.outputs == {
                    "url": job.variables["APIO_SIMULATOR_URL"],
                    "log": f"{runner.temporary}/apio-simulator/log",
                }
                log = f"{runner.temporary}/apio-simulator/log"
            elif "run" in step:
                enough = {**step, "run": step["run"].replace("--fail-under 80", "--fail-under 5")}
                assert job.step(enough, {"steps.simulator.outputs.log": log}) == 0, job.printed
        # Each job has a machine of its own.
        runner.end()
    assert "world.yaml: 1 tenant, 1 group, 2 users" in job.printed
    assert coverage_is_added_up(runner.project)


def test_a_job_whose_fixture_is_wrong_ends_with_the_reason_and_soon(runner: Runner) -> None:
    (runner.project / "tests" / "world.yaml").write_text("version: 2\n", "utf-8")
    # As if the first step had installed the command.
    (runner.temporary / "apio-simulator").mkdir()
    runner.paths.append(str(Path(sys.executable).parent))
    job = Job(runner)
    _, start = ACTION["runs"]["steps"]
    assert job.step(start, {"inputs.fixtures": "tests/world.yaml", "inputs.port": runner.port}) == 1
    assert "tests/world.yaml:1: /version: must be 1, not 2 (G-18)" in job.printed


def test_the_jobs_of_gitlab_start_a_simulator_and_add_up_the_coverage(runner: Runner) -> None:
    for name in ("test", "coverage"):
        job = {**TEMPLATE[".apio-simulator"], **PIPELINE[name]}
        assert job["extends"] == ".apio-simulator"
        script = "\n".join([*job["before_script"], *job["script"]]).replace("--fail-under 80", "--fail-under 5")
        variables = {
            **TEMPLATE[".apio-simulator"]["variables"],
            **PIPELINE[name].get("variables", {}),
            "APIO_SOURCE": runner.source,
            "APIO_SIMULATOR_PORT": runner.port,
            "APIO_SIMULATOR_URL": f"http://127.0.0.1:{runner.port}",
            "CI_NODE_INDEX": "1",
            "CI_NODE_TOTAL": "1",
            "RUNNER_TEMP_PROJECT_DIR": str(runner.temporary),
        }
        status, printed = runner.run(script, **variables)
        assert status == 0, printed
        runner.end()
    assert coverage_is_added_up(runner.project)


def test_what_is_installed_is_the_release_of_the_checkout() -> None:
    source = f"git+https://github.com/apio-simulator/apio-simulator@v{__version__}"
    assert ACTION["inputs"]["source"]["default"] == source
    assert TEMPLATE[".apio-simulator"]["variables"]["APIO_SOURCE"] == source
