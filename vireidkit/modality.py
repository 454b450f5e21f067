"""The two modalities, once, so that every room of the kit means the same by 0 and 1."""

VISIBLE = 0
INFRARED = 1
MODALITIES = ("visible", "infrared")
