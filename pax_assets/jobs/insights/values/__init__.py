"""What words mean as values: times, sums of money, telephone numbers."""
