"""Executive: filters and screens a user's calls and passes them to assistants."""
