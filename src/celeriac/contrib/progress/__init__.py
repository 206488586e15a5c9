"""Progress on the pages of your own web application, in Flask, FastAPI, Django, or any other.

Endpoints that show a task to whoever holds a token for it (`app.progress_token`), and `<celeriac-progress>`,
an element that asks them. Mount them with `asgi`, `blueprint`, `urls` or `wsgi`; `element` writes what a page
needs. How, is in `docs/howto/progress.md`.
"""

from celeriac.contrib.progress.html import element
from celeriac.contrib.progress.mounts import asgi, blueprint, urls, wsgi

__all__ = ["asgi", "blueprint", "element", "urls", "wsgi"]
