"""What strangers may send: files that lie, requests that are none, and many of them."""
