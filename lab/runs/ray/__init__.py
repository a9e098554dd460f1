"""Runs on a Ray cluster: ``LAB_RAY_ADDRESS``. Only ``connection.py`` and ``job.py`` import ray, each in a process of its own."""
