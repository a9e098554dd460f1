"""Sentences about a Ray cluster: what is free there, and where a run is."""

from __future__ import annotations

from typing import Any

from lab.words import say, word


def cluster_line(address: str, figures: dict[str, Any] | None, locale: str) -> str:
    """What a cluster has free, of ``{"nodes", "cpus", "cpus_free", "gpus", "gpus_free"}`` or ``{"error"}``.

    None while it is being asked.
    """
    if figures is None:
        return say("ray.asking", locale, address=address)
    if error := figures.get("error"):
        return say("ray.silent", locale, why=word(error, locale))
    numbers = {name: f"{value:g}" for name, value in figures.items() if isinstance(value, int | float)}
    return say("ray.free", locale, address=address, **numbers)


def wanted(note: dict[str, Any]) -> str:
    """What a run asks of a cluster, of its ``ray.json``: ``2 × 1 CPU + 1 GPU``."""
    gpus = f" + {note['gpus']} GPU" if note.get("gpus") else ""
    return f"{note['processes']} × {note['cpus']} CPU{gpus}"


def place_line(note: dict[str, Any], locale: str) -> str:
    """Where a run is, of its ``ray.json``; empty for one of this machine."""
    if not note:
        return ""
    share = wanted(note)
    hosts = ", ".join(dict.fromkeys(f"{node['host']} ({node['address']})" for node in note.get("nodes") or ()))
    return say("ray.runs_on", locale, hosts=hosts, share=share) if hosts else say("ray.waits", locale, share=share)
