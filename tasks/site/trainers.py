"""What a site may train: workloads loaded once and kept warm, each with its client's data."""

from __future__ import annotations

from collections.abc import Hashable

import torch

from common.errors import FairwindError
from common.log import get_logger
from common.settings import Settings
from common.workload_names import run_name
from common.workload_options import OptionsGiven
from models.configured import configured, options_key
from models.training import Trainer
from models.workload import load_workload

_log = get_logger(__name__)


class Trainers:
    """The trainers of one client; they keep data and models, but no state of training."""

    def __init__(self, settings: Settings, client: str, device: torch.device) -> None:
        """Prepare to load; nothing is loaded yet.

        Args:
            settings: The site's, which name what may be loaded.
            client: Whose data are trained on.
            device: Where they train.
        """
        self._allowed, self._client, self._device = settings.workloads, client, device
        self._loaded: dict[str, tuple[Hashable, Trainer]] = {}

    def load_all(self) -> None:
        """Load what this site may train. What cannot be loaded is logged, and fails later.

        Raises:
            WorkloadError: If nothing of it can be loaded.
        """
        faults: dict[str, FairwindError] = {}
        for workload in self._allowed:
            try:
                self.trainer(workload, {})
            except FairwindError as error:
                faults[workload] = error
        if faults and len(faults) == len(self._allowed):
            raise next(iter(faults.values()))
        for workload, fault in faults.items():
            _log.warning("workload.not_loaded", workload=workload, reason=str(fault))

    def trainer(self, workload: str, options: OptionsGiven) -> Trainer:
        """Return the trainer of a workload; only one of its options is kept, with their data.

        Raises:
            WorkloadError: If the workload cannot be loaded.
            UpdateError: If its model has tensors that cannot be averaged or stored.
        """
        workload = run_name(workload)
        key = options_key(options)
        given, trainer = self._loaded.get(workload, (None, None))
        if trainer is None or given != key:
            loaded = load_workload(workload, allowed=self._allowed)
            trainer = Trainer(configured(loaded, options), self._client, device=self._device)
            self._loaded[workload] = key, trainer
        return trainer

    def num_examples(self, workload: str, options: OptionsGiven) -> int | None:
        """Return how many examples a workload has that is loaded; `None` if that is not known."""
        given, trainer = self._loaded.get(run_name(workload), (None, None))
        known = trainer is not None and given == options_key(options)
        return (trainer.num_examples or None) if trainer is not None and known else None

    def forget(self, workload: str) -> None:
        """Load a workload anew for the next task: what was interrupted is not trusted."""
        self._loaded.pop(workload, None)
