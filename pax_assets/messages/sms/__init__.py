"""Text messages: Twilio, AWS two-way SMS, and backups of Android phones."""
