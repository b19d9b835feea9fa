"""Kernels for notebooks without a screen: forked from one that has its libraries loaded."""
