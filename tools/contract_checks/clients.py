"""Checks generated clients: each is generated from the contract, compiled, and used for calls of a simulator.

The programs in clients/ use a client as its users do, only with the client's own types. They log in, and change, rename
and remove things of both services. They check what a generator may get wrong: an explicit `null`, an absent attribute,
a name with a blank. The simulator demands credentials.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.contract_checks.check import CONTRACT, FOLDER, Check, Failed, Skipped, needs, node_program, run, simulator

WALKS = FOLDER / "clients"
PROGRAMS = Path(sys.executable).parent
CLASS_PATH = "org.apache.maven.plugins:maven-dependency-plugin:3.9.0:build-classpath"
MYPY = [sys.executable, "-m", "mypy", "--config-file=", "--strict"]


@contextmanager
def workplace(client: str) -> Iterator[Path]:
    """Yields a temporary folder with the client's walk."""
    with TemporaryDirectory() as folder:
        shutil.copytree(WALKS / client, folder, dirs_exist_ok=True)
        yield Path(folder)


def walk(client: str, command: Sequence[object], folder: Path) -> str:
    """Run a walk. It prints a line for each call."""
    with simulator("--auth", "required") as address:
        calls = run([*command, f"{address}/_sandboxes/{client}"], cwd=folder).splitlines()
    if not calls:
        raise Failed("the walk made no call")
    return f"{len(calls)} calls"


def openapi_generator(generator: str, folder: Path, *options: str) -> None:
    """Generate a client with OpenAPI Generator."""
    needs("java")
    program = PROGRAMS / "openapi-generator-cli"
    run([program, "generate", "--input-spec", CONTRACT, "--generator-name", generator, "--output", folder, *options])


def typescript(client: str, folder: Path, *strictness: str) -> str:
    """Compile and run the walk of a client in TypeScript."""
    compiler = node_program("tsc")
    (folder / "node_modules").symlink_to(FOLDER / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    options = ["--module", "nodenext", "--target", "es2022", "--types", "node", "--outDir", "out", "--strict"]
    run([compiler, *options, *strictness, "walk.ts"], cwd=folder)
    return walk(client, ["node", "out/walk.js"], folder)


def openapi_fetch() -> str:
    """The types of openapi-typescript and the calls of openapi-fetch."""
    with workplace("openapi-fetch") as folder:
        # By default, an attribute with a default value is required, even in requests.
        options = ["--default-non-nullable", "false"]
        run([node_program("openapi-typescript"), CONTRACT, "--output", folder / "api.d.ts", *options])
        return typescript("openapi-fetch", folder, "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes")


def axios() -> str:
    """OpenAPI Generator's client for axios, as ECMAScript modules."""
    with workplace("axios") as folder:
        openapi_generator("typescript-axios", folder / "client", "--additional-properties", "importFileExtension=.js")
        # The generated code is not made for --exactOptionalPropertyTypes.
        return typescript("axios", folder, "--noUncheckedIndexedAccess")


def python() -> str:
    """OpenAPI Generator's client for urllib3 and pydantic."""
    with workplace("python") as folder:
        openapi_generator("python", folder, "--additional-properties", "packageName=client")
        # The generated code is not fully typed, but the arguments and results of its functions are.
        run([*MYPY, "--follow-imports=silent", "walk.py"], cwd=folder)
        return walk("python", [sys.executable, "walk.py"], folder)


def java() -> str:
    """OpenAPI Generator's client for Java's own HTTP client and Jackson."""
    needs("javac", "mvn")
    with workplace("java") as folder:
        client, classes, jars = folder / "client", folder / "classes", folder / "jars"
        # Otherwise an update would send an empty list for a list that is not set, and so remove its items.
        options = ["--library", "native", "--additional-properties", "containerDefaultToNull=true"]
        openapi_generator("java", client, *options)
        try:
            run(
                ["mvn", "--batch-mode", "--quiet", "-Dstyle.color=never", CLASS_PATH, f"-Dmdep.outputFile={jars}"],
                cwd=client,
            )
        except Failed as failure:
            raise Skipped(f"needs what the client depends on; Maven says: {str(failure).strip()[:300]}") from None
        compiler = ["javac", "-encoding", "UTF-8", "-cp", f"{jars.read_text().strip()}{os.pathsep}{classes}"]
        run([*compiler, "-d", classes, *(client / "src/main/java").rglob("*.java")])
        run([*compiler, "-d", classes, "-Xlint:all", "-Werror", folder / "Walk.java"])
        return walk("java", ["java", "-enableassertions", *compiler[3:], "Walk"], folder)


def openapi_python_client() -> str:
    """openapi-python-client's client for httpx and attrs, with strict types."""
    with workplace("openapi-python-client") as folder:
        command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]
        options = ["--path", CONTRACT, "--config", folder / "config.yml", "--meta", "none"]
        run([*command, *options, "--output-path", folder / "client"])
        run([*MYPY, "walk.py", "client"], cwd=folder)
        return walk("openapi-python-client", [sys.executable, "walk.py"], folder)


CHECKS: dict[str, Check] = {
    "openapi-fetch": openapi_fetch,
    "axios": axios,
    "python": python,
    "java": java,
    "openapi-python-client": openapi_python_client,
}
