"""Of documents that are the same, or nearly, the best one stays: for corpora that do not fit into memory.

What is sure, whatever the input: a document is dropped only for one that stays and is better in the total order; they
have the same digest, or a verified Jaccard similarity of at least the threshold, or one has the digest of a document
that is so similar to the other. The outcome depends on the documents and the settings alone.

What is likely: a pair of similarity s is compared with probability 1 - (1 - s^rows)^bands, 51 % at 0.7, 94 % at 0.8 and
99.998 % at 0.9. What is left out, so that work stays linear: in a bucket of which many unlike documents stay, others
are compared with the best 8 + 64 (`leaders`) that were not dropped before their turn.

A document is a file, or a repository as a whole (`repositories`). `stages` has the order in which the other files
are run. The room imports `data`'s shingles and MinHash, and NumPy.
"""
