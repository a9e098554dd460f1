"""Hardens itself, then becomes the interpreter of written rules. Only ``inside_written.py`` starts this; it holds no logic of rules.

The pool of pydantic-monty starts one program with one argument (``subprocess``) and an empty environment, and can be told neither
to ask for a parent-death signal nor to start anything else first. So it is told to start *Python*, in the folder above this one,
where that argument names this program. Limits and ``no_new_privs`` are inherited from the worker; the signal is not, and without it
a rule that loops where the interpreter does not look at its clock would outlive a killed lab.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
SIGKILL = 9

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    # Had the worker died before that line, the input has ended, and so does the interpreter.
    program = os.path.join(os.path.dirname(sys.executable), "monty")  # noqa: PTH118, PTH120 -- pathlib costs 10 ms here
    os.execve(program, ["monty", "subprocess"], {})  # Python adds a variable of its own
