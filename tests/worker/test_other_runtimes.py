"""Programs of other runtimes as jobs: a shell script, one of Node.js, a jar. Those whose runtime is
not installed are left out."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from jobhost import JobDead, Retry

PATIENCE = "5m"
ONCE = Retry(max_attempts=1)

SHELL = """
set -eu
case "$1" in fail) echo "no such width" >&2; exit 3;; esac
printf '{"width": %s, "job": "%s"}' "$1" "$JOBHOST_JOB_ID"
"""

NODE = """
const [width] = process.argv.slice(2);
if (width === "fail") { console.error("no such width"); process.exit(3); }
console.log(JSON.stringify({width: Number(width), job: process.env.JOBHOST_JOB_ID}));
"""

JAVA = """
public class Main {
    public static void main(String[] arguments) {
        if (arguments[0].equals("fail")) { System.err.println("no such width"); System.exit(3); }
        String job = System.getenv("JOBHOST_JOB_ID");
        System.out.printf("{\\"width\\": %s, \\"job\\": \\"%s\\"}", arguments[0], job);
    }
}
"""


def shell(folder: Path) -> list[str]:
    (folder / "scale.sh").write_text(SHELL)
    return ["sh", str(folder / "scale.sh")]


def node(folder: Path) -> list[str]:
    (folder / "scale.js").write_text(NODE)
    return ["node", str(folder / "scale.js")]


def jar(folder: Path) -> list[str]:
    (folder / "Main.java").write_text(JAVA)
    for command in (
        ["javac", "Main.java"],
        ["jar", "--create", "--file", "scale.jar", "--main-class", "Main", "Main.class"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return ["java", "-jar", str(folder / "scale.jar")]


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


@pytest.mark.requirement("R-VM-2")
@pytest.mark.parametrize(
    "program",
    [
        shell,
        pytest.param(node, marks=needs("node")),
        pytest.param(jar, marks=needs("java", "javac", "jar")),
    ],
)
def test_a_program_of_another_runtime_runs_as_a_job(host, working, tmp_path, program):
    scale = host.command("scale", [*program(tmp_path), "{width}"], retry=ONCE)
    job, failing = scale.enqueue(width=80), scale.enqueue(width="fail")
    with working(host.worker()):
        told = json.loads(job.result(PATIENCE)["stdout"])
        with pytest.raises(JobDead, match="exit code 3; it said last:\nno such width"):
            failing.result(PATIENCE)
    assert told == {"width": 80, "job": str(job.id)}
