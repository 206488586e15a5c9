"""Broken bytes for everything that reads stored ones: nothing may come of them but promised errors.

A short form runs with the tests; the long one is ``python -m tests.fuzz --inputs 1000000``.
"""
