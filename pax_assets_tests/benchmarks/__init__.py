"""What PAX is measured against, and how: one module a `make bench-*` target."""
