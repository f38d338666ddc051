"""What a report puts its own numbers beside: those of a publication, and its names and its order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class PublishedSearch(NamedTuple):
    """What a publication says of one search: means and deviations over runs, accuracies in percent."""

    seconds: float
    val_acc: float
    val_acc_std: float
    test_acc: float
    test_acc_std: float


@dataclass(frozen=True)
class Reference:
    """A publication. Without any, a report has our numbers alone, under the names of the configuration."""

    space: str | None = None
    """The search space that it is about."""
    datasets: Mapping[str, str] = field(default_factory=dict)
    """What it calls its datasets, in its order."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    algos: Mapping[str, str] = field(default_factory=dict)
    hyper_parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Those of its searches, by algorithm."""
    rho: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Spearman's rho by dataset and metric, over the space."""
    rho_top: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Likewise, over the tenth with the best scores."""
    searches: Mapping[tuple[str, str, str], PublishedSearch] = field(default_factory=dict)
    """By dataset, metric and algorithm."""
    seconds_measured: str = "They were measured"
    """Begins the sentence on where seconds were measured, which says of ours "on the processor …"."""
    numbers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """For a table or figure of a report: the file name and the number that it gets, as ("table-4", "Table IV")."""

    def label(self, name: str) -> str:
        """Return what a dataset, a metric or an algorithm is called."""
        return {**self.datasets, **self.metrics, **self.algos}.get(name, name)

    def numbered(self, name: str, title: str) -> tuple[str, str]:
        """Return the name and the title of a table or a figure, with its number if it has one."""
        if name not in self.numbers:
            return name, title[0].upper() + title[1:]
        file_name, number = self.numbers[name]
        return file_name, f"{number}: {title}"
