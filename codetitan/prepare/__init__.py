"""From raw code to a corpus: what is read is judged by rules, compared with the rest, and written with its licences.

`file` is what the rules look at. Every drop says why: the document, the rule, its value, the threshold and, of a
duplicate, the file that is kept. The room imports `data/`'s readers and the tokenizer's room, and no torch.
"""
