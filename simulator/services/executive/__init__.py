"""Executive: a user's calls filtered, screened and passed to assistants."""
