"""How a network is trained, from a step to a whole run."""
