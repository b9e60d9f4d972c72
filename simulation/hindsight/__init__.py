"""Hindsight: a run that was, out of its ledger, under the policies that it might have had."""
