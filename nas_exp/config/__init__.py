"""From what Hydra has composed to one checked, frozen configuration."""
