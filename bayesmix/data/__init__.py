"""What was observed: `Data`, the file readers, and the data sets shipped with the package."""

from bayesmix.data import datasets
from bayesmix.data.data import Data
from bayesmix.data.readers import read_data

__all__ = ["Data", "datasets", "read_data"]
