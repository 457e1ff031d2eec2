"""Plain data written as YAML."""

from __future__ import annotations

from typing import Any

import yaml

from simulator.document.values import scalar


def write_yaml(data: Any) -> str:
    """JSON types as YAML text that `parse_document` reads as the same."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # which class it is, is known at run time
    """Writes text in quotation marks wherever it would be read as something else."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _write_text(dumper: yaml.Dumper, text: str) -> yaml.Node:
    style = None if isinstance(scalar(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)
