"""The same model files, through the same views, behind other servers.

Each <name>_server.py runs in an environment of its own (locks/<name>.txt, .venv-peers/<name>): access log
off, batching on where the framework has it, and the settings that were fastest in a short trial on two cores.
mosec and FastAPI have a worker per core, FastAPI a row with one worker too; the others one.
`python -m loadtests.bench` starts them.
"""
