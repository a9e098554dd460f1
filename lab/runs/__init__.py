"""Runs: queued, started, watched, stopped, resumed. A worker is a process of its own; nothing here loads a model."""
