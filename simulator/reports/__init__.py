"""Reports on coverage, errors and the journal: as text, JSON, JUnit or HTML pages."""
