"""A source file is changed, as a person does between two looks: never within one second."""

import os
from pathlib import Path


def edit(path: Path, text: str) -> None:
    """Write *text*, two seconds after the change before it by the file's clock.

    Python tells byte code from its source by whole seconds and the length of the file, so a second change of
    the same length within a second would not be seen.
    """
    changed = path.stat().st_mtime + 2
    path.write_text(text)
    os.utime(path, (changed, changed))
