"""Beat: what runs on time. Rules say when, entries what, `plan` what becomes of it, `Ticker` does it."""
