"""How large the soak tests are: small in every run, large with SOAK=1 (`make soak`)."""

import os

import pytest


@pytest.fixture(scope="session")
def scale() -> int:
    return 50 if os.environ.get("SOAK") else 1
