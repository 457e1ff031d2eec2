"""What the simulator knows, for people: as text, as JSON or JUnit, and as pages in HTML."""
