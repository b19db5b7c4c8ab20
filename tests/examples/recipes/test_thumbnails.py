"""Thumbnails: asked for by an upload or for a folder, made by a worker of its own."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from PIL import Image

from jobhost import State

GUARD_SECONDS = 120.0


@pytest.fixture
def example(load):
    return load("thumbnails")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of several kinds, and three files that are none."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    Image.new("RGB", (1000, 500), "green").save(folder / "a.jpg")
    Image.new("RGBA", (40, 30), (255, 0, 0, 128)).save(folder / "small.png")
    Image.new("L", (300, 900)).save(folder / "tall.gif")
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("no picture")
    (folder / "torn.jpg").write_bytes((folder / "a.jpg").read_bytes()[:1500])
    return folder


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(app) -> Iterator[str]:
    """The address at which an application answers."""
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.stores("sqlite", "postgres")
@pytest.mark.requirement("R-JOB-4")
@pytest.mark.requirement("R-EVT-11")
def test_an_upload_is_answered_before_its_thumbnail_exists_which_appears_later(example, tmp_path):
    Image.new("RGB", (600, 300), "blue").save(tmp_path / "cat.jpg")
    with served(example.module.app) as address:
        body = (tmp_path / "cat.jpg").read_bytes()
        with closing(HTTPConnection(address, timeout=GUARD_SECONDS)) as visitor:
            visitor.request("POST", "/cat.jpg", body)
            answer = visitor.getresponse()
            assert answer.status == 202
            job = example.host.job(answer.read().decode())
    thumbnail = tmp_path / "uploads" / ".thumbnails" / "cat.jpg.jpg"
    assert not thumbnail.exists()
    assert job.status().state is State.READY
    example.work()
    assert job.result() == str(thumbnail)
    with Image.open(thumbnail) as small:
        assert small.size == (256, 128)


def test_each_picture_of_a_folder_gets_one_and_bad_ones_become_dead_letters_that_say_why(
    example, folder
):
    asked = example.type(f"python thumbnails.py {folder}")
    assert (asked.returncode, asked.stdout) == (0, "6 jobs\n"), asked.stderr
    example.work()
    made = sorted(path.name for path in (folder / ".thumbnails").iterdir())
    assert made == ["a.jpg.jpg", "small.png.jpg", "tall.gif.jpg"]
    dead = example.host.jobs(state=State.DEAD)
    assert sorted(job.reason.partition(":")[0] for job in dead) == [
        "empty.jpg cannot be read as a picture",
        "text.png cannot be read as a picture",
        "torn.jpg cannot be read as a picture",
    ]
    assert {job.deliveries for job in dead} == {1}


def test_the_same_picture_twice_leaves_one_thumbnail_and_nothing_else(example, folder):
    jobs = example.module.thumbnail.enqueue_many([(folder / "a.jpg",)] * 2)
    example.work()
    target = str(folder / ".thumbnails" / "a.jpg.jpg")
    assert [str(job.result()) for job in jobs] == [target, target]
    assert [path.name for path in (folder / ".thumbnails").iterdir()] == ["a.jpg.jpg"]


def test_a_picture_that_was_deleted_meanwhile_is_a_dead_letter_too(example, folder):
    job = example.module.thumbnail.enqueue(folder / "a.jpg")
    (folder / "a.jpg").unlink()
    example.work()
    assert job.status().reason == "a.jpg is not there any more"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/cat.jpg", "404"), ("POST", "/", "404"), ("POST", "/x/.hidden", "404")],
)
def test_what_is_no_upload_is_refused(example, method, path, status):
    said = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_LENGTH": "3"}
    assert example.module.app(environ, lambda line, _: said.append(line)) == []
    assert said[0].startswith(status)
    assert example.host.jobs() == []


@pytest.mark.parametrize("length", ["", "0", str(10**9)])
def test_an_upload_of_no_size_or_a_huge_one_is_refused(example, length):
    said = []
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/a.jpg", "CONTENT_LENGTH": length}
    assert example.module.app(environ, lambda line, _: said.append(line)) == []
    assert said[0].startswith("413")
