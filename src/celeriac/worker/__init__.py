"""The worker: it knows a table of tasks, a broker and a clock, never the application."""
