"""The web applications of the examples: the same task in their processes and in a worker's."""

import asyncio
import importlib
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

WEB = Path(__file__).resolve().parents[2] / "examples" / "web"
GUARD_SECONDS = 60.0
NAMES = ("asgi_app", "gunicorn_hooks", "mails")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Imports a module of the example, fresh, with a store of its own."""
    monkeypatch.setenv("JOBHOST_URL", f"sqlite:///{tmp_path}/jobhost.db")
    monkeypatch.syspath_prepend(str(WEB))
    yield importlib.import_module
    sys.modules["mails"].host.close()
    for name in NAMES:
        sys.modules.pop(name, None)


class Server:
    """As much of an ASGI server as the application needs."""

    def __init__(self, app) -> None:
        self._app = app

    @asynccontextmanager
    async def running(self):
        """Between the start of the application and its end."""
        to_app, from_app = asyncio.Queue(), asyncio.Queue()
        life = asyncio.create_task(self._app({"type": "lifespan"}, to_app.get, from_app.put))
        await to_app.put({"type": "lifespan.startup"})
        started = await asyncio.wait_for(from_app.get(), GUARD_SECONDS)
        assert started == {"type": "lifespan.startup.complete"}
        yield self
        await to_app.put({"type": "lifespan.shutdown"})
        assert await from_app.get() == {"type": "lifespan.shutdown.complete"}
        await life

    async def ask(self, method: str, path: str) -> str:
        """One request."""
        answers = asyncio.Queue()
        await self._app({"type": "http", "method": method, "path": path}, None, answers.put)
        assert (await answers.get())["status"] == 200
        return (await answers.get())["body"].decode()


async def until_it_is(state: str, job: str, server: Server) -> None:
    async with asyncio.timeout(GUARD_SECONDS):
        while await server.ask("GET", f"/{job}") != state:  # noqa: ASYNC110 - asked as a visitor does
            await asyncio.sleep(0.005)


@pytest.mark.requirement("R-ROLE-1")
@pytest.mark.requirement("R-ROLE-6")
def test_the_same_task_runs_in_an_asgi_application_and_in_a_worker_of_its_own(load):
    app = load("asgi_app").app
    host = load("mails").host

    async def serve() -> str:
        async with Server(app).running() as server:
            job = await server.ask("POST", "/ada@example.org")
            await until_it_is("succeeded", job, server)
            return job

    assert host.job(asyncio.run(serve())).result() == "sent to ada@example.org"

    waiting = load("mails").send_mail.enqueue("grace@example.org")
    assert host.worker(burst=True).run().ended == 1
    assert waiting.result() == "sent to grace@example.org"


@pytest.mark.requirement("R-ROLE-6")
def test_the_page_names_the_saving_and_the_price() -> None:
    page = (WEB.parents[1] / "docs" / "embedding.md").read_text(encoding="utf-8")
    assert "It saves a deployment" in page
    assert "The jobs share everything with the pages" in page


def test_an_application_whose_worker_cannot_start_says_so(load, monkeypatch, tmp_path):
    monkeypatch.setenv("JOBHOST_URL", f"sqlite:///{tmp_path}/no/such/folder/jobs.db")
    app = load("asgi_app").app
    said = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: dict[str, str]) -> None:
        said.append(message)

    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert [message["type"] for message in said] == ["lifespan.startup.failed"]
    assert "no/such/folder" in said[0]["message"]


def test_the_hooks_of_a_forking_server_start_and_end_a_worker(load):
    hooks = load("gunicorn_hooks")
    job = load("mails").send_mail.enqueue("ada@example.org")
    hooks.post_fork(None, None)
    try:
        assert job.result("60s") == "sent to ada@example.org"
    finally:
        hooks.worker_exit(None, None)
