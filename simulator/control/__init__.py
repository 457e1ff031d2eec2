"""The control interface: what a test arranges, observes and disturbs in a sandbox. Its contract is `control.yaml`."""
