"""The data sets that come with this package, one file each; a new file here is found without being named."""
