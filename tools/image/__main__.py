"""Build the image and check it: `python -m tools.image [CHECK…]`.

Needs root, and Debian. If programs are missing, it names them.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence

from tools.contract_checks.check import Failed, carry_out
from tools.image.building import built, ensure_base
from tools.image.checks import checks

# A program, and the Debian package that contains it.
PROGRAMS = {"buildah": "buildah", "debootstrap": "debootstrap", "setpriv": "util-linux", "unshare": "util-linux"}


def main(names: Sequence[str]) -> int:
    """Returns the exit status: 0 only if the image was built and every check was made and passed."""
    missing = [f"{name} (package {package})" for name, package in PROGRAMS.items() if shutil.which(name) is None]
    if os.getuid() != 0:
        missing.append("root, for namespaces and mounts")
    if missing:
        print(f"cannot test the image here; it needs {', '.join(missing)}", file=sys.stderr)
        return 1
    try:
        ensure_base()
        begin = time.monotonic()
        with built() as image:
            seconds = time.monotonic() - begin
            print(f"built in {seconds:.0f} s: {image.size}, of which the base is {image.base_size}", flush=True)
            return carry_out(checks(image), names)
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
