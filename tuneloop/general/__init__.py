"""What a general assistant should still know after tuning: questions with accepted answers, and texts."""
