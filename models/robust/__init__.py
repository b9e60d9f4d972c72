"""Rules by which a few wrong updates cannot spoil the mean: one rule and paper a file.

Most rules only need the distances between updates. These follow from the Gram matrix, which
`gram` computes exactly; `robust_mean` applies the rules to updates on disk and in memory.
"""
