"""The napari viewer of an operando store."""
