"""The commands of ``python -m lab``, one a file: ``add_arguments(parser)`` and ``run(arguments) -> exit status``.

Nothing is decided here: a command reads its arguments, calls a door of store or runs, and prints. A new command is one
new file, one line in ``lab/__main__.py``, and its help in ``lab/words/*/help.toml``.
"""
