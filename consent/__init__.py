"""Consent: grants, tokens, releases and the transparency log above the blind store."""
