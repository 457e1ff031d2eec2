"""The conditions of a run."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tools.benchmarks.peers import FOLDER, PACKAGES, TITLES
from tools.contract_checks.check import ROOT

PROGRAMS = {
    "Node.js": ["node", "--version"],
    "Java": ["java", "-version"],
    "wrk": ["wrk", "-v"],
    "HAProxy": ["haproxy", "-v"],
}


def conditions() -> dict[str, str]:
    """Returns the date, the machine, and the versions of all programs in the run."""
    return {
        "Date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "Processor": _processor(),
        "Cores": str(os.cpu_count()),
        "System": f"{platform.system()} {_numbers(platform.release())}",
        "Python": platform.python_version(),
        **{name: _numbers(_said(command)) for name, command in PROGRAMS.items() if shutil.which(command[0])},
        "apio-simulator": f"{version('apio-simulator')}, commit {_commit()}",
        **{_name(TITLES[peer]): _package(package) for peer, package in PACKAGES.items()},
        **{name: _distribution(name) for name in ("Flask", "waitress", "httptools", "uvloop") if _distribution(name)},
    }


def _name(title: str) -> str:
    return title.partition(",")[0]


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    found = (
        re.search(r"^model name\s*:\s*(.+)$", file.read_text(encoding="utf-8"), re.MULTILINE) if file.exists() else None
    )
    return found[1] if found else platform.processor() or platform.machine()


def _numbers(text: str) -> str:
    """Returns the version within a text, because builders add other words."""
    found = re.search(r"\d+(\.\d+)*", text)
    return found.group() if found else "unknown"


def _said(command: list[str]) -> str:
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.stdout


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*"]
    if shutil.which("git") is None:
        return "unknown"
    done = subprocess.run(command, text=True, capture_output=True, timeout=60)
    return done.stdout.strip() or "unknown"


def _package(name: str) -> str:
    wanted: dict[str, dict[str, str]] = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    return wanted["devDependencies"][name]


def _distribution(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
