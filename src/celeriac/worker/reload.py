"""Watching source files for `--reload`; needs the extra `reload`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from celeriac.errors import MissingExtra


def watch(changed: Callable[[], None], folder: Path | None = None) -> Callable[[], None]:
    """Call *changed*, in a thread, after each change of a Python file below *folder*; return what ends that.

    Raises:
        MissingExtra: watchfiles is not installed.
    """
    try:
        import watchfiles
    except ImportError as error:
        raise MissingExtra("--reload needs watchfiles: pip install 'celeriac[reload]'") from error
    over = threading.Event()

    def run() -> None:
        for _ in watchfiles.watch(
            folder or Path.cwd(), watch_filter=watchfiles.PythonFilter(), stop_event=over
        ):
            changed()

    thread = threading.Thread(target=run, name="celeriac-reload", daemon=True)
    thread.start()
    return over.set
