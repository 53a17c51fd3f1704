"""The hands: works tickets with a brain, tools, policy, approvals and verification."""
