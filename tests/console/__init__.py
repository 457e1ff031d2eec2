"""The pages in a real browser. `make console-test` runs these tests; `make test` leaves them out."""
