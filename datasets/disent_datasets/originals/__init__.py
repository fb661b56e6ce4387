"""Original files of data sets: found, downloaded, compared with published checksums, read."""
