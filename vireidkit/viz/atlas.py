"""Small pictures for the widgets: encoded when somebody looks, kept up to a limit, and never part of a saved notebook."""

from __future__ import annotations

import io
from collections import OrderedDict

from PIL import Image

from vireidkit.viz.pages import ImageOf, picture_of

HEIGHT = 128  # pixels; taller pictures are sent smaller
LIMIT = 10 << 20  # bytes of encoded pictures that are kept; the page keeps as many
QUALITY = 60  # of WebP: under 1 kB for a picture of 128 x 64, half of what JPEG needs, so that 10,000 fit into the limit
NO_PICTURES = "no pictures were given"


class Thumbnails:
    """The pictures of ``image_of`` as WebP, one at a time. A picture that cannot be had is missing, with a reason, and stops nothing.

    Attributes:
        missing: row -> why there is no picture, for the rows that were asked for.
    """

    def __init__(self, image_of: ImageOf | None, *, height: int = HEIGHT, limit: int = LIMIT) -> None:
        self.image_of, self._height, self._limit = image_of, height, limit
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self.missing: dict[int, str] = {}

    @property
    def held(self) -> int:
        """Bytes that are kept at the moment."""
        return self._bytes

    def of(self, row: int) -> bytes | None:
        """The WebP of a row's picture, at most ``height`` pixels high; None where it is missing."""
        if row in self._kept:
            self._kept.move_to_end(row)
            return self._kept[row]
        picture = self._read(row)
        if picture is None:
            return None
        page = io.BytesIO()
        picture.save(page, format="WEBP", quality=QUALITY, method=0)
        return self._keep(row, page.getvalue())

    def _read(self, row: int) -> Image.Image | None:
        if self.image_of is None:
            self.missing[row] = NO_PICTURES
            return None
        try:
            picture = Image.fromarray(picture_of(self.image_of(row)))
        except Exception as error:  # the caller's function may fail in any way, and one bad file must not end the looking
            self.missing[row] = " ".join(str(error).split()) or type(error).__name__
            return None
        self.missing.pop(row, None)  # a file may have come back
        if picture.height > self._height:
            width = max(1, round(picture.width * self._height / picture.height))
            picture = picture.resize((width, self._height), Image.Resampling.LANCZOS)
        return picture

    def _keep(self, row: int, encoded: bytes) -> bytes:
        """Remember a picture; the ones not asked for longest go."""
        self._kept[row] = encoded
        self._bytes += len(encoded)
        while self._bytes > self._limit and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return encoded
