"""``python -m tests.browser.dashboard.serving STORE``: a dashboard for everybody; says at which port."""

import sys

from celeriac import Celeriac
from celeriac.clock import SystemClock
from celeriac.dashboard import guard
from celeriac.dashboard.access import Open
from celeriac.dashboard.serve import listening, serve
from celeriac.dashboard.site import Site


def main(store: str) -> None:
    """Serve until SIGTERM."""
    with Celeriac("shop", broker=store, clock=SystemClock()) as app:
        sock = listening("127.0.0.1", 0)
        port = sock.getsockname()[1]
        site = Site(app, Open(), allowed_hosts=guard.LOOPBACK)
        serve(site, sock, started=lambda: print(port, flush=True))


if __name__ == "__main__":
    main(sys.argv[1])
