"""Search spaces: one YAML file each, and the code that reads, validates and samples them."""
