"""Starts the local stage: MiniStack, taught to answer as AWS does, with the governed services on the simulator.

    python launcher.py --simulator-url http://127.0.0.1:9000 --auth

Prints one line of JSON when it is ready, `{"port": 4566, "endpoint": "http://127.0.0.1:4566", ...}`, and serves until
SIGTERM, SIGINT or the end of the process that started it; the processes of the Lambda functions end with it. It exits
with 0 when it was stopped and with 2 when it could not start, which standard error, where the logs go, explains.

An account is its 12-digit id used as the access key, with any secret and any signature; that caller is its root. Each
option may also be given by the environment variable named in its help.
"""

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HOST = "127.0.0.1"
# All that MiniStack, and the functions through it, may see of the environment the stage was started in: certificates,
# proxies, profiles and endpoints of somebody's machine would change what is tested. Coverage and backtraces are wanted.
INHERITED = ("HOME", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE", "PATH", "RUST_BACKTRACE")
PARENT_CHECK_SECONDS = 0.25
READY_WITHIN_SECONDS = 30
CANNOT_START = 2


def main():
    """Prepares the process and serves; however that ends, no process and no temporary file of the stage remains."""
    settings = parse_arguments()
    try:
        listener = socket.create_server((HOST, settings.port), backlog=512)
    except OSError as error:
        fail(f"cannot listen on {HOST}:{settings.port}: {error}")
    port = listener.getsockname()[1]
    state_dir = Path(settings.state_dir or tempfile.mkdtemp(prefix="sandbox-guardrails-stage-")).resolve()
    prepare_environment(settings, port, state_dir)
    try:
        run(listener, settings)
    finally:
        if not settings.state_dir:
            shutil.rmtree(state_dir, ignore_errors=True)
    # MiniStack's threads are still waiting for invocations and retries that nobody wants any more.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def parse_arguments():
    """The options, each with its environment variable as the default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )

    def option(name, default, explanation, **how):
        variable = "STAGE_" + name.removeprefix("--").replace("-", "_").upper()
        given = os.environ.get(variable, default)
        parser.add_argument(name, default=given, help=f"{explanation} ({variable}; {default or 'unset'})", **how)

    option("--port", "0", "port to listen on, 0 for any that is free", type=int)
    option("--state-dir", "", "directory for objects and scratch files; if unset, a temporary one, removed at the end")
    option("--simulator-url", "", "where the workload simulator listens; if unset, its services are refused")
    option("--region", "eu-west-1", "the Region of calls that name none")
    option("--tick", "1", "seconds between two looks at the schedules", type=float)
    option("--wait-scale", "1", "what a second of a workflow's waits and retries lasts, in seconds", type=float)
    option("--executions-at-once", "0", "how many executions of workflows go on at once, 0 for no bound", type=int)
    option("--event-copies", "1", "how many times each event of S3 arrives", type=int)
    option("--event-disorder", "0", "within how many seconds events of S3 arrive newest first", type=float)
    option("--log-level", "WARNING", "what MiniStack logs: DEBUG, INFO, WARNING or ERROR")
    parser.add_argument(
        "--auth",
        action=argparse.BooleanOptionalAction,
        default=os.environ.get("STAGE_AUTH", "0") == "1",
        help="enforce IAM; functions then run under their role (STAGE_AUTH, 0 or 1)",
    )
    return parser.parse_args()


def prepare_environment(settings, port, state_dir):
    """Replaces the environment by the little that MiniStack and the functions need."""
    scratch = state_dir / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    os.environ.clear()
    os.environ.update(inherited)
    os.environ.update(
        AUTH=str(settings.auth).lower(),
        AWS_ENDPOINT_URL=f"http://{HOST}:{port}",
        BIND_HOST=HOST,
        GATEWAY_PORT=str(port),
        IOT_MTLS_ENABLED="0",
        LANG="en_US.UTF-8",
        LOG_LEVEL=settings.log_level.upper(),
        MINISTACK_REGION=settings.region,
        S3_DATA_DIR=str(state_dir / "s3"),
        SFN_WAIT_SCALE=str(settings.wait_scale),
        SFTP_ENABLED="0",
        STATE_DIR=str(state_dir / "state"),
        TMPDIR=str(scratch),
        TZ="UTC",
    )
    if not settings.auth:
        # A function always has a session token on AWS; without AUTH MiniStack passes on the one it finds here.
        os.environ["AWS_SESSION_TOKEN"] = "stage-function"
    # `tempfile` has decided where it writes when the state directory was made.
    tempfile.tempdir = str(scratch)
    time.tzset()


def run(listener, settings):
    """Patches MiniStack and serves it until told to stop; the processes of the functions end before this returns."""
    # MiniStack warns at every start that it cannot sign with KMS keys, which nothing here asks of it.
    logging.getLogger("kms").setLevel(logging.ERROR)
    # The SAM transform warns at every deployment about metrics of its own that it does not publish.
    logging.getLogger("samtranslator.metrics").setLevel(logging.ERROR)
    # A run of the suite leaves no compiled file beside the sources.
    sys.dont_write_bytecode = True
    # MiniStack reads its configuration while it is imported, so not before now.
    from ministack.core import lambda_runtime

    import faults
    import patches
    import patches_accounts
    import patches_athena
    import patches_events
    import patches_storage
    import patches_workflows
    import simulated_services

    try:
        patches.apply(settings.tick)
        patches_accounts.apply()
        patches_events.apply()
        patches_workflows.apply(settings.executions_at_once)
        patches_storage.apply(settings.event_copies, settings.event_disorder)
        patches_athena.apply()
        simulated_services.apply(settings.simulator_url)
        # Last, because a fault strikes before anything else looks at a call.
        faults.apply()
    except patches.MiniStackChanged as changed:
        fail(str(changed))
    try:
        asyncio.new_event_loop().run_until_complete(serve(listener, settings))
    finally:
        # Functions that end here because the stage does have not failed.
        logging.getLogger("lambda_runtime").setLevel(logging.CRITICAL)
        lambda_runtime.reset()


async def serve(listener, settings):
    """Serves until told to stop."""
    from hypercorn.asyncio import serve as serve_asgi
    from hypercorn.config import Config
    from ministack.app import app

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.loglevel = settings.log_level.upper()
    config.keep_alive_timeout = 75
    # Whoever stops the stage is not interested in the answers that are still on their way.
    config.graceful_timeout = 0.2
    config.shutdown_timeout = 2

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    threading.Thread(target=watch_parent, args=(os.getppid(),), daemon=True, name="stage-parent").start()

    async def told_to_stop():
        await stopped.wait()
        # A connection that is cut off now, and there may be hundreds, has not failed.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    server = asyncio.create_task(serve_asgi(app, config, shutdown_trigger=told_to_stop))
    port = listener.getsockname()[1]
    ready = asyncio.create_task(asyncio.to_thread(wait_until_healthy, port))
    await asyncio.wait({server, ready}, return_when=asyncio.FIRST_COMPLETED)
    if ready.done() and not stopped.is_set():
        ready.result()
        told = {"port": port, "endpoint": f"http://{HOST}:{port}", "region": settings.region, "auth": settings.auth}
        print(json.dumps(told), flush=True)
    await server


def wait_until_healthy(port):
    """Returns when MiniStack says it is up; raises if it does not in time."""
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/_ministack/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def watch_parent(parent):
    """Stops the stage when the process that started it is gone, however it went.

    The kernel can send a signal at that moment, but it does so when the *thread* that started the stage ends, which in
    a Rust test suite is the first test to finish.
    """
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def fail(reason):
    """Ends the process because the stage cannot start."""
    print(f"the stage cannot start: {reason}", file=sys.stderr)
    sys.exit(CANNOT_START)


if __name__ == "__main__":
    main()
