"""What changes: worlds, the sandboxes that hold them, and the store of sandboxes."""
