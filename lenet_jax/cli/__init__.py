"""The programs' flags, messages and exit status; nothing else knows absl."""
