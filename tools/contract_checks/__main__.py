"""Run third-party tools against the contract and a simulator: `python -m tools.contract_checks [CHECK…]`."""

from __future__ import annotations

import sys

from tools.contract_checks import clients, documents, exchanges, runs, specmatic
from tools.contract_checks.check import Check, carry_out

CHECKS: dict[str, Check] = {**documents.CHECKS, **exchanges.CHECKS, **specmatic.CHECKS, **clients.CHECKS, **runs.CHECKS}

if __name__ == "__main__":
    sys.exit(carry_out(CHECKS, sys.argv[1:]))
