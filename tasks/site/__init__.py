"""What runs at a site: executor, outbox, and the site policy no coordinator overrides."""
