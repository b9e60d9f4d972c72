"""Bookings, totals, the baseline, and settlement by measured intensities."""
