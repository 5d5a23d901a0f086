"""Reading untrusted model files: size, scan, contract."""
