"""The process: what uvicorn runs, how it starts and how it ends."""
