from __future__ import annotations

from collections.abc import Mapping

import pytest

from docs.generate import pages


@pytest.fixture(scope="session")
def generated() -> Mapping[str, str]:
    """The reference pages by file name, as `make docs` writes them."""
    return pages()
