"""The napari viewer of an operando store: a plugin that napari finds by its manifest, ``napari.yaml``."""
