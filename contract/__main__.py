"""Run other people's tools against the contract and a simulator: `python -m contract [CHECK…]`.

A line per check says whether it is ok, failed or skipped, and what was counted. The exit status is 1 if one failed.
"""

from __future__ import annotations

import sys
import time

from contract import clients, documents, exchanges, runs, specmatic
from contract.check import Check, Failed, Skipped

CHECKS: dict[str, Check] = {**documents.CHECKS, **exchanges.CHECKS, **specmatic.CHECKS, **clients.CHECKS, **runs.CHECKS}


def main(names: list[str]) -> int:
    """Run the checks with these names, or all; returns the exit status."""
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"no such check: {', '.join(unknown)}; there are {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    outcomes = {"ok": 0, "failed": 0, "skipped": 0}
    for name in names or CHECKS:
        begin = time.monotonic()
        output = ""
        try:
            outcome, told = "ok", CHECKS[name]()
        except Skipped as skipped:
            outcome, told = "skipped", str(skipped)
        except Failed as failed:
            outcome, told, output = "failed", "", str(failed)
        outcomes[outcome] += 1
        print(f"{name:<28} {outcome:<8} {told} ({time.monotonic() - begin:.0f} s)", flush=True)
        if output:
            print(output)
    print(", ".join(f"{number} {outcome}" for outcome, number in outcomes.items()))
    return 1 if outcomes["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
