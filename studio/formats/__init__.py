"""How Django's own pages write dates: as all others (`studio.templatetags.drawn`)."""
