"""Carbon signals that need no network: yearly means, the typical day, recorded traces."""
