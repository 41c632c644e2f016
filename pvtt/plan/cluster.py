"""The machines of a run, as its Slurm profile says, and what is assumed about them."""

from __future__ import annotations

from dataclasses import dataclass

from pvtt.dispatch.profile import ShardResources, SlurmProfile

# GiB as CUDA reports them, and dense bf16 FLOP/s, from NVIDIA's data sheets; by the name in Slurm's gres.
GPUS: dict[str, tuple[float, float]] = {
    "a100": (79.0, 312e12),
    "a800": (79.0, 312e12),
    "h20": (95.0, 148e12),
    "h100": (79.0, 989e12),
    "h800": (79.0, 989e12),
    "h200": (140.0, 989e12),
    "l40s": (44.5, 362e12),
}
ASSUMED_GPU = "h800"
FP32_SHARE = 67 / 989  # of the bf16 rate, without tensor cores
MFU = 0.31  # of the peak: a step of poc's stage 2 on one H200, by tests/benchmarks/test_true_scale.py
CORE_FLOPS = 60e9  # float32 FLOP/s that one core of a server sustains; tests/benchmarks/test_plan.py measures it here
CORE_FLOPS_BF16 = 310e9  # the same in bf16 with AMX: a training sample of profile poc took 12 cores 280 s to encode
DISK_BYTES_S = 1e9  # that one node writes, of a shared file system; a local NVMe does two or three times that


@dataclass(frozen=True)
class Cluster:
    """The GPUs of one run. The defaults are one node of H800."""

    num_gpus: int = 8
    memory_gib: float = GPUS[ASSUMED_GPU][0]
    peak_flops: float = GPUS[ASSUMED_GPU][1]
    utilisation: float = MFU
    reserve_gib: float = 4.0  # CUDA, NCCL and the allocator


@dataclass(frozen=True)
class Place:
    """Where a profile's stages would run.

    Args:
        gpu: The kind of GPU; None: there is none, and CPUs train.
        cluster: The trainings' GPUs; of CPUs, one process each, with a core's rate times its cores.
        processes_per_node: Of a training.
        host_gib: A node's memory that the job gets; None: not said.
        max_hours: That a training may take, requeues included.
        encode: What one shard of the stage encode gets.
        evaluate: The same of evaluate.
        signal_s: Seconds of notice before a job is stopped.
        exports_fsdp: The profile's env shards the weights.
    """

    gpu: str | None
    cluster: Cluster
    processes_per_node: int
    host_gib: float | None
    max_hours: float
    encode: ShardResources
    evaluate: ShardResources
    signal_s: int
    exports_fsdp: bool


def place_of(profile: SlurmProfile, mfu: float = MFU) -> Place:
    """The place that a Slurm profile describes.

    Args:
        profile: Its `run`, or `runs.train_stage2`, is where trainings go.
        mfu: Share of the GPUs' peak that is reached.
    """
    run, requeue = profile.runs.get("train_stage2", profile.run), profile.requeue
    gpu = (profile.gpu_type or ASSUMED_GPU).lower() if run.gpus_per_node else None
    processes = run.num_processes_per_node
    host = run.memory_gb_per_node
    if gpu is None:
        memory = float("inf") if host is None else host / processes
        cluster = Cluster(run.nodes * processes, memory, CORE_FLOPS * run.cpus_per_process, 1.0, 0.5)
    else:
        memory, peak = GPUS.get(gpu, GPUS[ASSUMED_GPU])
        cluster = Cluster(run.nodes * run.gpus_per_node, memory, peak, mfu)
    return Place(
        gpu=gpu,
        cluster=cluster,
        processes_per_node=processes,
        host_gib=host,
        max_hours=run.minutes * (1 + requeue.max_timeouts) / 60,
        encode=profile.stages.get("encode", profile.shards),
        evaluate=profile.stages.get("evaluate", profile.shards),
        signal_s=requeue.signal_s,
        exports_fsdp="PVTT_ACCELERATE_CONFIG" in profile.env,
    )
