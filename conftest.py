"""Every test here has the fixtures and guards of `tests.plugin`, those that are shipped in `src` too."""

pytest_plugins = ["tests.plugin"]
