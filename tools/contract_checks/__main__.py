"""Run other people's tools against the contract and a simulator: `python -m contract [CHECK…]`."""

from __future__ import annotations

import sys

from contract import clients, documents, exchanges, runs, specmatic
from contract.check import Check, carry_out

CHECKS: dict[str, Check] = {**documents.CHECKS, **exchanges.CHECKS, **specmatic.CHECKS, **clients.CHECKS, **runs.CHECKS}

if __name__ == "__main__":
    sys.exit(carry_out(CHECKS, sys.argv[1:]))
