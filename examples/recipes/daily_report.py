"""The daily report of a shop: `jobhost worker daily_report:host` writes it, cron or a timer asks.

It reads the sales of the day before, writes a CSV file, and has a program compress that, in a job
of its own. All of it follows from the day: made twice, it is the same.
"""

import csv
import os
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

from jobhost import JobHost, Retry, current_job

host = JobHost()
shop = Path(os.environ.get("SHOP_DB", "shop.db")).resolve()
reports = Path(os.environ.get("REPORTS", "reports")).resolve()

SALES = """
    SELECT product, count(*), sum(cents) FROM sales
    WHERE date(sold_at) = ? GROUP BY product ORDER BY product
"""

compress = host.command("compress", ["gzip", "--force", "--keep", "--", "{file}"], timeout="10m")


# Nobody waits for it before the morning: it may try all night.
@host.task(timeout="30m", retry=Retry(max_attempts=10, first_delay="1m", max_delay="1h"))
def report(today: date) -> Path:
    """Write `sales-DAY.csv` for the day before this one."""
    day = today - timedelta(days=1)
    with closing(sqlite3.connect(f"{shop.as_uri()}?mode=ro", uri=True, timeout=60)) as db:
        sales = db.execute(SALES, (day.isoformat(),)).fetchall()
    reports.mkdir(parents=True, exist_ok=True)
    target = reports / f"sales-{day}.csv"
    job = current_job()
    unfinished = target.with_name(f"{job.id}-{job.epoch}.unfinished")  # of this delivery alone
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("product", "sales", "cents"))
        writer.writerows(sales)
    unfinished.replace(target)
    # A delivery that comes after one which was killed here asks again, under the same key.
    compress.using(idempotency_key=str(job.id), idempotency_window="2d").enqueue(file=target)
    return target
