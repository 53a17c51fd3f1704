"""The eyes and the memory: probes, invariants, events, the hub and the ledger."""
