"""Studies on Ray, Slurm and this machine: equal results, whatever is killed, lost or preempted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from disent_bench.runs.lock import owner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1000),  # each wait has its own deadline, which says what it was for
    pytest.mark.xdist_group("launchers"),  # one study without disturbance for all
]
STUDY = {
    "title": "A study",
    "protocol": "quick",
    "datasets": ["toy_grid"],
    "seeds": "0-2",
    "settings": {
        "steps": 60,
        "batch_size": 8,
        "log_every": 1,
        "checkpoint_every": 5,
        "evaluate_every": 0,
        "scores.scores": ["mig"],
        "scores.num_train": 200,
    },
    "methods": ["slow", "vae"],
    "plugins": ["slow.py"],
}
SLOW = """
import os, time
from dataclasses import dataclass
from disent_bench.objective import Objective
from disent_bench.registry import register_method
from disent_bench.terms import KL, Reconstruction

class Slow(KL):
    def forward(self, p):
        time.sleep(float(os.environ.get("DISENT_SECONDS_PER_STEP", .15)))
        return super().forward(p)

@register_method("slow")
@dataclass(frozen=True)
class Method:
    def objective(self):
        return Objective(Reconstruction(), Slow())
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of six runs, three of which take some seconds."""
    folder = tmp_path_factory.mktemp("launchers")
    (folder / "slow.py").write_text(SLOW)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder / "study.yaml"


@pytest.fixture(scope="module")
def start(study: Path, data_dir: Path) -> Start:
    """Start the study with more arguments, on runs of a name."""

    def run(runs: str, *more: str, **variables: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "disent_bench", "study", study, "--runs", study.parent / runs]
        command += ["--data-dir", data_dir, "--device", "cpu", *more]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
        return subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=study.parent,
        )

    return run


@pytest.fixture(scope="module")
def undisturbed(start: Start, study: Path) -> dict[str, Any]:
    """Results of the study on this machine, by folder."""
    process = start("local", "--workers", "2")
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    return results(study.parent / "local")


def results(runs: Path) -> dict[str, Any]:
    found = {}
    for path in runs.glob("*/*/*/*/*/result.json"):
        content = json.loads(path.read_text())
        found[str(path.relative_to(runs))] = {name: content[name] for name in ("scores", "untrained", "config")}
    return found


def losses(runs: Path) -> dict[str, list[float]]:
    """What was logged as the loss of each step of each run."""
    found = {}
    for path in runs.glob("*/*/*/*/*/metrics.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found[str(path.relative_to(runs))] = [line["loss"] for line in lines if "loss" in line]
    return found


def logs(runs: Path) -> dict[Path, str]:
    return {path.parent: path.read_text() for path in runs.glob("*/*/*/*/*/output.log")}


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 200) -> Any:
    """Wait for a thing to become true, while the study goes on."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def at_work(runs: Path, step: int = 6) -> list[Path]:
    """Folders of slow runs that have gone some steps and are going on."""
    found = []
    for path in runs.glob("*/*/slow/*/*/last.ckpt"):
        log = path.with_name("metrics.jsonl")
        if owner(path.parent) and not path.with_name("result.json").exists() and f'"step": {step}' in log.read_text():
            found.append(path.parent)
    return found


def check(runs: Path, undisturbed: dict[str, Any]) -> None:
    """Every run is done, once, with the results of the undisturbed study."""
    assert results(runs) == undisturbed
    assert losses(runs) == losses(runs.with_name("local")), "each step is logged once, with the same loss"
    for folder, log in logs(runs).items():
        assert log.count("done: ") == 1, f"{folder} was trained once"


