"""The subjects: what a managed service is, how it runs, is changed, and is broken."""
