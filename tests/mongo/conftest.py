"""Tests that kill engines are for runs on engines: where none is chosen there are none to kill."""

from tests.stores import ENGINES

if not ENGINES:
    collect_ignore = ["test_killed_engines.py"]
