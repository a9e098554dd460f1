"""The list of runs, with the selected one."""

from lab.ui.components.run_list.component import run_list

__all__ = ["run_list"]
