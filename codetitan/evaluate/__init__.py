"""`codetitan evaluate`: what is asked of a model, by which protocol, and how the answers are counted.

`tasks` are sets of problems, `protocols` how they are asked, `scores` what comes of the answers; `folder` keeps what is
done, `results` writes it, `run` is all of it. It imports engine, sandbox, data and tokenizer; not torch, nor
training.
"""
