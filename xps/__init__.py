"""X-ray photoelectron spectroscopy of electrolyte decomposition."""
