"""Thumbnails of pictures, one job each: `jobhost worker thumbnails:host` makes them.

`python thumbnails.py FOLDER` asks for those of a whole folder; `app` is a WSGI application that
takes one picture in the body of POST /NAME, and answers before its thumbnail exists.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, ImageOps

from jobhost import DeadLetter, JobHost, Retry, current_job

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

PICTURE_BYTES_MAX: Final = 20 * 1024 * 1024
SIZE: Final = (256, 256)

host = JobHost()  # at the address in JOBHOST_URL
uploads = Path(os.environ.get("UPLOADS", "uploads")).resolve()


# In a process of its own: a picture that crashes the decoder, or swells, takes nothing else along.
@host.task(executor="process", memory_limit="1GiB", timeout="1m", retry=Retry(max_attempts=3))
def thumbnail(source: Path) -> Path:
    """Write `.thumbnails/NAME.jpg` beside the picture. Twice is once: the file is replaced as a
    whole, so whoever looks sees none or all of it."""
    small = shrink(source)
    target = source.parent / ".thumbnails" / f"{source.name}.jpg"
    target.parent.mkdir(exist_ok=True)
    job = current_job()
    unfinished = target.with_name(f"{job.id}-{job.epoch}.unfinished")  # of this delivery alone
    small.save(unfinished, "JPEG", quality=85)
    unfinished.replace(target)
    return target


def shrink(source: Path) -> Image.Image:
    """The picture, upright and small. Trying again does not mend a bad one: that is a dead letter,
    which says why. What the disk refuses may go better next time."""
    try:
        with Image.open(source) as picture:
            upright = ImageOps.exif_transpose(picture)
            upright.thumbnail(SIZE)
            return upright.convert("RGB")
    except FileNotFoundError as error:
        raise DeadLetter(f"{source.name} is not there any more") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DeadLetter(f"{source.name} cannot be read as a picture: {error}") from error


def app(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
    """POST /NAME keeps the picture and answers with the id of its job."""
    name = Path(environ["PATH_INFO"]).name
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if environ["REQUEST_METHOD"] != "POST" or name.startswith(".") or not name:
        start_response("404 Not Found", [])
        return []
    if not 0 < length <= PICTURE_BYTES_MAX:
        start_response("413 Content Too Large", [])
        return []
    uploads.mkdir(parents=True, exist_ok=True)
    (uploads / name).write_bytes(environ["wsgi.input"].read(length))
    start_response("202 Accepted", [("Content-Type", "text/plain")])
    return [str(thumbnail.enqueue(uploads / name).id).encode()]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python thumbnails.py FOLDER")
    pictures = sorted(path for path in Path(sys.argv[1]).resolve().iterdir() if path.is_file())
    print(len(thumbnail.enqueue_many([(picture,) for picture in pictures])), "jobs")
