"""Selection policies: which eligible clients a round invites (elsewhere a *client sampler*).

A policy is one pure function in a file of its own, named in `policy.POLICIES`; or your own, named
by its import path, such as ``mine:select``.
"""
