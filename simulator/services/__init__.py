"""The simulated services. Each is a package with the files model, rules and operations."""
