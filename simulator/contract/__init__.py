"""The contract and the ledger, and how requests are read and answers are written by them."""
