"""Tomographic microscopy of cracks and voids."""