@pytest.fixture
def ray_cluster() -> Iterator[Any]:
    """A Ray cluster of two machines, which are this one."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    head = {
        "num_cpus": 1,
        "include_dashboard": False,
        # Ray's own 15 would starve the runs beside whatever else is tested here at the same time
        "_system_config": {"worker_niceness": 0},
    }
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.second = cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


def test_a_ray_cluster_loses_a_worker_and_a_node_and_no_run(
    ray_cluster: Any, start: Start, study: Path, undisturbed: dict[str, Any]
) -> None:
    runs = study.parent / "ray"
    process = start("ray", "--workers", "3", "--launcher", "ray", "--address", ray_cluster.address)
    folder = wait_for(lambda: at_work(runs), process)[0]
    killed = owner(folder)
    assert killed is not None
    worker = int(Path(f"/proc/{killed.process}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(worker, signal.SIGKILL)  # Ray's own process, the parent of the run's
    wait_for(lambda: at_work(runs), process)
    ray_cluster.remove_node(ray_cluster.second, allow_graceful=False)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    check(runs, undisturbed)
    assert any("resuming at step" in log for log in logs(runs).values())


def test_ctrl_c_ends_a_study_on_ray_with_all_saved(
    ray_cluster: Any, start: Start, study: Path, undisturbed: dict[str, Any]
) -> None:
    runs, more = study.parent / "ray_stopped", ("--workers", "2", "--launcher", "ray", "--address", ray_cluster.address)
    process = start("ray_stopped", *more)
    folder = wait_for(lambda: at_work(runs), process)[0]
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 130, said
    assert "failed: " not in said
    assert owner(folder) is None, "nothing goes on in secret"
    assert "stopped by SIGTERM at step" in (folder / "output.log").read_text()
    process = start("ray_stopped", *more)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    check(runs, undisturbed)


def test_where_there_is_no_ray_cluster_one_line_says_so(start: Start) -> None:
    pytest.importorskip("ray")
    process = start("nowhere", "--launcher", "ray", "--address", "127.0.0.1:1")
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 2
    assert "no Ray cluster at 127.0.0.1:1: " in said.splitlines()[-1]


def submitit_processes(runs: Path) -> dict[Path, int]:
    """The process of submitit above each slow run that is under way."""
    found = {}
    for folder in at_work(runs):
        at = owner(folder)
        if at is not None:
            found[folder] = int(Path(f"/proc/{at.process}/stat").read_text().rpartition(")")[2].split()[1])
    return found


def test_submitits_local_executor_saves_what_is_preempted(
    start: Start, study: Path, undisturbed: dict[str, Any]
) -> None:
    pytest.importorskip("submitit")
    runs = study.parent / "submitit"
    process = start("submitit", "--workers", "2", "--launcher", "slurm", "--option", "cluster=local")
    folder, number = wait_for(lambda: submitit_processes(runs), process).popitem()
    os.kill(number, signal.SIGUSR2)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    check(runs, undisturbed)
    log = (folder / "output.log").read_text()
    assert "stopped by SIGTERM at step" in log
    assert "resuming at step" in log


@pytest.mark.parametrize(
    ("option", "message"),
    [("cluster=somewhere", "somewhere"), ("cluster=local partitoin=gpu", "'partitoin' for executor 'slurm'")],
)
def test_a_bad_option_of_slurm_is_told_in_one_line(option: str, message: str, start: Start) -> None:
    pytest.importorskip("submitit")
    process = start("nowhere", "--launcher", "slurm", "--option", *option.split())
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 2
    (line,) = said.splitlines()
    assert message in line


SLURM = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={ports[0]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
ReturnToService=2
NodeName=one,two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]},{ports[2]} CPUs=1
PartitionName=low Nodes=one,two Default=YES PriorityTier=1 GraceTime=40
PartitionName=high Nodes=one,two PriorityTier=10
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real Slurm of two nodes, which are this machine; jobs of its partition ``high`` preempt those of ``low``."""
    if os.getuid() != 0 or not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))):
        pytest.skip("needs Debian's slurmctld, slurmd, slurm-client and munge, and root")
    pytest.importorskip("submitit")
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    (tmp_path / "state").mkdir()
    config = tmp_path / "slurm.conf"
    config.write_text(SLURM.format(folder=tmp_path, ports=ports, host=socket.gethostname().partition(".")[0]))
    monkeypatch.setenv("SLURM_CONF", str(config))
    (tmp_path / "munge.key").write_bytes(os.urandom(64))
    (tmp_path / "munge.key").chmod(0o400)
    keys = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log"}
    words = [f"--{name}={tmp_path / file}" for name, file in {**keys, "seed-file": "munge.seed"}.items()]
    daemons = [
        subprocess.Popen(["munged", "--foreground", "--force", *words], stderr=subprocess.DEVNULL),
        subprocess.Popen(["slurmctld", "-D"], stderr=subprocess.DEVNULL),
        *(subprocess.Popen(["slurmd", "-D", "-N", node], stderr=subprocess.DEVNULL) for node in ("one", "two")),
    ]
    try:
        deadline = time.monotonic() + 60
        while {*subprocess.run(["sinfo", "-hNo%T"], capture_output=True, check=False).stdout.split()} != {b"idle"}:
            assert time.monotonic() < deadline, (tmp_path / "slurmctld.log").read_text()
            time.sleep(0.5)
        yield config
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait()


def test_slurm_preempts_a_run_which_goes_on_in_the_queue(
    slurm: Path, start: Start, study: Path, undisturbed: dict[str, Any]
) -> None:
    runs = study.parent / "slurm"
    options = ("--workers", "6", "--launcher", "slurm", "--option", "timeout_min=30")
    process = start("slurm", *options, DISENT_SECONDS_PER_STEP=".2")
    wait_for(lambda: at_work(runs), process)
    subprocess.run(["sbatch", "--partition=high", "--nodes=2", "--output=/dev/null", "--wrap=sleep 5"], check=True)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    check(runs, undisturbed)
    assert any("stopped by SIGTERM at step" in log and "resuming" in log for log in logs(runs).values())
    assert "trying again" not in said, "the queue brought it back"
