"""A project in the manner of LightningCLI."""
