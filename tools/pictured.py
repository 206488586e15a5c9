"""The application in the pictures of the dashboard: a shop with something of everything."""

import random
import time

from celeriac import Celeriac, Task

app = Celeriac("shop")

COUNTRIES = ("fr", "de", "it", "es", "se")


class CardExpired(Exception):
    """The bank has refused."""


@app.task(name="shop.resize")
def resize(picture: str, width: int) -> dict[str, object]:
    """Take a moment."""
    time.sleep(random.uniform(0.02, 0.3))
    return {"picture": picture, "width": width}


@app.task(name="shop.mail", rate_limit="40/s")
def mail(to: str, template: str) -> str:
    """Take a shorter one."""
    time.sleep(random.uniform(0.01, 0.05))
    return f"{template} to {to}"


@app.task(name="shop.charge")
def charge(order: int, cents: int) -> str:
    """Fail for every fifth order."""
    time.sleep(random.uniform(0.05, 0.2))
    if order % 5 == 0:
        raise CardExpired(f"the card of order {order} expired in 09/26")
    return f"{cents / 100:.2f} €"


@app.task(name="shop.stock")
def stock(warehouse: dict[str, int], article: str) -> int:
    """Fail for what the warehouse does not have."""
    return warehouse[article]


@app.task(name="shop.import_prices", bind=True)
def import_prices(self: Task, file: str, rows: int) -> int:
    """Take long, and say how far it is."""
    for row in range(0, rows, 40):
        country = COUNTRIES[row * len(COUNTRIES) // rows]
        self.update_state(
            state="PROGRESS",
            meta={"current": row, "total": rows, "status": f"{file}: prices for {country.upper()}"},
        )
        time.sleep(0.25)
    return rows


@app.task(name="shop.count")
def count(region: str) -> int:
    """Take a moment for a part of the report."""
    time.sleep(random.uniform(0.1, 0.5))
    return len(region)


@app.task(name="shop.report")
def report(counts: list[int]) -> int:
    """Put the parts together."""
    return sum(counts)
