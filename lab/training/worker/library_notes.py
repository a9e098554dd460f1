"""What the libraries warn of reaches the run's log as sentences: each once, without colours and module paths.

Left out are warnings about the libraries' own future, and those that the lab answers itself.
"""

from __future__ import annotations

import logging
import re
import warnings
from typing import Any

LIBRARIES = ("transformers", "trl", "peft", "datasets", "accelerate")

ANSWERED = (
    "deprecat",  # of their own future
    "will be removed",
    "experimental",
    "LOAD REPORT",  # ``base.py`` reads it, and refuses weights that are missing
    "newly initialized",
    "use_cache",  # switched off by the trainers themselves
    "PAD/BOS/EOS tokens",  # set on purpose: ``base.settle_tokens``
    "bos_token_id must be",
    "eos_token_id must be",
    "The model is already on multiple devices",
    "torch.distributed process group is initialized",  # ``team.py`` joins the processes itself
    "None of the inputs have requires_grad",
    "requires torchvision",
)
"""Pieces of the warnings that are left out."""

COLOUR = re.compile("\x1b\\[[0-9;]*m")
LONGEST = 400


class Teller(logging.Handler):
    """Prints a library's warnings as ``note: …``, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record of the libraries' loggers."""
        self.tell(record.name.split(".")[0], record.getMessage())

    def tell(self, library: str, text: str) -> None:
        """Print one sentence, unless it was told or is one of ``ANSWERED``."""
        sentence = " ".join(COLOUR.sub("", text).split())[:LONGEST]
        if sentence and sentence not in self._told and not any(piece in sentence for piece in ANSWERED):
            self._told.add(sentence)
            print(f"note: {library} says: {sentence}", flush=True)


TELLER = Teller()


def listen(teller: Teller = TELLER) -> None:
    """Let the libraries warn through a Teller, and nowhere else. Call it again once they are loaded: transformers adds a handler then."""
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        logger.handlers = [teller]
        logger.setLevel(logging.WARNING)
        logger.propagate = False

    def show(message: Warning | str, category: type[Warning], filename: str, *_: Any, **__: Any) -> None:
        library = next((name for name in (*LIBRARIES, "torch") if f"/{name}/" in filename.replace("\\", "/")), "")
        if library in LIBRARIES and not issubclass(category, (DeprecationWarning, FutureWarning)):
            teller.tell(library, str(message))

    warnings.showwarning = show
