"""What a run leaves in its folder, and going on from it."""
