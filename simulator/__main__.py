"""`python -m simulator` is `apio-simulator`."""

from simulator.cli import main

main()
