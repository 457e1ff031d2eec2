"""The console: pages for what the control interface shows as JSON."""
