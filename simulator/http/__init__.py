"""HTTP. This is the only package that knows Flask."""
