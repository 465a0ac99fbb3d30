"""The columns of the tables of a run, beside those of its metrics and parameters."""

import pyarrow as pa

TRIAL_FIELDS = [
    ("trial", pa.int64()),
    ("state", pa.string()),
    ("rung", pa.int64()),  # the last finished rung, counted from 0; null before the first
    ("epochs", pa.int64()),
    ("objective", pa.float64()),  # at that rung
    ("seconds", pa.float64()),
    ("device", pa.string()),
    ("node", pa.string()),
    ("error", pa.string()),
    ("violation", pa.float64()),  # of the constraints, 0 if all are kept; null without constraints
    ("front", pa.bool_()),  # whether no trial is better in all objectives; null with one objective
]
RUNG_FIELDS = [
    ("trial", pa.int64()),
    ("rung", pa.int64()),  # counted from 0
    ("epochs", pa.int64()),  # of the rung
    ("value", pa.float64()),  # the objective there
    ("seconds", pa.float64()),  # training time of the trial up to this rung
    ("finished_at", pa.float64()),  # seconds from the start of the first trial to the end of this rung
    ("checkpoint", pa.string()),  # relative to the run's folder
    ("device", pa.string()),
    ("node", pa.string()),
]
EPOCH_FIELDS = [("trial", pa.int64()), ("epoch", pa.int64()), ("seconds", pa.float64())]
CONFIRM_FIELDS = [
    ("config", pa.string()),  # "trial 7" or "default"
    ("trial", pa.int64()),  # null if the default configuration is no trial
    ("seed", pa.int64()),
    ("state", pa.string()),  # complete, diverged or failed; the next three are null unless complete
    ("epoch", pa.int64()),  # whose weights are scored and kept: the best by validation, or the last (pick)
    ("val", pa.float64()),  # the objective on the validation split at that epoch
    ("test", pa.float64()),  # the objective on the test split
    ("seconds", pa.float64()),
    ("checkpoint", pa.string()),  # relative to the run's folder
    ("error", pa.string()),
    ("violation", pa.float64()),  # of the constraints at that epoch
    ("trained", pa.int64()),  # epochs of the training
]
NULLABLE = {"rung", "objective", "device", "node", "error", "violation", "front", "checkpoint"}
CONFIRM_NULLABLE = NULLABLE | {"trial", "epoch", "val", "test", "seconds", "trained"}
