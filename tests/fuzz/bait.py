"""Named by broken bytes; whoever imports it has imported a name that came from a store."""

raise AssertionError("a name that was stored has been imported")
