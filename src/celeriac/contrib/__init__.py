"""What goes with Celeriac and is not needed by it: each part is imported by whoever wants it."""
