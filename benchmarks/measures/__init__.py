"""One module for each measure; each has `measure(plan)`, which yields figures."""
