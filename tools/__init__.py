"""Small scripts around the project: they get servers and browsers and run the tests; nothing here ships."""
