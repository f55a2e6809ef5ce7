"""`sheaf demo`: eight real nodes on this computer, and a story whose figures they compute."""
