"""The job of one run on the cluster: waits for its resources, starts an agent for each process, and ends once all is fetched.

``python -m lab.runs.ray.job ATTEMPT PROCESSES CPUS GPUS`` is what Ray's Jobs API starts. The agents belong to it: where it is stopped or dies they
are ended, and the workers with them. Not here: what an agent does (``agent.py``).
"""

from __future__ import annotations

import sys
import time
from typing import Any

from lab.runs.ray.agent import NodeAgent

NAMESPACE = "alignment-lab"
LOOK = 1.0
"""Seconds between two looks at the agents."""


def agent_name(attempt: str, rank: int) -> str:
    """The name of an agent in the lab's namespace."""
    return f"{attempt}.{rank}"


def main(attempt: str, processes: int, cpus: int, gpus: int) -> int:
    """Exit status 0 where everything was fetched, 1 where an agent died or nobody came."""
    import ray

    ray.init(namespace=NAMESPACE, log_to_driver=False)
    bundle: dict[str, float] = {"CPU": cpus, **({"GPU": gpus} if gpus else {})}
    group = ray.util.placement_group([bundle] * processes, strategy="PACK", name=attempt)
    print(f"waits for {processes} × {bundle}", flush=True)
    ray.get(group.ready())
    agents = [_start(group, attempt, rank, cpus, gpus) for rank in range(processes)]
    return _stay(agents)


def _start(group: Any, attempt: str, rank: int, cpus: int, gpus: int) -> Any:
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    class Agent:
        """An agent that knows its node, behind one method: Ray Client hands named arguments on, and no others."""

        def __init__(self) -> None:
            node = ray.get_runtime_context().get_node_id()
            self._agent = NodeAgent(attempt, node, ray.util.get_node_ip_address(), cpus)

        def call(self, method: str = "", arguments: tuple[Any, ...] = ()) -> Any:
            return getattr(self._agent, method)(*arguments)

    options = {
        "name": agent_name(attempt, rank),
        "num_cpus": cpus,
        "num_gpus": gpus,
        "max_restarts": 0,
        "scheduling_strategy": PlacementGroupSchedulingStrategy(
            placement_group=group, placement_group_bundle_index=rank
        ),
    }
    return ray.remote(Agent).options(**options).remote()


def _stay(agents: list[Any]) -> int:
    """Return once every agent has been released, or one has died."""
    import ray

    while True:
        try:
            if all(ray.get([agent.call.remote(method="is_released") for agent in agents])):
                return 0
        except ray.exceptions.RayActorError as error:
            print(f"an agent died: {error}", flush=True)
            return 1
        time.sleep(LOOK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *(int(each) for each in sys.argv[2:5])))
