"""Secure aggregation: the coordinator learns the sum of a cohort's updates, and no single one.

K. Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS
2017, https://doi.org/10.1145/3133956.3133982, with a standing committee in the manner of Y. Ma et
al., "Flamingo: Multi-Round Single-Server Secure Aggregation with Applications to Private Federated
Learning", S&P 2023, https://arxiv.org/abs/2308.09883. The cohort is frozen after training.

    READY    site            `site.prepare`      keys, and Shamir shares sealed to the committee
    FREEZE   coordinator     `cohort.freeze`     a manifest that each site checks
    UPLOAD   site            `site.upload`       the update under its masks
    UNMASK   committee       `committee.answer`  one share for each site, once and for ever
    MERGE    coordinator     `merge.merge`       the sum, or a clear error

Nothing here sends anything: the caller carries messages and bytes, and names the folder of the
store. `docs/secure-aggregation.md` says what it protects from whom.
"""
