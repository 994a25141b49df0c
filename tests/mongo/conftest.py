"""Tests of servers are for runs on servers: where none is chosen, none is killed or asked."""

import os

from tests.stores import ENGINES, SERVER_VARIABLE

collect_ignore: list[str] = []
if not ENGINES:
    collect_ignore += [
        "test_finished_collections.py",
        "test_killed_engines.py",
        "test_stalled_engines.py",
    ]
if SERVER_VARIABLE not in os.environ:
    collect_ignore.append("test_explained_queries.py")
