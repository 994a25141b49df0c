"""Stores behind the doors of a product that is being migrated."""

import pytest

from tests.store_kind import StoreKind
from tests.stores import STORES, STORES_BEHIND_DOORS


@pytest.fixture(params=STORES_BEHIND_DOORS)
def store_kind(request: pytest.FixtureRequest) -> StoreKind:
    return STORES[request.param]
