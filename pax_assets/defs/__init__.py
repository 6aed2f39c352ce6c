"""Everything that knows Dagster. The rooms below hold the payloads; nothing imports this one."""
