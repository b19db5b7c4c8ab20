"""The task that the web applications hand their work to."""

from jobhost import JobHost

host = JobHost()


@host.task
async def send_mail(to: str) -> str:
    """Stands for work that a visitor need not wait for."""
    return f"sent to {to}"
