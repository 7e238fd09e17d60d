"""``make demo``: train a model, pack it, serve it, make its image, run that, and compare the answers.

Every step is the command that a user would type, shown before it runs. What it makes lies in a folder of its own and
is removed at the end, but for the image.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOWERS = {"flowers": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 2.8, 4.3, 1.3]]}
IMAGE = "iris:demo"


def main() -> None:
    work = Path(tempfile.mkdtemp(prefix="bentopack-demo-"))
    os.environ["BENTOPACK_HOME"] = str(work / "home")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    try:
        demo(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def demo(work: Path) -> None:
    project = work / "iris"
    shutil.copytree(ROOT / "examples/iris", project, ignore=shutil.ignore_patterns("__pycache__", "bentofile.lock"))
    os.chdir(project)

    say("1. Train a model and save it")
    run("python train.py")

    say("2. Pack it: code, model and locked packages become a Bento")
    tag = run("bentopack build --output tag")
    again = run("bentopack build --output tag")
    check("the same inputs give the same Bento", tag, again)

    say("3. Serve the Bento on this machine, in its own locked environment, and call it")
    with_server = free_port()
    local = serve_and_ask(f"bentopack run {tag} --port {with_server}", with_server, interrupt)

    say("4. Compile the Bento into a container image")
    if not engine_answers():
        print(stop_without_engine())
        return
    base = base_image()
    run(f"bentopack containerize {tag} -t {IMAGE}" + (f" --base-image {base}" if base else ""))

    say("5. Run the image, and call it")
    port = free_port()
    name = f"bentopack-demo-{os.getpid()}"
    command = f"docker run --rm --name {name} -p 127.0.0.1:{port}:3000 --read-only --tmpfs /tmp {IMAGE}"
    contained = serve_and_ask(command, port, lambda process: stop_container(name, process))

    say("6. Compare")
    check("the container answers as this machine does", local, contained)
    print("\nDone. Try it yourself:  cd examples/iris && python train.py && bentopack run")


def say(title: str) -> None:
    print(f"\n== {title}", flush=True)


def run(command: str) -> str:
    """Run a command as a user would, show it and what it prints, and return its last line."""
    print(f"$ {command}", flush=True)
    process = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, text=True, check=False)
    print(process.stdout, end="", flush=True)
    if process.returncode:
        sys.exit(f"the demo stops: the command failed with exit code {process.returncode}")
    return process.stdout.strip().rpartition("\n")[2]


def serve_and_ask(command: str, port: int, stop: Callable[[subprocess.Popen[bytes]], None]) -> object:
    """Start a server, wait until it is ready, ask it, stop it, and return the answer."""
    print(f"$ {command}", flush=True)
    process = subprocess.Popen(shlex.split(command))
    try:
        wait_ready(port, process)
        url = f"http://127.0.0.1:{port}/classify"
        print(f"$ curl {url} -H 'content-type: application/json' -d '{json.dumps(FLOWERS)}'")
        request = urllib.request.Request(url, json.dumps(FLOWERS).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        print(json.dumps(answer), flush=True)
    finally:
        stop(process)
    if process.returncode:
        sys.exit(f"the demo stops: the server ended with exit code {process.returncode}")
    return answer


def wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300  # the first run makes the locked environment
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"the demo stops: the server ended with exit code {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    sys.exit("the demo stops: the server was not ready within 5 minutes")


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Stop a server as Ctrl-C does."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.wait(30)


def stop_container(name: str, process: subprocess.Popen[bytes]) -> None:
    """Stop a container as an orchestrator does: SIGTERM, then wait; `docker run` ends with its exit code."""
    subprocess.run(["docker", "stop", name], stdout=subprocess.DEVNULL, check=False)
    process.wait(30)


def engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0


def stop_without_engine() -> str:
    return (
        "No container engine answers here, so the demo ends after the local run.\n"
        "Install Docker (Debian: apt-get install docker.io), start it, and type make demo again for the image."
    )


def base_image() -> str | None:
    """The base to build on where the public one cannot be pulled, or None."""
    command = [sys.executable, str(ROOT / "tests/base_image.py"), "--print"]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        sys.exit("the demo stops: there is no Python image to build on (see above)")
    found = process.stdout.strip()
    return None if found.startswith("python:") else found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check(promise: str, one: object, other: object) -> None:
    if one != other:
        sys.exit(f"the demo stops: not so: {promise}: {one} and {other}")
    print(f"ok: {promise}: {one}")


if __name__ == "__main__":
    main()
