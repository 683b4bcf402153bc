"""The expected loss through the law of the hidden vector h = W x, for outputs that depend on several inputs."""
