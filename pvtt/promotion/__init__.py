"""From the 1.3B proof of concept to 14B: the evidence, the plan, the gate, the record."""
