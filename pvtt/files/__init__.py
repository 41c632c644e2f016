"""What touches the disk and knows nothing else: atomic writes, hashes, locks, Git, the layout of a checkout, and a
server of files on the loopback."""
