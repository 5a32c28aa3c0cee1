# SPDX-License-Identifier: Apache-2.0
"""Pods through the CRI: how long until one is ready, against a bare machine and runc; many at once."""

import concurrent.futures
import os
import statistics
import time

import containerd as c
import cpu_time
import cri
from bare_vm import bare_vm_of
from figures import ratio_of_medians, section, spread
from kills import part_of
from processes import parent_of

READY = ("sh", "-c", "echo ready; exec sleep 100000")
STEPS = ("RunPodSandbox", "CreateContainer", "StartContainer", "first line in the log")
PATIENCE_S = 120  # for a line in the log


def start_pod(ct, handler, config, command=READY, **more):
    """The pod with one container that has said something, and the seconds of each of STEPS."""
    times = [time.monotonic()]
    pod = cri.Pod(ct, handler, config)
    times.append(time.monotonic())
    container = pod.create(*command, name="c", **more)
    times.append(time.monotonic())
    ct.crictl("start", container, check=True)
    times.append(time.monotonic())
    log = f"{config['log_directory']}/c.0.log"
    c.wait_for(lambda: os.path.exists(log) and os.path.getsize(log) > 0, PATIENCE_S, f"a line in {log}")
    times.append(time.monotonic())
    return pod, [after - before for before, after in zip(times, times[1:])]


def shim_of(pod):
    """The parent of what stands for the pod: a virtual machine or a pause process."""
    return parent_of(pod.inspect_sandbox()["info"]["pid"])


def bare_vm_like(ct):
    """With the arguments of a pod's machine."""
    pod, _ = start_pod(ct, "husk", ct.pod_config())
    vm = bare_vm_of(shim_of(pod))
    pod.remove()
    return vm


def measure_ready(ct, repetitions):
    section(f"a pod until its container's first line is in the log, {repetitions} of each in turn, one before to warm up")
    vm = bare_vm_like(ct)
    bare, steps = [], {"husk": [], "runc": []}
    cpu = {"husk": [], "bare VM": []}
    try:
        for i in range(repetitions + 1):
            alone = vm.run()
            for handler, runs in steps.items():
                pod, took = start_pod(ct, handler, ct.pod_config())
                if i > 0:
                    runs.append(took)
                    if handler == "husk":
                        cpu["husk"].append(cpu_time.of_process(part_of(shim_of(pod), "qemu-system-x86_64")))
                pod.remove()
            if i > 0:
                bare.append(alone)
                cpu["bare VM"].append(vm.cpu_seconds)
    finally:
        vm.close()
    whole = {handler: [sum(took) for took in runs] for handler, runs in steps.items()}
    print(f"bare VM  {spread(bare)}", flush=True)
    for handler, runs in steps.items():
        parts = ", ".join(f"{step} {statistics.median(took) * 1000:.0f}" for step, took in zip(STEPS, zip(*runs)))
        print(f"{handler:7}  {spread(whole[handler])}: {parts}", flush=True)
    print(f"husk / bare VM {ratio_of_medians(whole['husk'], bare):.2f}, husk - bare VM"
          f" {(statistics.median(whole['husk']) - statistics.median(bare)) * 1000:.0f} ms,"
          f" husk / runc {ratio_of_medians(whole['husk'], whole['runc']):.1f}", flush=True)
    print(f"processor time of QEMU: bare VM {spread(cpu['bare VM'])}, husk {spread(cpu['husk'])},"
          f" {ratio_of_medians(cpu['husk'], cpu['bare VM']):.2f}", flush=True)


def start_at_once(ct, handler, count):
    """The pods that started, the seconds to the first and to the last, the failures."""
    configs = [ct.pod_config() for _ in range(count)]
    pods, ends, failures = [], [], []
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        tries = [pool.submit(start_pod, ct, handler, config) for config in configs]
        for future in concurrent.futures.as_completed(tries):
            if future.exception():
                failures.append(future.exception())
            else:
                pods.append(future.result()[0])
                ends.append(time.monotonic() - began)
    print(f"{handler}: {len(pods)} of {count} ready"
          + (f", the first after {ends[0]:.1f} s, the last after {ends[-1]:.1f} s" if ends else ""), flush=True)
    for failure in failures:
        print(f"  {failure}", flush=True)
    return pods, len(failures)


def remove_at_once(pods):
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(pods)) as pool:
        for _ in pool.map(cri.Pod.remove, pods):
            pass
    print(f"{pods[0].handler}: {len(pods)} removed in {time.monotonic() - began:.1f} s", flush=True)
