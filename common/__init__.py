"""Words both sides share: errors, units, clock, settings, messages. Imports nothing of ours."""
