"""What a video is generated from besides noise, one part a file."""
