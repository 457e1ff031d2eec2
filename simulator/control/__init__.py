"""The control interface: tests use it to prepare, observe and disturb a sandbox. Its contract is `control.yaml`."""
