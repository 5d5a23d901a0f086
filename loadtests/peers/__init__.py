"""The same model files, through the same views, behind other servers.

Each <name>_server.py runs in an environment of its own (locks/<name>.txt, .venv-peers/<name>): one worker,
access log off, batching on where the framework has it, and the settings that were fastest in a short trial
on two cores. `python -m loadtests.bench` starts them.
"""
