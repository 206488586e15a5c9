"""What is wrong, or soon will be, before a task shows it; and what would fail of what waits.

Nothing is changed. `visit` goes from one thing to the next: the application, the store's place (which each
store examines itself, see `Broker.examine`), its workers, queues and schedules. `pending` binds what waits to
the code that is here.
"""

from celeriac.doctor.visit import visit

__all__ = ["visit"]
