"""The command line: `fastcnn memory vgg16 --batch 64 --training --optimizer adam`. parser.py has the arguments, commands.py the commands.

Exit codes: 0 for success; 1 if `check` found an error; 2 for wrong arguments, files or networks; 130 after an interrupt.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code. arguments=None: the arguments of the process."""
    from fastcnn.cli.commands import COMMANDS
    from fastcnn.cli.parser import parser

    given = parser().parse_args(arguments)
    try:
        code = COMMANDS[given.command](given)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # a reader such as `head` has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, NotImplementedError, OSError, ImportError, MemoryError) as error:
        print(f"fastcnn {given.command}: {error}", file=sys.stderr)
        return 2
    return code
