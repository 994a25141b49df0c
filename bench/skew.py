"""`python -m bench.skew`: skewed users on a sharded cluster, and in Cosmos DB's partitions.

Users write by Zipf's law, so that the busiest owns a good part of everything. The busiest are
placed one by one, at random with a fixed seed; the many others, of whom none matters, fill the
space between them. Bytes follow from `bench.session_layout`. Nothing is materialised, so that a run
takes seconds at any number of messages.

    python -m bench.skew [--messages N ...] [--shards N ...] [--exponent S]
"""

import argparse
import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from bench.markdown import table
from bench.request_units import PARTITION_BYTES, PARTITION_RU_PER_SECOND
from bench.scaling import operations
from bench.session_layout import (
    DEFAULT_BUDGET_BYTES,
    PEAK_PER_SECOND,
    SESSIONS_PER_USER,
    mean_session,
)

MESSAGES = (10**8, 10**9, 10**10)
SHARDS = (4, 16, 64)
EXPONENT = 1.0

RANGE_BYTES = 128 * 1024 * 1024
"""The default of MongoDB 6 and later."""
_TOLERATED_RANGES = 3
"""The balancer rests while two shards differ by less."""
_SEED = 2026
_SINGLE_USERS = 1_000
_NEWCOMER = 1_000
"""The rank, by bytes, of a user who suddenly writes as much as the first."""
_SESSIONS_PER_ACTIVE = 200
"""One in so many of a user's sessions is written to at a time,"""
_ACTIVE_LIMIT = 200
"""and so many are drawn at most."""
_RANKS = (1, 10, 100, 1_000, 10_000)
_GIGABYTE = 10**9


@dataclass(frozen=True, slots=True)
class Population:
    """Users by rank; the one of rank r owns a share like 1 / r ** exponent."""

    messages: int
    exponent: float = EXPONENT

    @property
    def users(self) -> int:
        """How many there are."""
        return max(1, round(self.messages / SESSIONS_PER_USER / mean_session().messages))

    @property
    def sessions(self) -> float:
        """How many they have."""
        return self.messages / mean_session().messages

    def share(self, rank: int) -> float:
        """Of all messages, the part of this user."""
        return math.pow(rank, -self.exponent) / self._weight_until(self.users)

    def share_until(self, rank: int) -> float:
        """Of all messages, the part of all users up to this rank."""
        return self._weight_until(rank) / self._weight_until(self.users)

    def ranks_above(self, share: float) -> int:
        """How many users own more than this share."""
        owner = math.pow(share * self._weight_until(self.users), -1 / self.exponent)
        return min(self.users, math.ceil(owner) - 1)

    def _weight_until(self, rank: int) -> float:
        """The sum of the weights, by the formula of Euler and Maclaurin."""
        s = self.exponent
        integral = math.log(rank) if s == 1 else (math.pow(rank, 1 - s) - 1) / (1 - s)
        return integral + (1 + math.pow(rank, -s)) / 2 + s * (1 - math.pow(rank, -s - 1)) / 12


@dataclass(frozen=True, slots=True)
class Balance:
    """How far a shard is above the mean of all: 1 is even."""

    fullest: float
    """With the key (user, id), while the balancer rests."""
    busiest: float
    """As long as users write in proportion to what they own."""
    with_newcomer: float
    """While a user with few bytes writes as much as the first."""
    after_split: float
    """Once the newcomer's range was cut within the user, and the parts moved to all shards."""
    whole_users: float
    """With a key of the user alone, hashed or not; bytes and writes alike."""


class KeySpace:
    """All bytes in the order of the key (user, id): the busiest users among the others."""

    def __init__(self, population: Population) -> None:
        """Place the users whose share is worth the trouble."""
        self._population = population
        self.total_bytes = population.messages * bytes_per_message()
        single = min(_SINGLE_USERS, population.users)
        self._rest = 1 - population.share_until(single)
        self._chance = random.Random(_SEED)  # noqa: S311 - made to be repeated, not to be secret
        placed = sorted((self._chance.random(), rank) for rank in range(1, single + 1))
        before = accumulate((population.share(rank) for _, rank in placed), initial=0.0)
        self._begins = {
            rank: place * self._rest + share
            for (place, rank), share in zip(placed, before, strict=False)
        }

    def balance(self, shards: int) -> Balance:
        """Neighbouring ranges lie on different shards, which is where the balancer gets to."""
        tolerated = _TOLERATED_RANGES * RANGE_BYTES
        return Balance(
            fullest=1 + tolerated * shards / self.total_bytes,
            busiest=max(self._writes(shards)) * shards,
            with_newcomer=max(self._writes(shards, hot=_NEWCOMER)) * shards,
            after_split=max(self._writes(shards, hot=_NEWCOMER, is_split=True)) * shards,
            whole_users=max(self._whole_users(shards)) * shards,
        )

    def _writes(self, shards: int, *, hot: int = 1, is_split: bool = False) -> list[float]:
        """The shards' parts of all writes; `hot` and the first user have changed places."""
        ranges = max(shards, math.ceil(self.total_bytes / RANGE_BYTES))
        writes = [self._rest / shards] * shards
        for rank, begin in self._begins.items():
            extent = self._population.share(rank)
            share = self._population.share({1: hot, hot: 1}.get(rank, rank))
            wanted = math.ceil(share * self._population.sessions / _SESSIONS_PER_ACTIVE)
            active = min(wanted, _ACTIVE_LIMIT)
            for _ in range(active):  # `_id` and generation are random, so sessions scatter
                place = begin + extent * self._chance.random()
                if is_split and rank == hot:
                    place = self._chance.random()
                writes[int(place * ranges) % shards] += share / active
        return writes

    def _whole_users(self, shards: int) -> list[float]:
        """Each user is on one shard; the large ones first, then the others where there is room."""
        loads = [0.0] * shards  # a heap
        for rank in sorted(self._begins):
            heapq.heapreplace(loads, loads[0] + self._population.share(rank))
        return filled_up(loads, self._rest)


