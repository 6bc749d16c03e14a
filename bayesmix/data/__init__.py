"""What was observed: `Data`, the file readers, and the data sets shipped with the package."""

from bayesmix.data import datasets
from bayesmix.data.chunks import Chunks
from bayesmix.data.data import Data
from bayesmix.data.readers import read_data

__all__ = ["Chunks", "Data", "datasets", "read_data"]
