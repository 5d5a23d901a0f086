"""Everything that needs a GPU, checked in one command: `make gpu-check`, runs/gpu_check.md."""
