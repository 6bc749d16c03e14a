"""Engine one: EM and MAP-EM in NumPy."""
