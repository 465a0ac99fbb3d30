"""What executes jobs. An engine is a loop over the queue's four verbs; see CONTRIBUTING.md."""
