"""The event store, the blobs beside it, and one typed payload for each kind of event."""
