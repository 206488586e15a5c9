"""``python -m tools.provide``: get the servers and the browser that the tests need and that are missing.

Says what there is and never fails: what is still missing is for the tests to judge.
"""

from tools import chromium, redis_server
from tools.programs import Program


def main() -> None:
    """Get what is missing, then say what the tests will use."""
    _say("Redis", redis_server.get(), advice=redis_server.HOW_TO_GET["redis"])
    _say("Valkey", redis_server.find("valkey"), advice=redis_server.HOW_TO_GET["valkey"])
    _say("Browser", chromium.get(), advice=chromium.HOW_TO_GET)


def _say(name: str, program: Program | None, *, advice: str) -> None:
    print(f"{name}: {f'{program.version} ({program.path})' if program else advice}", flush=True)


if __name__ == "__main__":
    main()
