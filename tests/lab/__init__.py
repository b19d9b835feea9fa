"""Tests of kpfnb.lab."""
