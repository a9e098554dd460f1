"""Start the lab: settings → store → supervisor → Blocks → server; serve. ``python app.py --help`` has the flags.

Nothing is decided here, and nothing here trains: ``import app`` loads no torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from lab.commands.parsing import speak
from lab.errors import LabError, exit_status
from lab.loading import loading
from lab.settings import Settings, read_settings
from lab.store.users import with_users
from lab.words import say, system_locale, word


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C. Exit status: 0 closed, 1 the lab refused to start, 2 a setting that cannot be used."""
    try:
        speak(system_locale())
        settings = read_settings(arguments, explain=lambda key: say(f"help.app.{key}", system_locale()))
        run(with_users(settings))
    except LabError as error:
        print(word(error, system_locale()), file=sys.stderr)
        return exit_status(error)
    return 0


def run(settings: Settings) -> None:
    """Open the rooms, in order, and serve. Imported here, so that ``--help`` and a refusal answer at once."""
    os.environ["GRADIO_TEMP_DIR"] = str(settings.home.resolve() / "cache" / "gradio")  # not /tmp, which others share
    if settings.trusted_rules is not None:
        os.environ["LAB_TRUSTED_RULES"] = str(settings.trusted_rules)  # workers find it there
    with loading():
        from lab.ui.gradio_shims import import_gradio

        import_gradio()
        from lab.runs.hub_backup import HubBackup
        from lab.runs.ray.cluster import RayCluster
        from lab.runs.standby import StandbyLauncher
        from lab.runs.supervisor import Supervisor
        from lab.sandbox import rewards
        from lab.server.application import build
        from lab.server.serve import listen, serve
        from lab.store.runs import Store
        from lab.ui.judge_page import JudgePage
        from lab.ui.page import build as build_page
        from lab.ui.wall_page import WallPage

        rewards.by_name()  # a trusted file that cannot be used is said before anything starts
        listener = listen(settings)  # then: where the port is taken, nothing else happens
        store = Store(settings.home, allow_unsafe_disk=settings.allow_unsafe_disk)
        backup = HubBackup(store, settings.backup) if settings.backup else None
        if backup is not None:
            backup.restore()
        supervisor = Supervisor(
            store,
            launcher=StandbyLauncher(store.home) if settings.spare_worker else None,
            cluster=RayCluster(settings.ray, store) if settings.ray else None,
        )
        page = build_page(settings, store, supervisor)
        application = build(settings, store, supervisor, page, JudgePage(), WallPage(), backup)
    try:
        if backup is not None:
            supervisor.changes.backup = backup.standing
            backup.start()
        supervisor.start()
        rewards.warm()
        serve(application, settings, listener)
    finally:
        if backup is not None:
            backup.close()  # sends what is left
        supervisor.close()  # workers go on; the next start finds them
        store.close()


if __name__ == "__main__":
    sys.exit(main())
