"""The webhook gateway: providers' live traffic into landing, with a receipt only for what is safe.

A provider that got a 200 forgets the message. So the gateway promises one thing: what it answered
with 200 is verified to come from the provider and lies durably in landing. It parses no message,
keeps no state and removes no duplicates: the lake does that, by `message_id`.
"""
