"""Documents that are no files of code: issues, commits, notebooks, pull requests, in parts as StarCoder and StarCoder2
read them (arXiv 2305.06161 and 2402.19173).

`issues`, `commits` and `pull_requests` are types of sources; `notebooks` takes what other sources find. Each has the
published filters as keys of its own. The room may import what the room `prepare` may.
"""
