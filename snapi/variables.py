"""What the environment tells, where more than one module asks."""

COMPLETE = "_SNAPI_COMPLETE"  # set by the shell's script while it asks what fits
