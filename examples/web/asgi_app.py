"""An ASGI application that runs its jobs itself: POST /name sends a mail, GET /id tells of it."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from mails import host, send_mail

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """Jobs run from here until the server shuts down. Starlette and FastAPI take it as it is."""
    async with host.worker(concurrency=4):
        yield


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """What a framework does: the lifespan, and requests."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    else:
        body = await _answer(scope["method"], scope["path"].removeprefix("/"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body.encode()})


async def _answer(method: str, name: str) -> str:
    if method == "POST":
        job = await send_mail.aenqueue(name)
        return str(job.id)
    return (await host.job(name).astatus()).state


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    try:
        async with lifespan(app):
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except Exception as error:  # noqa: BLE001 - the server tells of it, and ends
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.shutdown.complete"})
