"""Digits with test data at the coordinator, and a quarter of them held out at each site as well."""

from models.workloads import digits
from tests.fakes import site_tested

model, loss, metrics = digits.model, digits.loss, digits.metrics
train_data, test_data, train_examples = digits.train_data, digits.test_data, digits.train_examples
held_out_data = site_tested.held_out_data
