"""Devices, processes, and what their compilers are asked for."""
