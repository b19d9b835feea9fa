"""The plots of one file, by part of the instrument: functions that draw its content."""
