"""The Alignment Lab: collect preferences, write reward rules, train, and see inside every group."""

__version__ = "0.1.0"
