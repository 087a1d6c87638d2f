"""What Linux offers to hold a process: Landlock, seccomp, capabilities, by ctypes and the kernel's own numbers.

Imports the standard library alone.
"""
