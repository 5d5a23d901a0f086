"""A client for people with a shell: `python -m service.client classify *.jpg`.

It talks HTTP and knows nothing of the server's code: `pip install glimpse[client]` brings what it needs, and
serving needs none of that.
"""
