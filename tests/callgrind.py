"""Runs programs under callgrind, and reads what it counted."""

import re
import shutil
import sys
from collections import Counter


def require():
    """Ends the script if valgrind is not installed."""
    if not shutil.which("valgrind"):
        sys.exit("needed: valgrind")


def command(out, *options):
    """The command that counts the instructions of the program after it, into the file `out`."""
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *options]


def total(path):
    """The total of instructions in a callgrind file."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(("summary:", "totals:")):
                return int(line.split()[1])
    raise ValueError(f"{path} holds no sum")


def by_function(path, without=None):
    """The instructions of each function itself, without those that it calls.

    Functions that the pattern `without` finds are left out, and what they call is taken off the called functions.
    """
    names, costs = {}, Counter()
    function = callee = None
    is_call = False

    def is_left_out(name):
        return without is not None and re.search(without, name) is not None

    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("fn="):
                function = _name(line[3:].rstrip("\n"), names)
            elif line.startswith("cfn="):
                callee = _name(line[4:].rstrip("\n"), names)
            elif line.startswith("calls="):
                # The next line has the cost of the calls, callees included.
                is_call = True
            elif line[0].isdigit() or line[0] in "+-*":
                cost = int(line.split()[1]) if function else 0
                if not is_call:
                    costs[function] += 0 if is_left_out(function) else cost
                elif is_left_out(function) and not is_left_out(callee):
                    costs[callee] -= cost
                is_call = False
    return costs


def _name(text, names):
    """The name in `(1) name`, or in `(1)` after that."""
    number, _, name = text.partition(" ")
    if name:
        # Without the compiler's hash and the recursion number, which differ between builds.
        names[number] = re.sub(r"::h[0-9a-f]{16}|'\d+$", "", name)
    return names.get(number, number)
