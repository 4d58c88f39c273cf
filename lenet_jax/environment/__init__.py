"""What the project runs in: what is typed here, packages, the runtime."""
