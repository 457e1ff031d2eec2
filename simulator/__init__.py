"""apio-simulator: a stand-in for two services of the APIO telephony provisioning API."""

__version__ = "0.1.0"
