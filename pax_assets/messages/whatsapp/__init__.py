"""WhatsApp: the Cloud API's webhooks, and chats that people export."""
