"""Webhooks: what AWS changed, sent to the operator's targets, signed, in order and at least once."""
