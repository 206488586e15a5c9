"""What Celeriac costs, measured on this machine; run with `make bench`. Never part of the tests.

Where to look: `measures/`, one module for each measure, says what a figure means; `goals` says what it shall
be; `floors/` is the tightest honest code over the same stores, measured in turn with ours. `stores` makes
fresh stores, `workers` runs real workers, `site` brings both together with the application (`work`, `many`);
`plan` says how much, `figures` and `report` what came out. `peers/` measures other task queues.
"""
