"""What the servers under test cannot do: the one table that leaves tests out, and why.

A server without a line here can do all. `python -m tests.mongo.capabilities` writes the table into
`docs/mongodb-engines.md`, where a test expects it.
"""

from itertools import groupby
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "mongodb-engines.md"
_BEGIN, _END = "<!-- the table: python -m tests.mongo.capabilities -->\n", "<!-- its end -->\n"


class Lack(NamedTuple):
    """Something that one server cannot do, or does otherwise than MongoDB."""

    server: str
    what: str
    instead: str
    """What the store, the tests or an operator do about it, and why that is enough."""
    left_out: tuple[str, ...] = ()
    """Tests that cannot pass, `file::test` or `file::test[parameter]`; none where the store does
    without."""


_LAW_1 = "tests/laws/test_law_01_nothing_acknowledged_is_lost.py"
_LISTS = "tests/conformance/test_list_sessions.py"
_KEYS = "tests/conformance/test_list_keys.py"
_CORPORA = "tests/copying/test_corpora.py"
_LIVE = "tests/migrations/test_live_collections.py"
_IN_COLLECTIONS = "tests/migrations/test_corpora_in_collections.py"
_LONG = "tests/conformance/test_long_sessions.py"
_RESUMED = "tests/copying/test_resume_after_a_kill.py"
_FOLLOWING = "tests/api/chat/test_follow_between_processes.py"
_LARGE = "tests/migrations/test_large_sessions.py"

