"""``python -m prybee``: the command without its launcher."""

from prybee.cli import main

raise SystemExit(main())
