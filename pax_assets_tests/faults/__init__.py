"""Writers that are killed, raced and started again, and what the lake holds in the end."""
