"""Where a person's messages lie, place by place: what `jobs.erasure` goes through."""
