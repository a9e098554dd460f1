"""The commands of ``python -m lab``, one a file: ``HELP``, ``add_arguments(parser)`` and ``run(arguments) -> exit status``.

Nothing is decided here: a command reads its arguments, calls a door of store or runs, and prints. A new command is one
new file and one line in ``lab/__main__.py``.
"""
