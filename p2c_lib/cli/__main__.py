"""``python -m p2c_lib.cli`` is ``p2c``."""

from p2c_lib.cli import main

main()
