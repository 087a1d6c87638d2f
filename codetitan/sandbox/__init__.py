"""Runs what a model wrote, and decides whether it passes its test: `with Sandbox() as sandbox: sandbox.run(programs)`.

Linux alone, with Landlock and seccomp; imports nothing of codetitan but errors, and never torch.
"""

from codetitan.sandbox.pool import Sandbox
from codetitan.sandbox.program import Limits, Program, SandboxError, Verdict

__all__ = ["Limits", "Program", "Sandbox", "SandboxError", "Verdict"]
