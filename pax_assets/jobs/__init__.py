"""The Spark payloads: plain DataFrame code, run in-process, by spark-submit or on a cluster."""
