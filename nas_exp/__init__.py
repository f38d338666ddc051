"""Training-free neural architecture search on NATS-Bench."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_exp.notebook import configure, draw_trajectories, known_scores, run_searches

__version__ = "0.1.0"

__all__ = ["__version__", "configure", "draw_trajectories", "known_scores", "run_searches"]


def __getattr__(name: str) -> Any:
    """Import the names for notebooks when one is asked for: `import nas_exp` alone imports nothing else."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nas_exp import notebook

    return getattr(notebook, name)
