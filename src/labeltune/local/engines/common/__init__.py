"""What engines share: answer formats found in records, calibration, layout and saving of models."""
