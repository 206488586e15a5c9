"""A browser without a screen: it keeps cookies, and says of itself what a browser would."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

SAME: Mapping[str, str] = {"sec-fetch-site": "same-origin"}


class Client:
    """Sends requests to an ASGI application, each in an event loop of its own."""

    def __init__(self, asgi: Any, base: str = "http://127.0.0.1", root: str = "") -> None:
        self._asgi, self.base, self.root = asgi, base, root
        self.cookies = httpx.Cookies()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, form: Mapping[str, str] | None = None, **options: Any) -> httpx.Response:
        """Send a form as one of our own pages would."""
        headers = {**SAME, **options.pop("headers", {})}
        return self.ask("POST", path, data=form or {}, headers=headers, **options)

    def ask(self, method: str, path: str, *, follow: bool = False, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask(method, path, follow, options))

    async def _ask(self, method: str, path: str, follow: bool, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self._asgi, raise_app_exceptions=False, root_path=self.root)
        async with httpx.AsyncClient(
            transport=transport, base_url=self.base, cookies=self.cookies, follow_redirects=follow
        ) as client:
            answer = await client.request(method, path, **options)
            self.cookies = client.cookies
            return answer
