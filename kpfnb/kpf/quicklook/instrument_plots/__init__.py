"""One module for each part of the instrument: functions that draw a content into a figure."""
