"""Replicas behind a proxy: `make scale-out-test` runs these tests with the files of examples/scale-out."""
