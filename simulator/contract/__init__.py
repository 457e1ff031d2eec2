"""The contract: what the wire looks like, which rules hold, and how requests and answers are read and written."""
