"""The simulated services, each a package of the same three files: model, rules, operations."""
