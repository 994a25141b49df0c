"""What operations cost on Azure Cosmos DB for MongoDB (RU), by the rules that Microsoft publishes.

"Optimize request cost in Azure Cosmos DB" (learn.microsoft.com/azure/cosmos-db/
optimize-cost-reads-writes): a point read of 1 KB is 1 RU and of 100 KB 10 RU; inserting 1 KB
without indexing is about 5.5 RU; replacing costs twice what inserting does; a query that returns
a thousand items of 1 KB costs 1,000 RU. An earlier edition of the page has a write of 100 KB at ten
times one of 1 KB. Between and beyond the two sizes we draw a straight line, which nobody promises.
Entries of indexes cost something, too; no figure is published, so none is in here.
"""

KILOBYTE = 1000
PARTITION_RU_PER_SECOND = 10_000
"""Of a logical partition (learn.microsoft.com/azure/cosmos-db/concepts-limits), as is the next."""
PARTITION_BYTES = 20 * 10**9


def read(size_bytes: float) -> float:
    """A document found by its key."""
    return 1 + 9 / 99 * _beyond_first(size_bytes)


def insert(size_bytes: float) -> float:
    """A new document."""
    return 5.5 + 49.5 / 99 * _beyond_first(size_bytes)


def replace(size_bytes: float) -> float:
    """Any change of a document: it is written whole."""
    return 2 * insert(size_bytes)


def delete() -> float:
    """Nothing is published but that it varies: counted as the smallest insert."""
    return insert(KILOBYTE)


def _beyond_first(size_bytes: float) -> float:
    return max(0.0, size_bytes / KILOBYTE - 1)
