"""What runs at a site: executor, outbox, and a site policy that no coordinator can override."""
