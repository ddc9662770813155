"""Whether what somebody may see or do has changed, told to the pages they have open."""
