"""Accepts one job and is gone: `submit.py URL FOLDER NAME` prints the id."""

import sys
from pathlib import Path

from chores import Chores

from jobhost import JobHost

url, folder, name = sys.argv[1:]
print(Chores(JobHost(url), Path(folder)).note.enqueue(name).id)
