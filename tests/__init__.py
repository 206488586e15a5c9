"""The tests. Shared parts are imported by their full name: ``from tests.waiting import wait_until``."""
