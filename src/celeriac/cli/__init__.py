"""The command line: `celeriac`, also `python -m celeriac`. An edge: it asks and tells, and decides nothing.

How a command ends (`codes.Exit`):

    0    done; for call --wait, result and watch: every task succeeded
    1    a task failed; or, of doctor and check, something is wrong or would fail
    2    wrong usage, a filter that cannot be read, or a wrong setting
    3    the store is away, full, read-only, broken or of another version
    4    no such task, group, task name, worker or setting
    5    the application cannot be loaded
    6    a task was revoked (and none failed)
    7    the task's state does not allow it: not ended yet (result, forget), ended already (revoke), not
         failed (dead), in code (schedules remove); a name that is taken (dashboard user add)
    8    tasks wait that no worker takes (status)
    70   a bug in Celeriac
    124  the time-out is over
    130  interrupted; the tasks run on
    141  whoever read the output has gone

Results go to standard output, everything else to standard error. Nothing that is slow to import (a
store's client, asyncio, rich) is imported before a command needs it.
"""

from celeriac.cli.program import main

__all__ = ["main"]
