"""Where a payload runs: in this process, in its own, or on another machine.

Assets say what to run; this room knows how. It holds no business logic.
"""