def filled_up(loads: Sequence[float], rest: float) -> list[float]:
    """The loads, ascending, after the rest was poured where they are lowest."""
    ascending = sorted(loads)
    for count in range(len(ascending), 0, -1):
        level = (sum(ascending[:count]) + rest) / count
        if level >= ascending[count - 1]:
            return [level] * count + ascending[count:]
    return ascending


def bytes_per_message() -> float:
    """Of heads and segments together."""
    mean = mean_session()
    return (mean.head_bytes + mean.segment_bytes) / mean.messages


@dataclass(frozen=True, slots=True)
class UserLimits:
    """What one user may have in Cosmos DB, where a partition is one value of the shard key."""

    messages: float
    appends_per_second: float


def user_limits(budget_bytes: int = DEFAULT_BUDGET_BYTES) -> UserLimits:
    """By the collection that is full first; indexes, which count as well, are left out."""
    mean = mean_session(budget_bytes)
    fuller = max(mean.head_bytes, mean.segment_bytes) / mean.messages
    append_units = operations(budget_bytes)["append"]
    return UserLimits(PARTITION_BYTES / fuller, PARTITION_RU_PER_SECOND / append_units)


def balances(
    messages: Sequence[int] = MESSAGES,
    shards: Sequence[int] = SHARDS,
    exponent: float = EXPONENT,
) -> str:
    """The fullest and the busiest shard, as multiples of the mean."""
    rows = []
    for count in messages:
        space = KeySpace(Population(count, exponent))
        for number in shards:
            one = space.balance(number)
            ratios = (
                one.fullest,
                one.busiest,
                one.with_newcomer,
                one.after_split,
                one.whole_users,
            )
            rows.append(
                (
                    f"{count:,}",
                    f"{number}",
                    f"{space.total_bytes / number / _GIGABYTE:,.0f}",
                    *(f"{ratio:.2f}" for ratio in ratios),
                )
            )
    header = (
        "messages",
        "shards",
        "GB a shard",
        "bytes",
        "writes",
        "with a newcomer",
        "after a split",
        "key of the user alone",
    )
    return table(header, rows)


def hot_users(messages: int = 10**9, exponent: float = EXPONENT) -> str:
    """What the busiest of a billion messages' users own and do."""
    population = Population(messages, exponent)
    rows = []
    for rank in _RANKS:
        share = population.share(rank)
        size_bytes = share * messages * bytes_per_message()
        rows.append(
            (
                f"{rank:,}",
                f"{share:.4%}",
                f"{share * messages:,.0f}",
                f"{share * population.sessions:,.0f}",
                f"{size_bytes / _GIGABYTE:,.2f}",
                f"{math.ceil(size_bytes / RANGE_BYTES):,}",
                f"{share * messages * PEAK_PER_SECOND:,.3f}",
            )
        )
    header = ("user of rank", "share", "messages", "sessions", "GB", "ranges", "appends/s at peak")
    return table(header, rows)


def partitions(messages: Sequence[int] = MESSAGES, exponent: float = EXPONENT) -> str:
    """Who outgrows a logical partition of Cosmos DB, by size or by appends."""
    rows = []
    for budget_bytes in (DEFAULT_BUDGET_BYTES, 64 * 1024):
        limits = user_limits(budget_bytes)
        for count in messages:
            population = Population(count, exponent)
            largest_share = population.share(1)
            peak_per_second = count * PEAK_PER_SECOND
            rows.append(
                (
                    f"{budget_bytes // 1024}",
                    f"{count:,}",
                    f"{largest_share * count / limits.messages:,.1%}",
                    f"{population.ranks_above(limits.messages / count):,}",
                    f"{largest_share * peak_per_second / limits.appends_per_second:,.1%}",
                    f"{population.ranks_above(limits.appends_per_second / peak_per_second):,}",
                )
            )
    header = (
        "KiB a head",
        "messages",
        "the busiest user, of 20 GB",
        "users beyond",
        "the busiest user, of 10,000 RU/s",
        "users beyond",
    )
    return table(header, rows)


def tables() -> list[str]:
    """All that stand in docs/scaling.md."""
    return [balances(), hot_users(), partitions()]


def main() -> None:
    """Print the tables, with whatever the command line changes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, nargs="+", default=MESSAGES, metavar="N")
    parser.add_argument("--shards", type=int, nargs="+", default=SHARDS, metavar="N")
    parser.add_argument("--exponent", type=float, default=EXPONENT, metavar="S")
    wanted = parser.parse_args()
    print(balances(wanted.messages, wanted.shards, wanted.exponent), end="\n\n")
    print(hot_users(exponent=wanted.exponent), end="\n\n")
    print(partitions(wanted.messages, wanted.exponent))


if __name__ == "__main__":
    main()
