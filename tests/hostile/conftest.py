"""The labs that the attacks are made on: the server tests' own."""

from tests.server.conftest import lab, make_lab, make_module_lab, shared_lab  # noqa: F401 - fixtures
