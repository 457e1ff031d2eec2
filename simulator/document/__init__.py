"""YAML and JSON files as plain data, with the line of each place.

Only JSON's types exist here. A date or a sexagesimal number stays text, and `yes` and `on` are text.
"""

from simulator.document.document import Document, pointer_step, pointer_to
from simulator.document.reading import Source, document_of, parse_document, read_document, read_stream
from simulator.document.values import DEEPEST, LONGEST_KEY, deeper_than
from simulator.document.writing import write_yaml

__all__ = [
    "DEEPEST",
    "LONGEST_KEY",
    "Document",
    "Source",
    "deeper_than",
    "document_of",
    "parse_document",
    "pointer_step",
    "pointer_to",
    "read_document",
    "read_stream",
    "write_yaml",
]
