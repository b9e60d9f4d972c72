"""What an open Rounds page holds: one document for each run, pages of its tables, patches."""
