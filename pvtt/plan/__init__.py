"""What a run takes before it is started: parameters, memory, disk, hours, and what does not fit."""
