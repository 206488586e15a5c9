"""What Celeriac costs, measured on this machine; run with `make bench`. Never part of the tests."""
