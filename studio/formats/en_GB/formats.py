"""How Django's own pages write dates: as all others (`studio.templatetags.drawn`)."""

DATE_FORMAT = "d M, Y"
DATETIME_FORMAT = "d M, Y, H:i:s"
