"""Runs stages of tasks, on this machine, by SLURM or by Ray, and keeps what is done below the output folder.

`stage` is what runs, `state` where its outcome lies and what that is called, `task` how one task comes out whole or not
at all, `run` all of it; `local` is a pool of processes, `slurm` and `ray` datatrove's executors with what they lack.
The room imports errors, lock and stop, and datatrove where it is used; it knows nothing of files or rules.
"""
