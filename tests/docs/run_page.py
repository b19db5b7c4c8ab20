"""Runs the Python blocks of one page, one after the other, as one program in this folder.

usage: run_page.py PAGE [INFO]     the blocks with this after their fence; by default "python"

A program of its own, so that a page starts with nothing but an empty folder. A block that
shows a whole file (its first line is `# name.py`) is also written there, for the later ones.
"""

import sys
import warnings
from pathlib import Path

from pages import blocks

page = Path(sys.argv[1])
info = sys.argv[2] if len(sys.argv) > 2 else "python"
warnings.simplefilter("error")
sys.path.insert(0, "")
names = {"__name__": "page"}
for block in blocks(page):
    if block.info == info:
        if block.file_name is not None:
            Path(block.file_name).write_text(block.text, encoding="utf-8")
        # The empty lines make line numbers of tracebacks those of the page.
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, str(page), "exec"), names)
