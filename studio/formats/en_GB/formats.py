"""How Django's own pages write dates: as all others (`studio.templatetags.drawn`), and broken before the time only."""

DATE_FORMAT = "d M, Y"
DATETIME_FORMAT = "d\u00a0M,\u00a0Y, H:i:s"