LACKS = (
    Lack(
        "ferretdb",
        "Updates of one document from several connections at once: it reads, changes and writes "
        "back without a lock. Of 50 `$push` at once 1 to 7 are kept, of 50 updates guarded by one "
        "revision 2 to 21 say that they were done, and nobody gets an error",
        "One connection (`maxPoolSize=1`) lets updates in one by one, and then all of them are "
        "kept: the tests use that. Two processes have two connections, so tests with several "
        "are left out, and so is `CHATFOLD_WORKERS` above 1 there",
        (
            f"{_LAW_1}::test_what_was_acknowledged_is_there_after_every_process_was_killed[2]",
            f"{_LAW_1}::test_writers_lose_nothing_where_a_worker_is_killed_and_replaced",
            "tests/soak/test_kills.py::test_a_service_that_is_killed_over_and_over_loses_nothing",
            f"{_FOLLOWING}::test_two_writers_and_a_listener_that_hangs_up_all_the_time",
        ),
    ),
    Lack(
        "ferretdb",
        "`$nin`, `$ne` and `$elemMatch` on members of embedded documents: "
        "`messages.id: {$nin: …}` matches every document",
        "The store says the same with `$nor`, which all servers understand",
    ),
    Lack(
        "ferretdb",
        "`findAndModify` with a projection (error 238)",
        "Found out at start; the whole head is answered instead",
    ),
    Lack(
        "ferretdb",
        "Arrays directly in arrays, names with `$` or a dot; `-0.0` comes back as `0.0`",
        "Free JSON of that kind is stored as JSON text. A source there cannot have it either",
        (
            f"{_LIVE}::test_a_collection_folds_as_its_dump_does",
            f"{_LIVE}::test_some_sessions_are_folded_and_verified_first",
            f"{_LIVE}::test_commands_take_the_url_of_a_collection",
            f"{_IN_COLLECTIONS}::test_a_corpus_has_the_hashes_of_its_manifest[dialogs.messages]",
        ),
    ),
    Lack(
        "ferretdb",
        "`createIndexes` with several indexes that exist already: the connection is closed",
        "Indexes are created one by one, and only those that are missing",
    ),
    Lack(
        "ferretdb",
        "Filters by an index: all but `{_id: …}` alone reads the whole collection, "
        "and `explain` always says `SCAN`",
        "Nothing: it is for little data only. That queries use their indexes is not tested here, "
        "nor what looks up thousands of messages one by one, which takes minutes",
        (
            f"{_LONG}::test_a_long_session_reads_as_it_was_written[later]",
            f"{_RESUMED}::test_a_second_copy_completes_what_a_kill_left",
            f"{_CORPORA}::test_some_dialogs_are_the_same_there_and_back[1000-17934]",
            f"{_CORPORA}::test_all_dialogs_are_the_same_there_and_back",
            f"{_LARGE}::test_a_large_session_is_served_whole[many messages]",
        ),
    ),
    Lack(
        "ferretdb",
        "Change streams",
        "Found out where a session is first followed: all that are followed are then asked for "
        "once a second, by one query for a thousand of them",
    ),
    Lack(
        "ferretdb",
        "Text indexes (27), partial and expiring indexes (238)",
        "Not used by the store",
    ),
    Lack(
        "java",
        "Strings in the order of code points: it compares UTF-16, so U+1F600 comes before U+FFEE",
        "Nothing: MongoDB and the others compare bytes of UTF-8, which is the order of code points",
        (
            f"{_LISTS}::test_activity_is_newest_first_with_ties_by_falling_id",
            f"{_KEYS}::test_keys_come_by_code_point",
            f"{_KEYS}::test_pages_together_are_all_keys",
            f"{_KEYS}::test_keys_begin_after_one_that_need_not_exist",
        ),
    ),
    Lack(
        "java",
        "`explain`",
        "That queries use their indexes is not tested here",
    ),
    Lack(
        "java",
        "`hello` by this name, wire versions above 8, `j: true` without a delay, whole documents "
        "to readers while a writer changes them",
        "Our start of it (`tests/engines/java`) gives it all four",
    ),
    Lack(
        "java",
        "Sessions and retryable writes",
        "Not needed: after an error the store reads what became of a write",
    ),
    Lack(
        "java",
        "Change streams",
        "As on FerretDB: sessions that are followed are asked for once a second",
    ),
    Lack(
        "java",
        "`$text` (error 2), although a text index can be created",
        "Not used by the store",
    ),
    Lack(
        "mongomock",
        "Other processes: it is an object of the test's own",
        "Tests with several processes run on SQLite and on the engines",
    ),
    Lack(
        "mongomock",
        "Commands but for `ping`, `hello` and `buildInfo`; `$text`; `explain`; limits of size",
        "What needs them is tested on the engines, or on a server that is given",
    ),
    Lack(
        "mongomock",
        "Indexes: every read looks at every document",
        "Thousands of sessions are tested on the engines",
        (
            f"{_CORPORA}::test_some_dialogs_are_the_same_there_and_back[1000-17934]",
            f"{_CORPORA}::test_all_dialogs_are_the_same_there_and_back",
        ),
    ),
)


def reason_to_leave_out(store_name: str | None, test_id: str) -> str | None:
    """Why this test is left out on this store; None where it is not."""
    server = (store_name or "").removesuffix("-small-segments")
    for lack in LACKS:
        if lack.server == server and any(_names(one, test_id) for one in lack.left_out):
            return f"{lack.server} lacks this: {lack.what}."
    return None


def _names(left_out: str, test_id: str) -> bool:
    test, _, parameter = left_out.partition("[")
    return test == test_id.partition("[")[0] and test_id.endswith(f"-{parameter}" * bool(parameter))


def drawn_table() -> str:
    """A table per server; tests that are left out are named."""
    lines: list[str] = []
    for server, lacks in groupby(LACKS, key=lambda lack: lack.server):
        lines += [f"### {server}", "", "| what it cannot do | instead | tests left out |"]
        lines += ["|---|---|---|"]
        for lack in lacks:
            tests = "<br>".join(f"`{one.rpartition('::')[2]}`" for one in lack.left_out)
            lines.append(f"| {lack.what} | {lack.instead} | {tests or 'none'} |")
        lines.append("")
    return "\n".join(lines)


def table_on_the_page() -> str:
    """The same as the page has it."""
    return PAGE.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]


def main() -> None:
    """Bring the page up to the table."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    PAGE.write_text(before + begin + drawn_table() + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()
