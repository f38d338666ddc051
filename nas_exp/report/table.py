"""Tables in the terminal."""

from collections.abc import Sequence

from nas_exp.tasks import Summary, all_keys

_HEADINGS = {
    "val_acc": "val acc (%)",
    "test_acc": "test acc (%)",
    "seconds": "seconds",
    "best_arch_str": "best architecture",
    "val_hypervolume": "val hypervolume",
    "test_hypervolume": "test hypervolume",
    "front_size": "networks in front",
    "budget_seconds": "seconds allowed",
    "worst_difference": "worst relative difference",
    "worst_arch_index": "of arch_index",
    "seconds_per_network": "seconds a network",
    **{
        f"{statistic}_{accuracy}_acc": heading.format(accuracy)
        for statistic, heading in (
            ("rho", "ρ {}"), ("tau", "τ {}"), ("rho_top", "ρ {} top"), ("tau_top", "τ {} top"),
            ("ndcg_100", "nDCG {}"), ("regret", "regret {}"),
        )
        for accuracy in ("test", "val")
    },
}  # fmt: skip
_HIDDEN = ("task", "job", "config_hash", "version", "hypervolume_reference_cost")
_HIDDEN_ENDS = ("_std", "_low", "_high", "precision_100_test_acc", "precision_100_val_acc")
"""Shown beside what they belong to, or left to the files."""
_LONG = ("best_arch_str", "table")
"""Too wide for a column: shown below the table when there is one row, left to results.csv when there are many."""


def print_table(summaries: Sequence[Summary], *, title: str) -> None:
    """Print one row a summary to standard output: means and deviations in one cell, a dash for what is unknown.

    What is the same in all of many rows is told once, below the table.
    """
    from rich.console import Console
    from rich.table import Table

    rows = [_cells(summary) for summary in summaries]
    columns = all_keys(rows)
    shared = [name for name in columns if len(rows) > 1 and len({row.get(name) for row in rows}) == 1]
    below = [name for name in columns if name in shared or (name in _LONG and len(rows) == 1)]
    table = Table(header_style="bold")
    shown = [name for name in columns if name not in below and name not in _LONG]
    for name in shown:
        table.add_column(_HEADINGS.get(name, name), overflow="fold")
    for row in rows:
        table.add_row(*(row.get(name, "-") for name in shown))
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:  # in a pipe or a log file there is no width to keep to
        console = Console(highlight=False, width=160)
    console.print(title, style="bold", markup=False, soft_wrap=True)
    if shown:
        console.print(table)
    for name in below:
        console.print(f"{_HEADINGS.get(name, name)}: {rows[0].get(name, '-')}", markup=False, soft_wrap=True)


def _cells(summary: Summary) -> dict[str, str]:
    cells: dict[str, str] = {}
    for key, value in summary.items():
        name = key.removesuffix("_mean")
        if key in _HIDDEN or key.endswith(_HIDDEN_ENDS):
            continue
        std = summary.get(f"{name}_std")
        digits = 3 if key.startswith(("rho", "tau", "ndcg")) or key.endswith("hypervolume_mean") else 2
        if key == "seconds_per_network" and value is not None:  # from microseconds to hours
            cells[name] = f"{value:.3g}"
            continue
        if key == "worst_difference":
            cells[name] = f"{value:.1e}"
            continue
        cells[name] = _text(value, digits) if std is None else f"{_text(value, digits)} ± {_text(std, digits)}"
    return cells


def _text(value: str | float | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
