"""The shipped workloads read scikit-learn's files as scikit-learn does."""

import numpy as np
import pytest
from sklearn import datasets

from models.workloads.tables import read_table


@pytest.mark.parametrize(
    ("file", "header_lines", "load"),
    [
        ("digits.csv.gz", 0, datasets.load_digits),
        ("breast_cancer.csv", 1, datasets.load_breast_cancer),
    ],
)
def test_a_table_is_what_scikit_learn_loads(file, header_lines, load):
    features, labels = load(return_X_y=True)
    table = read_table(file, header_lines=header_lines).numpy()
    assert np.array_equal(table[:, :-1], features)
    assert np.array_equal(table[:, -1], labels)
