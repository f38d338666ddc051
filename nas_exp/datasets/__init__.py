"""Images: official batches, bundles, and the mini-batch that metrics see."""
