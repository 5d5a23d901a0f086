"""The GPU check: `make gpu-check`, runs/gpu_check.md."""
