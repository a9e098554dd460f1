"""Start the lab: settings → store → supervisor → Blocks → server; serve. ``python app.py --help`` has the flags.

Nothing is decided here, and nothing here trains: ``import app`` loads no torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from lab.errors import LabError
from lab.settings import read_settings

# Before Gradio is imported, by whomever: it looks at these only once. Nobody's use of the lab is reported anywhere.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C. Exit status: 0 closed, 1 the lab refused to start, 2 a flag that cannot be used."""
    try:
        settings = read_settings(arguments)
        # Rooms are opened after the flags are read: --help answers at once.
        from lab.server.lean import trim_imports

        trim_imports()
        from lab.runs.supervisor import Supervisor
        from lab.server.application import build
        from lab.server.serve import serve
        from lab.store.runs import Store
        from lab.ui.page import build as build_page

        store = Store(settings.home, allow_unsafe_disk=settings.allow_unsafe_disk)
        supervisor = Supervisor(store)
        application = build(settings, store, supervisor, build_page(settings, store, supervisor))
        try:
            supervisor.start()
            serve(application, settings)
        finally:
            supervisor.close()
    except LabError as error:
        from lab.ui.text import word

        print(word(error, os.environ.get("LANG", "en")), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
