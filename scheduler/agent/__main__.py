"""`python -m scheduler.agent`: the agent of one node."""

import sys

from scheduler.agent.app import main

sys.exit(main())
