"""How a reward model agrees with people: asked as a job, answered from what the job wrote. For rules: ``lab/annotation/rewarded_pairs.py``."""

from __future__ import annotations

from dataclasses import dataclass

from lab.annotation.rewarded_pairs import model_agrees
from lab.core.algorithms import ALGORITHMS, Head
from lab.core.jobs import Kind, ScoreSpec
from lab.core.reward_agreement import RewardAgreement
from lab.runs.jobs import Jobs, Summary
from lab.store.jobs import Job
from lab.store.runs import Run, RunState, Store


@dataclass(frozen=True)
class Looked:
    """What there is of a reward model's word on a collection: nothing, a job on its way, an ending without one, or the answer."""

    agreement: RewardAgreement | None = None
    job: Summary | None = None


class ScoredPairs:
    """Reward models and the pairs that people decided."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store, self._jobs = store, jobs

    def models(self) -> list[Run]:
        """The runs that have a reward model, the newest first."""
        return [run for run in self._store.runs() if self._has_reward_model(run)]

    def ask(self, collection_id: str, reward_model: str, by: str = "") -> Looked:
        """The answer where a job has given all of it, else the job that will, submitted where none is on its way. Raises LabError."""
        looked = self.look(collection_id, reward_model)
        whole = looked.agreement is not None and not looked.agreement.unscored
        if whole or (looked.job is not None and not RunState(looked.job["state"]).ended):
            return looked
        job = self._jobs.submit(ScoreSpec(reward_model=reward_model, collection=collection_id), by)
        return Looked(job=self._jobs.summary(job.id))

    def look(self, collection_id: str, reward_model: str) -> Looked:
        """What there is now; never waits. Raises StateError where nobody has decided anything."""
        job = self._newest(collection_id, reward_model)
        if job is None:
            return Looked()
        summary = self._jobs.summary(job.id)
        if job.state is not RunState.FINISHED:
            return Looked(job=summary)
        lines = self._jobs.folder(job.id).lines().lines
        return Looked(model_agrees(self._store, collection_id, reward_model, lines), summary)

    def cancel(self, collection_id: str, reward_model: str) -> None:
        """Cancel the job that is on its way, where there is one."""
        job = self._newest(collection_id, reward_model)
        if job is not None and not job.state.ended:
            self._jobs.cancel(job.id)

    def _has_reward_model(self, run: Run) -> bool:
        algorithm = ALGORITHMS.get(run.algorithm)
        scores = algorithm is not None and algorithm.head is Head.SCORE
        return scores and run.state.ended and (self._store.folder(run.id).path / "model").is_dir()

    def _newest(self, collection_id: str, reward_model: str) -> Job | None:
        spec = {"collection": collection_id, "reward_model": reward_model}
        return next((job for job in self._jobs.jobs() if job.kind is Kind.SCORE and job.spec == spec), None)
