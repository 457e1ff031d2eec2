"""apio-simulator: a stand-in for two services of the APIO telephony provisioning API."""

from importlib.metadata import version

__version__ = version("apio-simulator")
