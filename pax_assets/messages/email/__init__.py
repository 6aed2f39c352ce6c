"""Mail: RFC 5322, mailboxes of many, and what Amazon SES delivers."""
